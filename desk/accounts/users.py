"""People: creating them, checking passwords, their memberships."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from advanced_alchemy.types.password_hash.argon2 import Argon2Hasher
from anyio import to_thread
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from desk.accounts.identity import ROLES, Actor
from desk.db.tenancy import NO_TENANT, Scope
from desk.db.unit_of_work import Database
from desk.errors import ConflictError, InvalidInputError, NotFoundError, SignInRequiredError
from desk.models import GLOBAL_TENANT_ID, Membership, User

SHORTEST_PASSWORD = 10
LONGEST_PASSWORD = 200
LONGEST_EMAIL = 254
_hasher = Argon2Hasher()
_UNKNOWN_PERSON_HASH = _hasher.hash("nobody has this password")
"""Verified against when the address is unknown, so that the answer takes as long."""


@dataclass(frozen=True, slots=True)
class TenantRole:
    tenant_id: UUID
    role: str
    slug: str
    name: str


def clean_email(address: str) -> str:
    cleaned = address.strip()
    local, at, domain = cleaned.rpartition("@")
    if not (local and at and "." in domain) or len(cleaned) > LONGEST_EMAIL or any(c.isspace() for c in cleaned):
        msg = "that is not an e-mail address"
        raise InvalidInputError(msg)
    return cleaned


def check_password(password: str) -> None:
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        msg = f"a password needs {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters"
        raise InvalidInputError(msg)


async def create_user(
    database: Database, *, tenant_id: UUID, email: str, password: str, role: str, name: str = ""
) -> UUID:
    """A new person with a membership; an operator is a member of no tenant.

    Raises ConflictError when the address is known already.
    """
    if role not in ROLES:
        msg = f"the role must be one of {', '.join(ROLES)}"
        raise InvalidInputError(msg)
    check_password(password)
    address, user_id = clean_email(email), uuid7()
    password_hash = await to_thread.run_sync(_hasher.hash, password)
    is_operator = role == "operator"
    scope = Scope(GLOBAL_TENANT_ID if is_operator else tenant_id, user_id)
    try:
        async with database.transaction(scope) as session:
            person = User(id=user_id, email=address, name=name.strip(), password_hash=password_hash)
            person.is_operator = is_operator
            session.add(person)
            await session.flush()
            if not is_operator:
                session.add(Membership(user_id=user_id, role=role))
    except IntegrityError as error:
        msg = f"{address} has an account already"
        raise ConflictError(msg) from error
    return user_id


async def verify_login(database: Database, email: str, password: str) -> UUID:
    """The person's id. Raises SignInRequiredError with the same words whatever was wrong."""
    async with database.transaction(NO_TENANT) as session:
        found = (
            await session.execute(text("SELECT * FROM desk_find_login(:email)"), {"email": email.strip()})
        ).one_or_none()
    password_hash = found.password_hash if found else _UNKNOWN_PERSON_HASH
    matches = await to_thread.run_sync(_hasher.verify, password[:LONGEST_PASSWORD], password_hash)
    if not matches or found is None or not found.is_active:
        msg = "e-mail address or password is not right"
        raise SignInRequiredError(msg)
    return found.id


async def memberships_of(database: Database, user_id: UUID) -> list[TenantRole]:
    async with database.transaction(NO_TENANT) as session:
        rows = await session.execute(text("SELECT * FROM desk_memberships_of(:user)"), {"user": user_id})
        return [TenantRole(row.tenant_id, row.role, row.slug, row.name) for row in rows]


async def actor_for(database: Database, user_id: UUID, tenant_id: UUID | None = None) -> tuple[Actor, int]:
    """The person inside `tenant_id` (or the first tenant they belong to), and their token generation.

    Raises SignInRequiredError when the account or the membership is gone.
    """
    async with database.transaction(Scope(None, user_id)) as session:
        person = (await session.execute(select(User).where(User.id == user_id))).scalar_one_or_none()
    if person is None or not person.is_active:
        msg = "this account is closed"
        raise SignInRequiredError(msg)
    if person.is_operator and tenant_id in {None, GLOBAL_TENANT_ID}:
        actor = Actor(GLOBAL_TENANT_ID, "operator", person.email, ROLES["operator"], user_id, person.name)
        return actor, person.token_generation
    roles = [role for role in await memberships_of(database, user_id) if tenant_id in {None, role.tenant_id}]
    if not roles:
        msg = "this account belongs to no tenant here"
        raise SignInRequiredError(msg)
    chosen = roles[0]
    actor = Actor(chosen.tenant_id, chosen.role, person.email, ROLES[chosen.role], user_id, person.name)
    return actor, person.token_generation


async def end_all_sessions(database: Database, user_id: UUID) -> None:
    """Make every token and session of the person invalid at once."""
    async with database.transaction(Scope(None, user_id)) as session:
        await session.execute(update(User).where(User.id == user_id).values(token_generation=User.token_generation + 1))


async def user_names(database: Database, scope: Scope) -> dict[UUID, str]:
    """Display names of the tenant's people, for assigning tickets."""
    async with database.transaction(scope) as session:
        rows = await session.execute(select(User.id, User.name, User.email))
        return {row.id: row.name or row.email for row in rows}


async def change_password(database: Database, user_id: UUID, password: str) -> None:
    """Sets the password and ends every session. Raises NotFoundError."""
    check_password(password)
    password_hash = await to_thread.run_sync(_hasher.hash, password)
    async with database.transaction(Scope(None, user_id)) as session:
        person = (await session.execute(select(User).where(User.id == user_id))).scalar_one_or_none()
        if person is None:
            msg = "there is no such account"
            raise NotFoundError(msg)
        person.password_hash = password_hash
        person.token_generation += 1
