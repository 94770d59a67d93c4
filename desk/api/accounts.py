"""The tenant's people and API keys, for its owners."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from desk.accounts.identity import KEY_SCOPES, Actor, Permission
from desk.accounts.members import (
    Member,
    add_member,
    change_role,
    check_may_give_scopes,
    list_keys,
    list_members,
    remove_member,
)
from desk.accounts.tokens import create_key, revoke_key, stored_key
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.errors import NotFoundError
from desk.installation import Installation
from desk.models import ApiKey
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs


class AskedUser(Asked):
    email: str
    password: str
    role: str
    name: str = ""


class AskedRole(Asked):
    role: str


class UserAnswer(Answer):
    id: UUID
    email: str
    name: str
    role: str
    is_active: bool
    joined_at: datetime


class AskedKey(Asked):
    name: str
    scopes: list[str] = msgspec.field(default_factory=list[str])
    """Among tickets, knowledge, tuning, accounts; none given means all that you have yourself."""


class KeyAnswer(Answer):
    id: UUID
    name: str
    start: str
    """The first characters, to tell keys apart."""
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewKeyAnswer(KeyAnswer):
    key: str
    """Shown this once."""


class UserController(Controller):
    path = "/users"
    tags = ("accounts",)
    opt = needs(Permission.ACCOUNTS)

    @get("/")
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[UserAnswer]:
        async with installation.database.transaction(actor.scope) as session:
            page = await list_members(session, limit=limit, offset=offset)
        return Listed([_user(member) for member in page.items], page.total, page.limit, page.offset)

    @post("/")
    async def create(
        self,
        data: JSONBody[AskedUser],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> UserAnswer:
        return _user(
            await add_member(
                installation.database,
                actor,
                email=data.email,
                password=data.password,
                role=data.role,
                name=data.name,
            )
        )

    @patch("/{user_id:uuid}")
    async def change(
        self,
        user_id: FromPath[UUID],
        data: JSONBody[AskedRole],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> UserAnswer:
        """Another role; the person has to sign in again."""
        return _user(await change_role(installation.database, actor, user_id, data.role))

    @delete("/{user_id:uuid}")
    async def remove(
        self, user_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> None:
        """Out of this tenant; what the person wrote stays."""
        await remove_member(installation.database, actor, user_id)


class KeyController(Controller):
    path = "/keys"
    tags = ("accounts",)
    opt = needs(Permission.ACCOUNTS)

    @get("/")
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[KeyAnswer]:
        async with installation.database.transaction(actor.scope) as session:
            page = await list_keys(session, limit=limit, offset=offset)
        return Listed([_key(row) for row in page.items], page.total, page.limit, page.offset)

    @post("/")
    async def create(
        self,
        data: JSONBody[AskedKey],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> NewKeyAnswer:
        """The key is in the answer and nowhere else."""
        scopes = tuple(data.scopes) or tuple(str(scope) for scope in KEY_SCOPES if actor.may(scope))
        check_may_give_scopes(actor, scopes)
        key = await create_key(installation.database, actor.scope, data.name, scopes)
        row = await stored_key(installation.database, actor.scope, key)
        return NewKeyAnswer(**_key_fields(row), key=key)

    @delete("/{key_id:uuid}")
    async def revoke(
        self, key_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> None:
        """It stops working at once."""
        if not await revoke_key(installation.database, actor.scope, key_id):
            msg = "there is no such key"
            raise NotFoundError(msg)


def _user(member: Member) -> UserAnswer:
    return UserAnswer(member.id, member.email, member.name, member.role, member.is_active, member.joined_at)


def _key_fields(row: ApiKey) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "start": row.key_start,
        "scopes": list(row.scopes),
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "revoked_at": row.revoked_at,
    }


def _key(row: ApiKey) -> KeyAnswer:
    return KeyAnswer(**_key_fields(row))
