"""All tables, by subject."""

from desk.models.accounts import (
    ApiKey,
    Membership,
    ModelProvider,
    RevokedToken,
    StoredSession,
    Tenant,
    TenantSettings,
    User,
)
from desk.models.attachments import Attachment
from desk.models.base import GLOBAL_TENANT_ID, Row, TenantRow, Work
from desk.models.certificates import CertificationGroup, SendingCertificate
from desk.models.chats import ChatSession, ReplyNotice, Visitor, WidgetArrival
from desk.models.comparisons import Comparison, ComparisonCase, Experiment
from desk.models.customers import CustomerMerge, CustomerProof
from desk.models.drafts import Decision, Delivery, Draft, DraftSource, ModelCall, Review
from desk.models.faqs import Faq, FaqPhrasing
from desk.models.history import Backtest, HistoryImport
from desk.models.intents import Intent, IntentLabel
from desk.models.knowledge import (
    Chunk,
    Correction,
    Document,
    DocumentVersion,
    Embedding,
    Example,
    IndexCounter,
    IndexLogEntry,
)
from desk.models.messaging import DeliveryPart, MessageTemplate
from desk.models.pictures import PictureDescription
from desk.models.remote import CustomerFactSheet, RemoteChange, RemoteLink
from desk.models.tickets import (
    Connection,
    ConnectionWatch,
    Customer,
    CustomerIdentity,
    InboxEntry,
    Message,
    Ticket,
    TicketEvent,
)
from desk.models.tuning import ChannelPolicy, ProcessHeartbeat, PromptVersion
from desk.models.upkeep import GapQuestion, KnowledgeGap, KnowledgeJob, KnowledgeProposal, PassagePair
from desk.models.webhooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from desk.models.websites import Website, WebsitePage

metadata = Row.metadata

__all__ = [
    "GLOBAL_TENANT_ID",
    "ApiKey",
    "Attachment",
    "Backtest",
    "CertificationGroup",
    "ChannelPolicy",
    "ChatSession",
    "Chunk",
    "Comparison",
    "ComparisonCase",
    "Connection",
    "ConnectionWatch",
    "Correction",
    "Customer",
    "CustomerFactSheet",
    "CustomerIdentity",
    "CustomerMerge",
    "CustomerProof",
    "Decision",
    "Delivery",
    "DeliveryPart",
    "Document",
    "DocumentVersion",
    "Draft",
    "DraftSource",
    "Embedding",
    "Example",
    "Experiment",
    "Faq",
    "FaqPhrasing",
    "GapQuestion",
    "HistoryImport",
    "InboxEntry",
    "IndexCounter",
    "IndexLogEntry",
    "Intent",
    "IntentLabel",
    "KnowledgeGap",
    "KnowledgeJob",
    "KnowledgeProposal",
    "Membership",
    "Message",
    "MessageTemplate",
    "ModelCall",
    "ModelProvider",
    "PassagePair",
    "PictureDescription",
    "ProcessHeartbeat",
    "PromptVersion",
    "RemoteChange",
    "RemoteLink",
    "ReplyNotice",
    "Review",
    "RevokedToken",
    "Row",
    "SendingCertificate",
    "StoredSession",
    "Tenant",
    "TenantRow",
    "TenantSettings",
    "Ticket",
    "TicketEvent",
    "User",
    "Visitor",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "Website",
    "WebsitePage",
    "WidgetArrival",
    "Work",
    "metadata",
]
