"""Opening a tenant together with its first owner."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete

from desk.accounts.tenants import create_tenant, slug_of
from desk.accounts.users import check_password, clean_email, create_user
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import Tenant


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
