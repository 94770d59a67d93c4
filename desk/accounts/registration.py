"""Opening a tenant together with its first owner."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, text

from desk.accounts.tenants import all_tenants, create_tenant, slug_of
from desk.accounts.users import check_password, clean_email, create_user
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.errors import NotAllowedError
from desk.models import Tenant
from desk.settings import Settings

_FIRST_LOCK = 7361003


async def register(database: Database, *, tenant: str, email: str, password: str, name: str) -> tuple[UUID, UUID]:
    """Ids of the tenant and its owner; neither is left behind without the other.

    Raises InvalidInputError, or ConflictError when the name or the address is taken.
    """
    slug_of(tenant)
    clean_email(email)
    check_password(password)
    opened = await create_tenant(database, tenant)
    try:
        user_id = await create_user(
            database, tenant_id=opened.id, email=email, password=password, role="owner", name=name
        )
    except Exception:
        async with database.transaction(Scope(opened.id)) as session:
            await session.execute(delete(Tenant).where(Tenant.id == opened.id))
        raise
    return opened.id, user_id


async def awaits_first_owner(database: Database, settings: Settings) -> bool:
    """Whether whoever opens the desk may make its first company: none is there yet, and only this machine gets here,
    or the operator lets anybody register."""
    is_local = _is_loopback(settings.host) and _is_loopback(urlsplit(settings.public_url).hostname or "")
    return (is_local or settings.self_registration) and not await all_tenants(database)


async def register_first(
    database: Database, settings: Settings, *, tenant: str, email: str, password: str, name: str
) -> tuple[UUID, UUID]:
    """As `register`, once in the life of an installation, however many try it at the same moment.

    Raises NotAllowedError when it has a tenant already or others could get here first, and what `register` raises.
    """
    async with database.engine.connect() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _FIRST_LOCK})
        if not await awaits_first_owner(database, settings):
            msg = "this desk has its first company already, or is open to the network; sign in or ask for an invitation"
            raise NotAllowedError(msg)
        return await register(database, tenant=tenant, email=email, password=password, name=name)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
