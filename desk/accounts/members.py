"""The people of a tenant and its API keys, as an owner sees and changes them.

An owner changes roles and memberships, never a password: the same person may work for another tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import KEY_SCOPES, ROLES, Actor
from desk.accounts.users import create_user, end_all_sessions
from desk.db.unit_of_work import Database
from desk.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from desk.models import ApiKey, Membership, Ticket, User
from desk.paging import Page, read_page

TENANT_ROLES = ("agent", "admin", "owner")


@dataclass(frozen=True, slots=True)
class Member:
    id: UUID
    email: str
    name: str
    role: str
    is_active: bool
    joined_at: datetime


async def list_members(session: AsyncSession, *, limit: int, offset: int) -> Page[Member]:
    """By address."""
    statement = _members().order_by(func.lower(User.email))
    rows, total = await read_page(session, statement, limit=limit, offset=offset)
    return Page([Member(*row) for row in rows], total, limit, offset)


async def add_member(database: Database, actor: Actor, *, email: str, password: str, role: str, name: str) -> Member:
    """Raises InvalidInputError, ConflictError for a known address, NotAllowedError for a role above one's own."""
    check_may_give(actor, role)
    user_id = await create_user(
        database, tenant_id=actor.tenant_id, email=email, password=password, role=role, name=name
    )
    async with database.transaction(actor.scope) as session:
        return await _member(session, user_id)


async def change_role(database: Database, actor: Actor, user_id: UUID, role: str) -> Member:
    """Ends the person's sessions and tokens: rights change at once. The last owner stays one."""
    check_may_give(actor, role)
    async with database.transaction(actor.scope) as session:
        member = await _member(session, user_id)
        check_may_give(actor, member.role)
        if role != "owner":
            await _check_another_owner(session, member)
        await session.execute(update(Membership).where(Membership.user_id == user_id).values(role=role))
        changed = await _member(session, user_id)
    await end_all_sessions(database, user_id)
    return changed


async def remove_member(database: Database, actor: Actor, user_id: UUID) -> None:
    """Takes the membership and the person's assignments away and ends their sessions; the account stays."""
    async with database.transaction(actor.scope) as session:
        member = await _member(session, user_id)
        check_may_give(actor, member.role)
        await _check_another_owner(session, member)
        await session.execute(update(Ticket).where(Ticket.assignee_id == user_id).values(assignee_id=None))
        await session.execute(delete(Membership).where(Membership.user_id == user_id))
    await end_all_sessions(database, user_id)


def check_may_give(actor: Actor, role: str) -> None:
    """Nobody hands out or takes away rights beyond their own."""
    if role not in TENANT_ROLES:
        msg = f"the role must be one of {', '.join(TENANT_ROLES)}"
        raise InvalidInputError(msg)
    if not ROLES[role] <= actor.permissions:
        msg = f"this needs the rights of the role '{role}' itself"
        raise NotAllowedError(msg)


async def list_keys(session: AsyncSession, *, limit: int, offset: int) -> Page[ApiKey]:
    """Newest first, revoked ones last."""
    statement = select(ApiKey).order_by(ApiKey.revoked_at.is_(None).desc(), ApiKey.id.desc())
    rows, total = await read_page(session, statement, limit=limit, offset=offset)
    return Page([row[0] for row in rows], total, limit, offset)


def check_may_give_scopes(actor: Actor, scopes: tuple[str, ...]) -> None:
    if unknown := [scope for scope in scopes if scope not in KEY_SCOPES]:
        msg = f"'{unknown[0]}' is no scope; there are {', '.join(KEY_SCOPES)}"
        raise InvalidInputError(msg)
    held = {str(permission) for permission in actor.permissions}
    beyond = [scope for scope in scopes if scope not in held]
    if beyond:
        msg = f"a key cannot be given the scope '{beyond[0]}', which you do not have"
        raise NotAllowedError(msg)


def _members():  # noqa: ANN202 - the columns of Member, in its order
    return select(User.id, User.email, User.name, Membership.role, User.is_active, Membership.created_at).join(
        Membership, Membership.user_id == User.id
    )


async def _member(session: AsyncSession, user_id: UUID) -> Member:
    row = (await session.execute(_members().where(User.id == user_id))).one_or_none()
    if row is None:
        msg = "there is no such person in this tenant"
        raise NotFoundError(msg)
    return Member(*row)


async def _check_another_owner(session: AsyncSession, member: Member) -> None:
    """Every owner's row is locked, so that two owners cannot step down at the same time."""
    if member.role != "owner":
        return
    owners = await session.execute(select(Membership.user_id).where(Membership.role == "owner").with_for_update())
    if set(owners.scalars()) <= {member.id}:
        msg = "this is the last owner; make somebody else an owner first"
        raise ConflictError(msg)
