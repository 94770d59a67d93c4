"""The composition root: binds the ports to their adapters. The only module of `desk` that knows the other packages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from uuid import UUID

from litestar import Litestar
from sqlalchemy import ColumnElement, select, true

import ui
from connectors.crm.hubspot.channel import HubSpotChannel
from connectors.crm.salesforce.channel import SalesforceChannel
from connectors.crm.zoho.channel import ZohoChannel
from connectors.email.channel import EmailChannel
from connectors.llm.breaker import Breakers
from connectors.llm.chain import build_chat_model
from connectors.llm.configuration import (
    ProviderConfiguration,
    configure,
    embedding_from_environment,
    providers_from_environment,
)
from connectors.llm.embeddings import RemoteEmbedder
from connectors.rerank.endpoint import EndpointReranker, rerank_endpoint
from connectors.rest.channel import RestChannel
from connectors.rest.mapped.channel import MappedChannel
from connectors.rest.webhooks import SignedPoster
from connectors.storage.bucket import Bucket, BucketStorage
from connectors.storage.folder import FolderStorage
from connectors.storage.signing import Signer
from connectors.whatsapp.meta.channel import MetaWhatsApp
from connectors.whatsapp.twilio.channel import TwilioWhatsApp
from connectors.whmcs.channel import WhmcsChannel
from connectors.widget.channel import LiveChannel
from desk.accounts.tokens import TokenDesk
from desk.app import create_app
from desk.attachments.describing import DescriptionDesk
from desk.attachments.kept import AttachmentLimits
from desk.clock import SystemClock
from desk.comparing.desk import ComparisonDesk
from desk.customer_facts import FactsDesk
from desk.db.crypto import key_ring
from desk.db.roles import DatabaseAddress, address_from_urls
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.delivery import DeliveryDesk
from desk.drafting.pipeline import DraftingDesk
from desk.egress import EgressRules
from desk.errors import NotFoundError
from desk.files import FileLinks
from desk.garbage import settle
from desk.inbound.connecting import StoredCredentials
from desk.inbound.reading import InboxDesk
from desk.inbound.watching import WatchDesk
from desk.installation import Installation
from desk.live import LiveHub
from desk.logs import configure_logs
from desk.models import ModelProvider
from desk.policy.looks import SharedModels
from desk.ports import Channel, ChatModel, ChatModels, Clock, Embedder, IntentDescription, ModelOption, Storage
from desk.remote_changes import RemoteChangeDesk
from desk.secret import Secret
from desk.settings import Settings, load_settings
from desk.wakeups import QueueWaker, saq_queue
from desk.webhooks.noticing import install_noticing
from desk.webhooks.sending import WebhookDesk
from desk.websites.crawling import CrawlDesk, CrawlLimits
from desk.widget.access import VisitorTokens
from desk.widget.reply_mail import ReplyMail
from learning.backtest.job import ReplayJob
from learning.edit_notes import EditNoteWriter
from learning.edits import Analyser
from learning.history_job import HistoryJob
from learning.repeats import MistakeFinder
from learning.store import ReviewLearner
from learning.tenant_calibration import TenantCalibration
from learning.upkeep import Upkeep
from retrieval.embedding.cached import CachedEmbedder
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.faq.lane import IndexedFaqLane
from retrieval.indexer import ChunkIndexer
from retrieval.ingestion.isolation.reader import shared_reader
from retrieval.intents.categories import hosting_categories
from retrieval.open_indexes import OpenIndexes
from retrieval.reembedding import embed_again
from retrieval.reranking import EmbeddingReranker, LlmReranker, RerankingStage
from retrieval.retriever import FourSourceRetriever
from retrieval.snapshots import Snapshots

EMBEDDING_CACHE = 4_096
RECHECK_SECONDS = 2.0
"""How long a tenant's model chain and calibration are taken for current: each draft would ask the database twice."""


def database_address(settings: Settings) -> DatabaseAddress:
    """Of the database the settings name; a migration may write credentials, so the keys are put in place as well.

    Raises SettingMissingError when the settings name no database.
    """
    key_ring.configure(settings.encryption_keys)
    owner, app = settings.database_url, settings.database_app_url
    return address_from_urls(owner.reveal() if owner else None, app.reveal() if app else None, settings.secret_key)


def build(settings: Settings, address: DatabaseAddress) -> Installation:
    """Put one process together. Opens no connection yet."""
    key_ring.configure(settings.encryption_keys)
    clock, rules = SystemClock(), EgressRules(allowed_hosts=frozenset(settings.egress_allowed_hosts))
    queue = saq_queue(address.psycopg_app_url())
    database = Database.connect(address.app, waker=QueueWaker(queue))
    embedder = CachedEmbedder(build_embedder(settings, rules), EMBEDDING_CACHE)
    indexes = OpenIndexes(
        embedder,
        settings.index_memory_bytes,
        backend="pgvector" if settings.vector_backend == "pgvector" else "memory",
        snapshots=snapshots(settings),
    )
    models = TenantModels(database, settings, rules, clock)
    retriever = FourSourceRetriever(database, embedder, indexes, reranking_stage(settings, rules, embedder, models))
    faqs = IndexedFaqLane(database, embedder, indexes)
    calibration = TenantCalibration(database, RECHECK_SECONDS)
    drafting = DraftingDesk(database, retriever, faqs, models, calibration)
    storage = build_storage(settings, clock)
    install_noticing()
    poster = SignedPoster(rules, clock)
    files = FileLinks(storage, settings.secret_key, settings.public_url, clock)
    channels: tuple[Channel, ...] = (
        RestChannel(rules, clock),
        LiveChannel("chat"),
        LiveChannel("widget"),
        EmailChannel(rules, clock, StoredCredentials(database)),
        HubSpotChannel(rules, clock, StoredCredentials(database)),
        ZohoChannel(rules, clock, StoredCredentials(database)),
        SalesforceChannel(rules, clock, StoredCredentials(database)),
        MappedChannel(rules, clock, StoredCredentials(database)),
        WhmcsChannel(rules, clock),
        TwilioWhatsApp(rules, clock),
        MetaWhatsApp(rules, clock),
    )
    by_kind = {channel.kind: channel for channel in channels}
    return Installation(
        settings=settings,
        address=address,
        database=database,
        queue=queue,
        live=LiveHub(address.psycopg_app_url()),
        clock=clock,
        channels=by_kind,
        inbox=InboxDesk(
            database,
            by_kind,
            debounce_seconds=settings.debounce_seconds,
            storage=storage,
            limits=AttachmentLimits.of(settings),
        ),
        watches=WatchDesk(database, by_kind),
        tokens=TokenDesk(database, settings.secret_key, clock, settings.token_minutes),
        embedder=embedder,
        retriever=retriever,
        faqs=faqs,
        intents=intent_descriptions(),
        models=models,
        model_options=models,
        shared_models=SharedModels(models.shared_words, embedder.model),
        analyser=Analyser(),
        learner=ReviewLearner(database, embedder, retriever),
        edit_notes=EditNoteWriter(database, models),
        indexer=ChunkIndexer(database, storage, embedder, settings.lease_seconds),
        crawls=CrawlDesk(
            database,
            storage,
            shared_reader(),
            rules,
            clock,
            CrawlLimits(settings.crawl_pause_seconds, settings.maximum_upload_bytes, settings.public_url),
        ),
        reembed=partial(embed_again, database, embedder),
        history_reader=HistoryJob(database, storage, embedder),
        history_replayer=ReplayJob(database, embedder),
        upkeep=Upkeep(database, embedder, Analyser()),
        drafting=drafting,
        comparisons=ComparisonDesk(database, retriever, drafting, Analyser(), MistakeFinder(), models.with_provider),
        deliveries=DeliveryDesk(
            database, by_kind, storage, files, settings.public_url, lease_seconds=settings.lease_seconds
        ),
        remote_changes=RemoteChangeDesk(database, by_kind),
        customer_facts=FactsDesk(database, by_kind),
        reply_mail=ReplyMail(
            database, {channel.kind: channel for channel in channels}, VisitorTokens(settings.secret_key, clock)
        ),
        webhooks=WebhookDesk(database, poster),
        descriptions=DescriptionDesk(database, models, storage, shared_sees=settings.models_see_pictures),
        webhook_poster=poster,
        storage=storage,
        files=files,
    )


def intent_descriptions() -> tuple[IntentDescription, ...]:
    return tuple(
        IntentDescription(
            one.label,
            one.title,
            one.base_certainty,
            one.needs_tenant_knowledge,
            tuple(sorted(one.keywords)),
            dict(one.keywords),
            one.examples,
        )
        for one in hosting_categories()
    )


def snapshots(settings: Settings) -> Snapshots:
    """Where the graphs of the largest indexes are kept."""
    return Snapshots(settings.data_dir / "indexes")


def vector_dimension(settings: Settings) -> int | None:
    """What the database is to keep vectors for; None where they are searched in memory."""
    if settings.vector_backend != "pgvector":
        return None
    return build_embedder(settings, EgressRules(allowed_hosts=frozenset(settings.egress_allowed_hosts))).dimension


def build_embedder(settings: Settings, rules: EgressRules) -> Embedder:
    configuration = embedding_from_environment(settings.model_environment)
    if configuration is None:
        return MiniLMEmbedder()
    return RemoteEmbedder(configuration, rules, SystemClock())


def build_storage(settings: Settings, clock: Clock) -> Storage:
    given = settings.bucket
    if given is None:
        return FolderStorage(settings.data_dir / "files")
    signer = Signer(given.key, given.secret, given.region)
    return BucketStorage(Bucket(given.name, given.endpoint, given.region), signer, clock)


def reranking_stage(
    settings: Settings, rules: EgressRules, embedder: Embedder, models: ChatModels
) -> RerankingStage | None:
    """None while DESK_RERANK is off. Raises SettingMissingError when its endpoint is not set up."""
    if settings.rerank == "off":
        return None
    if settings.rerank == "endpoint":
        return RerankingStage(
            EndpointReranker(rerank_endpoint(settings.model_environment), rules), settings.rerank_threshold
        )
    reranker = LlmReranker(models) if settings.rerank == "llm" else EmbeddingReranker(embedder)
    return RerankingStage(reranker, settings.rerank_threshold)


class TenantModels:
    """The tenant's own provider chain, else the installation's. Fulfils `desk.ports.ChatModels` and
    `desk.ports.ModelOptions`."""

    def __init__(self, database: Database, settings: Settings, rules: EgressRules, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._breakers = Breakers(clock)
        self._rules = rules
        self._shared = providers_from_environment(settings.model_environment)
        self._built: dict[str, ChatModel] = {}
        self._asked: dict[UUID, tuple[float, ChatModel | None]] = {}

    @property
    def shared_words(self) -> str:
        """The installation's own chain, without its keys; changes when other words would be written."""
        return "; ".join(f"{one.base_url} {one.model}" for one in self._shared)

    async def for_tenant(self, tenant_id: UUID) -> ChatModel | None:
        asked = self._asked.get(tenant_id)
        if asked is not None and monotonic() - asked[0] < RECHECK_SECONDS:
            return asked[1]
        chain = self._chain(await self._own(tenant_id, ModelProvider.is_active.is_(True)) or self._shared)
        self._asked[tenant_id] = monotonic(), chain
        return chain

    async def with_provider(self, tenant_id: UUID, provider_id: UUID) -> ChatModel | None:
        """The tenant's own chain as it would be with this provider switched on."""
        return self._chain(
            await self._own(tenant_id, ModelProvider.is_active.is_(True) | (ModelProvider.id == provider_id))
        )

    async def offered(self, tenant_id: UUID) -> Sequence[ModelOption]:
        return [ModelOption(one.fingerprint, f"{one.model} ({one.name})") for one in await self._all(tenant_id)]

    async def only(self, tenant_id: UUID, key: str) -> ChatModel:
        chain = self._chain(tuple(one for one in await self._all(tenant_id) if one.fingerprint == key)[:1])
        if chain is None:
            msg = "this language model is not set up any more"
            raise NotFoundError(msg)
        return chain

    async def _all(self, tenant_id: UUID) -> tuple[ProviderConfiguration, ...]:
        return await self._own(tenant_id, true()) or self._shared

    async def _own(self, tenant_id: UUID, wanted: ColumnElement[bool]) -> tuple[ProviderConfiguration, ...]:
        async with self._database.transaction(Scope(tenant_id)) as session:
            rows = await session.execute(select(ModelProvider).where(wanted).order_by(ModelProvider.position))
            return tuple(configure(row.base_url, Secret(row.api_key), row.model) for row in rows.scalars())

    def _chain(self, providers: tuple[ProviderConfiguration, ...]) -> ChatModel | None:
        """One chain a configuration, so that its breakers remember and its connections are reused."""
        if not providers:
            return None
        name = hashlib.sha256(json.dumps([one.fingerprint for one in providers]).encode()).hexdigest()
        if name not in self._built:
            self._built[name] = build_chat_model(providers, self._rules, self._clock, self._breakers)
        return self._built[name]

    async def close(self) -> None:
        for model in self._built.values():
            await model.close()
        self._built.clear()
        self._asked.clear()


@asynccontextmanager
async def running(settings: Settings, address: DatabaseAddress) -> AsyncGenerator[Installation]:
    """An installation for a command: connected to the wake-up queue, closed at the end."""
    installation = build(settings, address)
    await installation.queue.connect()
    try:
        yield installation
    finally:
        await installation.queue.disconnect()
        await installation.models.close()
        await installation.database.close()
        shared_reader().close()


def web_application() -> Litestar:
    """What the web server loads, once a process."""
    settings = load_settings()
    configure_logs(settings.log_level, settings.log_format)
    installation = build(settings, database_address(settings))
    application = create_app(installation, ui.page_handlers(), [ui.PagesPlugin()], ui.error_page)
    settle()
    return application
