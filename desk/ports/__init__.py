"""What the core asks of the packages around it: protocols and the frozen messages they exchange.

Adapters live in `retrieval`, `learning` and `connectors`; `desk.wiring` binds them. Import from here; the modules only
keep each subject in one place.
"""

from __future__ import annotations

from desk.ports.channels import Channel, ConnectionDetails, HealthCheck, OutgoingFile, OutgoingReply, SendOutcome
from desk.ports.clock import Clock
from desk.ports.documents import DocumentIndexer
from desk.ports.embeddings import Embedder, Vectors
from desk.ports.faqs import FaqFound, FaqLane, FaqMatch
from desk.ports.history import HistoryReader, HistoryReplayer
from desk.ports.inbound import (
    Batch,
    ConfiguredChannel,
    ConsentChannel,
    CredentialStore,
    DeliveryReport,
    Feed,
    Ignored,
    Inbound,
    InboundChannel,
    InboundFile,
    InboundMessage,
    RawMessage,
    Sender,
    TriedChannel,
    WatchedChannel,
)
from desk.ports.language_models import (
    ChatModel,
    ChatModels,
    ChatReply,
    ChatRequest,
    ChatTurn,
    ModelAttempt,
    ModelOption,
    ModelOptions,
)
from desk.ports.learning import (
    Calibration,
    EditAnalyser,
    EditAnalysis,
    EditChange,
    Learned,
    Learner,
    Mistake,
    MistakeFinder,
)
from desk.ports.retrieval import (
    NO_INTENT,
    Confidence,
    ConfidenceParts,
    ConfidenceSettings,
    Evidence,
    Hit,
    IntentDescription,
    IntentGuess,
    Level,
    Question,
    Reranker,
    Reranking,
    Retriever,
    SourceKind,
    SourceWeights,
    Span,
)
from desk.ports.storage import SignedAddress, Storage, StoredHead
from desk.ports.upkeep import KnowledgeUpkeep
from desk.ports.websites import SitemapFacts, WebPageFacts, WebPageReader

__all__ = [
    "NO_INTENT",
    "Batch",
    "Calibration",
    "Channel",
    "ChatModel",
    "ChatModels",
    "ChatReply",
    "ChatRequest",
    "ChatTurn",
    "Clock",
    "Confidence",
    "ConfidenceParts",
    "ConfidenceSettings",
    "ConfiguredChannel",
    "ConnectionDetails",
    "ConsentChannel",
    "CredentialStore",
    "DeliveryReport",
    "DocumentIndexer",
    "EditAnalyser",
    "EditAnalysis",
    "EditChange",
    "Embedder",
    "Evidence",
    "FaqFound",
    "FaqLane",
    "FaqMatch",
    "Feed",
    "HealthCheck",
    "HistoryReader",
    "HistoryReplayer",
    "Hit",
    "Ignored",
    "Inbound",
    "InboundChannel",
    "InboundFile",
    "InboundMessage",
    "IntentDescription",
    "IntentGuess",
    "KnowledgeUpkeep",
    "Learned",
    "Learner",
    "Level",
    "Mistake",
    "MistakeFinder",
    "ModelAttempt",
    "ModelOption",
    "ModelOptions",
    "OutgoingFile",
    "OutgoingReply",
    "Question",
    "RawMessage",
    "Reranker",
    "Reranking",
    "Retriever",
    "SendOutcome",
    "Sender",
    "SignedAddress",
    "SitemapFacts",
    "SourceKind",
    "SourceWeights",
    "Span",
    "Storage",
    "StoredHead",
    "TriedChannel",
    "Vectors",
    "WatchedChannel",
    "WebPageFacts",
    "WebPageReader",
]
