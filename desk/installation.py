"""Everything one process of the desk works with, put together by `desk.wiring`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from saq.queue.postgres import PostgresQueue

from desk.accounts.tokens import TokenDesk
from desk.attachments.describing import DescriptionDesk
from desk.comparing.desk import ComparisonDesk
from desk.customer_facts import FactsDesk
from desk.db.roles import DatabaseAddress
from desk.db.unit_of_work import Database
from desk.delivery import DeliveryDesk
from desk.drafting.pipeline import DraftingDesk
from desk.files import FileLinks
from desk.inbound.reading import InboxDesk
from desk.inbound.watching import WatchDesk
from desk.live import LiveHub
from desk.policy.looks import SharedModels
from desk.ports import (
    Channel,
    ChatModels,
    Clock,
    DocumentIndexer,
    EditAnalyser,
    EditNotes,
    Embedder,
    FaqLane,
    HistoryReader,
    HistoryReplayer,
    IntentDescription,
    KnowledgeUpkeep,
    Learner,
    ModelOptions,
    Retriever,
    Storage,
    WebhookPoster,
)
from desk.remote_changes import RemoteChangeDesk
from desk.settings import Settings
from desk.webhooks.sending import WebhookDesk
from desk.websites.crawling import CrawlDesk
from desk.widget.reply_mail import ReplyMail


@dataclass(frozen=True, slots=True)
class Installation:
    settings: Settings
    address: DatabaseAddress
    database: Database
    queue: PostgresQueue
    live: LiveHub
    clock: Clock
    tokens: TokenDesk
    embedder: Embedder
    retriever: Retriever
    faqs: FaqLane
    intents: tuple[IntentDescription, ...]
    models: ChatModels
    model_options: ModelOptions
    shared_models: SharedModels
    """What drafts are made with where a tenant has chosen nothing."""
    analyser: EditAnalyser
    learner: Learner
    edit_notes: EditNotes
    indexer: DocumentIndexer
    crawls: CrawlDesk
    reembed: Callable[[UUID], Awaitable[int]]
    """Embeds a batch of a tenant's items again that only another model has embedded; how many it did."""
    upkeep: KnowledgeUpkeep
    history_reader: HistoryReader
    history_replayer: HistoryReplayer
    drafting: DraftingDesk
    comparisons: ComparisonDesk
    deliveries: DeliveryDesk
    channels: Mapping[str, Channel]
    """By kind."""
    inbox: InboxDesk
    watches: WatchDesk
    reply_mail: ReplyMail
    remote_changes: RemoteChangeDesk
    customer_facts: FactsDesk
    webhooks: WebhookDesk
    descriptions: DescriptionDesk
    webhook_poster: WebhookPoster
    storage: Storage
    files: FileLinks
