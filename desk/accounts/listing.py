"""Who and what there is: tenants, the people of one, its keys. For the people who run the installation."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text

from desk.accounts.tenants import all_tenants
from desk.db.tenancy import NO_TENANT, Scope
from desk.db.unit_of_work import Database
from desk.errors import NotFoundError
from desk.models import ApiKey, Membership, Tenant, User


@dataclass(frozen=True, slots=True)
class TenantPerson:
    user_id: UUID
    email: str
    name: str
    role: str


async def named_tenants(database: Database) -> list[Tenant]:
    """Every tenant but the global one, by age."""
    found: list[Tenant] = []
    for tenant_id, _ in await all_tenants(database):
        async with database.transaction(Scope(tenant_id)) as session:
            found.append(await session.get_one(Tenant, tenant_id))
    return found


async def tenant_people(database: Database, tenant_id: UUID) -> list[TenantPerson]:
    """By address."""
    async with database.transaction(Scope(tenant_id)) as session:
        rows = await session.execute(
            select(User.id, User.email, User.name, Membership.role)
            .join(Membership, Membership.user_id == User.id)
            .order_by(User.email)
        )
        return [TenantPerson(*row) for row in rows]


async def tenant_keys(database: Database, scope: Scope) -> list[ApiKey]:
    """By age, revoked ones included."""
    async with database.transaction(scope) as session:
        return list((await session.execute(select(ApiKey).order_by(ApiKey.id))).scalars())


async def user_by_email(database: Database, email: str) -> UUID:
    """Raises NotFoundError."""
    async with database.transaction(NO_TENANT) as session:
        found = await session.execute(text("SELECT id FROM desk_find_login(:email)"), {"email": email.strip()})
        user_id: UUID | None = found.scalar_one_or_none()
    if user_id is None:
        msg = f"nobody has the address {email}"
        raise NotFoundError(msg)
    return user_id
