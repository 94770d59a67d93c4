"""Signing in and out, changing over to another tenant, and the person's own account."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.params import FromQuery, URLEncodedBody
from litestar.response import Redirect, Template

from desk.accounts.identity import Actor, Permission
from desk.accounts.registration import awaits_first_owner, register_first
from desk.accounts.sessions import sign_in, sign_out, switch_tenant
from desk.accounts.tenants import all_tenants
from desk.accounts.users import actor_for, change_password, verify_login
from desk.errors import DeskError, InvalidInputError, SignInRequiredError
from desk.installation import Installation
from desk.setup import read_setup
from desk.web.permissions import PUBLIC, needs
from ui.pages.shell import THEMES, may_set_up, page_or_content

sign_in_brake = RateLimitConfig(rate_limit=("minute", 60), set_rate_limit_headers=False)


class Credentials(msgspec.Struct):
    email: str = ""
    password: str = ""
    next: str = ""


class FirstCompany(msgspec.Struct):
    company: str = ""
    name: str = ""
    email: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"FirstCompany(company={self.company!r}, email={self.email!r})"


class ChosenTenant(msgspec.Struct):
    tenant: UUID


class PasswordForm(msgspec.Struct):
    current: str = ""
    new: str = ""
    again: str = ""


async def first_page(installation: Installation, actor: Actor) -> str:
    """The queue; while nothing has come in yet, the setup for whoever may take its steps."""
    if may_set_up(actor):
        async with installation.database.transaction(actor.scope) as session:
            setup = await read_setup(session)
        if not setup.is_over and "question" not in setup.done | setup.skipped:
            return "/setup"
    return "/queue/needs_reply" if actor.may(Permission.TICKETS) else "/knowledge"


class SigningIn(Controller):
    include_in_schema = False

    @get("/", opt=PUBLIC)
    async def home(self, request: Request[Any, Any, Any], installation: NamedDependency[Installation]) -> Redirect:
        actor: Actor | None = _signed_in(request)
        return Redirect(await first_page(installation, actor) if actor else "/login", status_code=303)

    @get("/welcome", opt=PUBLIC)
    async def welcome(
        self, request: Request[Any, Any, Any], installation: NamedDependency[Installation]
    ) -> Response[Any]:
        """The first company of an installation and its owner; afterwards nothing but the way to sign in."""
        if not await awaits_first_owner(installation.database, installation.settings):
            return Redirect("/login", status_code=303)
        return _welcome_page(request, FirstCompany())

    @post("/welcome", opt=PUBLIC, middleware=[sign_in_brake.middleware])
    async def found(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[FirstCompany],
        installation: NamedDependency[Installation],
    ) -> Response[Any]:
        try:
            tenant_id, user_id = await register_first(
                installation.database,
                installation.settings,
                tenant=data.company,
                email=data.email,
                password=data.password,
                name=data.name.strip(),
            )
        except DeskError as error:
            return _welcome_page(request, data, error.detail, error.status)
        actor, generation = await actor_for(installation.database, user_id, tenant_id)
        sign_in(request, actor, generation)
        return Redirect("/setup", status_code=303)

    @get("/login", opt=PUBLIC)
    async def form(
        self,
        request: Request[Any, Any, Any],
        installation: NamedDependency[Installation],
        next: FromQuery[str] = "",  # noqa: A002 - the name in the address
    ) -> Response[Any]:
        if _signed_in(request) is not None:
            return Redirect(safe_address(next) or "/", status_code=303)
        if await awaits_first_owner(installation.database, installation.settings):
            return Redirect("/welcome", status_code=303)
        return await _login_page(request, installation, Credentials(next=safe_address(next)))

    @post("/login", opt=PUBLIC, middleware=[sign_in_brake.middleware])
    async def enter(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[Credentials],
        installation: NamedDependency[Installation],
    ) -> Response[Any]:
        try:
            user_id = await verify_login(installation.database, data.email, data.password)
            actor, generation = await actor_for(installation.database, user_id)
        except SignInRequiredError as error:
            return await _login_page(request, installation, data, error.detail)
        sign_in(request, actor, generation)
        return Redirect(safe_address(data.next) or await first_page(installation, actor), status_code=303)

    @post("/logout", opt=PUBLIC)
    async def leave(self, request: Request[Any, Any, Any]) -> Redirect:
        sign_out(request)
        return Redirect("/login", status_code=303)

    @post("/tenant", opt=needs(Permission.SIGNED_IN))
    async def change_over(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[ChosenTenant],
        installation: NamedDependency[Installation],
    ) -> Redirect:
        actor = await switch_tenant(request, installation.database, data.tenant)
        return Redirect(await first_page(installation, actor), status_code=303)


class Account(Controller):
    path = "/account"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await page_or_content(request, installation, actor, "account.html", area="account")

    @post("/password", middleware=[sign_in_brake.middleware])
    async def set_password(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[PasswordForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Response[Any]:
        """Every other session of the person ends; this one goes on under a new id."""
        if data.new != data.again:
            msg = "the two new passwords are not the same"
            raise InvalidInputError(msg)
        try:
            user_id = await verify_login(installation.database, actor.label, data.current)
        except SignInRequiredError as error:
            msg = "the current password is not right"
            raise InvalidInputError(msg) from error
        await change_password(installation.database, user_id, data.new)
        renewed, generation = await actor_for(installation.database, user_id, actor.tenant_id)
        sign_in(request, renewed, generation)
        return Response("", headers={"HX-Redirect": "/account?done=password"}, media_type="text/html")


def _signed_in(request: Request[Any, Any, Any]) -> Actor | None:
    return request.user


def safe_address(wanted: str) -> str:
    """A path of this desk, or nothing: never a way to another site."""
    parts = urlsplit(wanted)
    is_ours = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not (parts.scheme or parts.netloc)
    return wanted if is_ours and wanted.isprintable() else ""


async def _login_page(
    request: Request[Any, Any, Any], installation: Installation, given: Credentials, refusal: str = ""
) -> Template:
    context = {
        "email": given.email,
        "next": given.next,
        "refusal": refusal[:1].upper() + refusal[1:],
        "has_tenants": bool(await all_tenants(installation.database)),
        "theme": _theme(request),
    }
    return Template(template_name="login.html", context=context, status_code=401 if refusal else 200)


def _welcome_page(
    request: Request[Any, Any, Any], given: FirstCompany, refusal: str = "", status: int = 200
) -> Template:
    context = {"given": given, "refusal": refusal[:1].upper() + refusal[1:], "theme": _theme(request)}
    return Template(template_name="welcome.html", context=context, status_code=status)


def _theme(request: Request[Any, Any, Any]) -> str:
    theme = request.cookies.get("theme", "")
    return theme if theme in THEMES else ""
