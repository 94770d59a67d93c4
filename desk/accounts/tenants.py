"""Opening a tenant, with everything it needs to take in its first ticket."""

from __future__ import annotations

import base64
import re
import secrets
import unicodedata
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from desk.db.tenancy import NO_TENANT, Scope
from desk.db.unit_of_work import Database
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.models import GLOBAL_TENANT_ID, ChannelPolicy, Connection, IndexCounter, Tenant, TenantSettings

LONGEST_NAME = 200


def slug_of(name: str) -> str:
    """Lower-case ASCII words with dashes; raises InvalidInputError when nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60]
    if not slug:
        msg = "the name must contain at least one letter or digit"
        raise InvalidInputError(msg)
    return slug


async def create_tenant(database: Database, name: str, slug: str | None = None) -> Tenant:
    """Raises ConflictError when the slug is taken."""
    cleaned = name.strip()
    if not cleaned or len(cleaned) > LONGEST_NAME:
        msg = f"the name must have 1 to {LONGEST_NAME} characters"
        raise InvalidInputError(msg)
    tenant = Tenant(id=uuid7(), name=cleaned, slug=slug or slug_of(cleaned))
    try:
        async with database.transaction(Scope(tenant.id)) as session:
            session.add(tenant)
            await session.flush()
            session.add_all(
                [
                    TenantSettings(preferences={}),
                    IndexCounter(value=0),
                    Connection(
                        id=uuid7(),
                        channel="rest",
                        name="REST API",
                        configuration={"callback_url": ""},
                        secrets='{"signing_secret": "' + new_signing_secret() + '"}',
                    ),
                    Connection(id=uuid7(), channel="chat", name="Chat API"),
                    Connection(id=uuid7(), channel="widget", name="Web widget", public_key=new_public_key()),
                    ChannelPolicy(channel="rest"),
                ]
            )
    except IntegrityError as error:
        msg = f"a tenant with the slug '{tenant.slug}' exists already"
        raise ConflictError(msg) from error
    return tenant


async def ensure_global_tenant(database: Database) -> None:
    """The owner of global knowledge and prompts; made once per installation."""
    async with database.transaction(Scope(GLOBAL_TENANT_ID)) as session:
        await session.execute(text("SELECT pg_advisory_xact_lock(7361002)"))
        if await session.get(Tenant, GLOBAL_TENANT_ID) is None:
            session.add(Tenant(id=GLOBAL_TENANT_ID, name="Global", slug="global"))
            await session.flush()
            session.add_all([TenantSettings(preferences={}), IndexCounter(value=0)])


async def tenant_by_slug(database: Database, slug: str) -> UUID:
    """Raises NotFoundError."""
    async with database.transaction(NO_TENANT) as session:
        found = (
            await session.execute(text("SELECT id FROM desk_tenant_by_slug(:slug)"), {"slug": slug})
        ).scalar_one_or_none()
    if found is None:
        msg = f"there is no tenant '{slug}'; `desk tenants list` shows them"
        raise NotFoundError(msg)
    return found


async def own_tenant(database: Database, scope: Scope) -> Tenant:
    """The tenant of the scope."""
    async with database.transaction(scope) as session:
        return (await session.execute(select(Tenant).where(Tenant.id == scope.tenant_id))).scalar_one()


async def all_tenants(database: Database) -> list[tuple[UUID, str]]:
    """Id and slug of every tenant, the global one left out; for clock jobs and commands."""
    async with database.transaction(NO_TENANT) as session:
        rows = await session.execute(text("SELECT id, slug FROM desk_all_tenants()"))
        return [(row.id, row.slug) for row in rows]


def new_public_key() -> str:
    """Names a widget: `wk_` and 128 random bits. It stands in public pages and opens nothing by itself."""
    return "wk_" + secrets.token_urlsafe(16)


def new_signing_secret() -> str:
    """A Standard Webhooks secret: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
