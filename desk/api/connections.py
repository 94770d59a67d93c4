"""The tenant's channels and language-model providers. Secrets go in, and come out once where the desk made them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from desk.accounts.identity import Actor, Permission
from desk.accounts.providers import (
    NewProvider,
    ProviderChange,
    add_provider,
    change_provider,
    list_providers,
    remove_provider,
)
from desk.api.checking import Anyway, check_change
from desk.api.fields import Answer, Limit, Listed, Offset
from desk.comparing.candidates import Candidate
from desk.connections import (
    ConnectionChange,
    change_connection,
    get_connection,
    list_connections,
    renew_signing_secret,
)
from desk.egress import EgressRules
from desk.installation import Installation
from desk.models import Connection, ModelProvider
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs


class ConnectionAnswer(Answer):
    id: UUID
    channel: str
    name: str
    configuration: dict[str, Any]
    active: bool
    has_secrets: bool
    public_key: str | None
    """Of a widget: names it in the pages that embed it."""
    created_at: datetime


class SigningSecretAnswer(Answer):
    connection: ConnectionAnswer
    signing_secret: str
    """Shown this once."""


class ProviderAnswer(Answer):
    id: UUID
    position: int
    name: str
    base_url: str
    model: str
    active: bool
    has_key: bool


class ConnectionController(Controller):
    path = "/connections"
    tags = ("connections",)
    opt = needs(Permission.TUNING)

    @get("/")
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[ConnectionAnswer]:
        async with installation.database.transaction(actor.scope) as session:
            page = await list_connections(session, limit=limit, offset=offset)
        return Listed([connection_answer(row) for row in page.items], page.total, page.limit, page.offset)

    @get("/{connection_id:uuid}")
    async def show(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> ConnectionAnswer:
        async with installation.database.transaction(actor.scope) as session:
            return connection_answer(await get_connection(session, connection_id))

    @put("/{connection_id:uuid}")
    async def change(
        self,
        connection_id: FromPath[UUID],
        data: JSONBody[ConnectionChange],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ConnectionAnswer:
        """Change what is given and leave the rest."""
        rules = EgressRules(frozenset(installation.settings.egress_allowed_hosts))
        async with installation.database.transaction(actor.scope) as session:
            return connection_answer(await change_connection(session, connection_id, data, rules))

    @post("/{connection_id:uuid}/signing-secret", status_code=200)
    async def renew_secret(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> SigningSecretAnswer:
        """A new signing secret, shown this once. The one before signs beside it until the next renewal."""
        async with installation.database.transaction(actor.scope) as session:
            connection, secret = await renew_signing_secret(session, connection_id)
            return SigningSecretAnswer(connection_answer(connection), secret)


class ProviderController(Controller):
    path = "/model-providers"
    tags = ("model providers",)
    opt = needs(Permission.TUNING)

    @get("/")
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[ProviderAnswer]:
        """In the order they are asked; without any the installation's own are."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_providers(session, limit=limit, offset=offset)
        return Listed([_provider(row) for row in page.items], page.total, page.limit, page.offset)

    @post("/")
    async def create(
        self,
        data: JSONBody[NewProvider],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ProviderAnswer:
        async with installation.database.transaction(actor.scope) as session:
            return _provider(await add_provider(session, data))

    @put("/{provider_id:uuid}")
    async def change(
        self,
        provider_id: FromPath[UUID],
        data: JSONBody[ProviderChange],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        anyway: Anyway = False,
    ) -> ProviderAnswer:
        """Change what is given and leave the rest; a new base_url needs the key again."""
        if data.active is True:
            await check_change(installation, actor, Candidate(provider_id=provider_id), anyway=anyway)
        async with installation.database.transaction(actor.scope) as session:
            return _provider(await change_provider(session, provider_id, data))

    @delete("/{provider_id:uuid}")
    async def remove(
        self, provider_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> None:
        async with installation.database.transaction(actor.scope) as session:
            await remove_provider(session, provider_id)


def connection_answer(row: Connection) -> ConnectionAnswer:
    return ConnectionAnswer(
        id=row.id,
        channel=row.channel,
        name=row.name,
        configuration=dict(row.configuration),
        active=row.is_active,
        has_secrets=row.secrets not in {"", "{}"},
        public_key=row.public_key,
        created_at=row.created_at,
    )


def _provider(row: ModelProvider) -> ProviderAnswer:
    return ProviderAnswer(row.id, row.position, row.name, row.base_url, row.model, row.is_active, bool(row.api_key))
