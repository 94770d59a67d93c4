"""People and API keys, for owners."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.accounts.members import (
    add_member,
    change_role,
    check_may_give_scopes,
    list_keys,
    list_members,
    remove_member,
)
from desk.accounts.tokens import create_key, revoke_key
from desk.accounts.users import SHORTEST_PASSWORD
from desk.errors import InvalidInputError, NotFoundError
from desk.installation import Installation
from desk.paging import LARGEST_PAGE
from desk.web.permissions import needs
from ui.pages.shell import page_or_content, told
from ui.presenting.settings import ROLES, SCOPES, settings_tabs, shown_key, shown_member


class PersonForm(msgspec.Struct):
    email: str = ""
    name: str = ""
    password: str = ""
    role: str = "agent"

    def __repr__(self) -> str:
        return f"PersonForm(email={self.email!r}, role={self.role!r})"


class RoleForm(msgspec.Struct):
    role: str = ""


class People(Controller):
    path = "/settings/people"
    opt = needs(Permission.ACCOUNTS)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _people(request, installation, actor)

    @post("/", status_code=200)
    async def add(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[PersonForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await add_member(
            installation.database, actor, email=data.email, password=data.password, role=data.role, name=data.name
        )
        return told(await _people(request, installation, actor), "Added. Pass the password on by a safe way.")

    @post("/{user_id:uuid}/role", status_code=200)
    async def change(
        self,
        request: Request[Any, Any, Any],
        user_id: FromPath[UUID],
        data: URLEncodedBody[RoleForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await change_role(installation.database, actor, user_id, data.role)
        return told(await _people(request, installation, actor), "Role changed; the person has to sign in again.")

    @post("/{user_id:uuid}/remove", status_code=200)
    async def remove(
        self,
        request: Request[Any, Any, Any],
        user_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await remove_member(installation.database, actor, user_id)
        return told(await _people(request, installation, actor), "Removed; every session of theirs has ended.")


class Keys(Controller):
    path = "/settings/keys"
    opt = needs(Permission.ACCOUNTS)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _keys(request, installation, actor)

    @post("/", status_code=200)
    async def create(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The key is on this page and nowhere else."""
        form = await request.form()
        scopes = tuple(str(scope) for scope in form.getall("scopes", []))
        if not scopes:
            msg = "choose at least one thing the key may do"
            raise InvalidInputError(msg)
        check_may_give_scopes(actor, scopes)
        key = await create_key(installation.database, actor.scope, str(form.get("name", "")), scopes)
        return await _keys(request, installation, actor, key=key)

    @post("/{key_id:uuid}/revoke", status_code=200)
    async def revoke(
        self,
        request: Request[Any, Any, Any],
        key_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        if not await revoke_key(installation.database, actor.scope, key_id):
            msg = "there is no such key"
            raise NotFoundError(msg)
        return told(await _keys(request, installation, actor), "Revoked. It stopped working at once.")


async def _people(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        page = await list_members(session, limit=LARGEST_PAGE, offset=0)
    return await page_or_content(
        request,
        installation,
        actor,
        "settings_people.html",
        area="settings",
        tabs=settings_tabs(actor),
        tab="people",
        members=[shown_member(member, actor) for member in page.items],
        roles=ROLES,
        shortest_password=SHORTEST_PASSWORD,
    )


async def _keys(request: Request[Any, Any, Any], installation: Installation, actor: Actor, *, key: str = "") -> Any:
    async with installation.database.transaction(actor.scope) as session:
        page = await list_keys(session, limit=LARGEST_PAGE, offset=0)
    return await page_or_content(
        request,
        installation,
        actor,
        "settings_keys.html",
        area="settings",
        tabs=settings_tabs(actor),
        tab="keys",
        api_keys=[shown_key(row) for row in page.items],
        scopes=SCOPES,
        key=key,
    )
