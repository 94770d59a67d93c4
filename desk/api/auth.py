"""Registering, signing in for a token, giving it back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.params import JSONBody

from desk.accounts.identity import Actor, Permission
from desk.accounts.registration import register
from desk.accounts.sessions import scope_values, sign_out
from desk.accounts.tenants import own_tenant
from desk.accounts.users import actor_for, change_password, memberships_of, verify_login
from desk.api.fields import Answer, Asked
from desk.errors import InvalidInputError, NotAllowedError
from desk.installation import Installation
from desk.web.permissions import PUBLIC, needs

TRIES_A_MINUTE = 60
login_brake = RateLimitConfig(rate_limit=("minute", TRIES_A_MINUTE), set_rate_limit_headers=False)
"""From one address. A brake against guessing, not a quota; argon2 is the wall."""


class Registration(Asked):
    tenant: str
    email: str
    password: str
    name: str = ""


class Registered(Answer):
    tenant_id: UUID
    user_id: UUID
    access_token: str


class Login(Asked):
    email: str
    password: str
    otp: str | None = None
    tenant_id: UUID | None = None
    """Which tenant to work in; without it the first the person belongs to."""


class Token(Answer):
    access_token: str
    token_type: str
    expires_in: int
    """Seconds."""


class PasswordChange(Asked):
    current: str
    new: str


class Person(Answer):
    id: UUID | None
    email: str
    name: str


class TenantAnswer(Answer):
    id: UUID
    slug: str
    name: str


class Membership(Answer):
    tenant_id: UUID
    slug: str
    name: str
    role: str


class Me(Answer):
    user: Person
    tenant: TenantAnswer
    role: str
    """agent, admin, owner, operator, or key."""
    permissions: list[str]
    memberships: list[Membership]


class AuthController(Controller):
    path = "/auth"
    tags = ("auth",)

    @post("/register", opt=PUBLIC, middleware=[login_brake.middleware], security=[])
    async def register(self, data: JSONBody[Registration], installation: NamedDependency[Installation]) -> Registered:
        """Open a tenant with its first owner, where the installation allows it."""
        if not installation.settings.self_registration:
            msg = "self-registration is switched off here; ask for an invitation"
            raise NotAllowedError(msg)
        tenant_id, user_id = await register(
            installation.database, tenant=data.tenant, email=data.email, password=data.password, name=data.name
        )
        actor, generation = await actor_for(installation.database, user_id, tenant_id)
        return Registered(tenant_id, user_id, installation.tokens.issue(actor, generation))

    @post("/login", status_code=200, opt=PUBLIC, middleware=[login_brake.middleware], security=[])
    async def login(self, data: JSONBody[Login], installation: NamedDependency[Installation]) -> Token:
        """A bearer token for an address and a password."""
        if data.otp:
            msg = "this account has no one-time codes; leave otp out"
            raise InvalidInputError(msg)
        user_id = await verify_login(installation.database, data.email, data.password)
        actor, generation = await actor_for(installation.database, user_id, data.tenant_id)
        lifetime = int(installation.tokens.lifetime.total_seconds())
        return Token(installation.tokens.issue(actor, generation), "bearer", lifetime)

    @post("/logout", status_code=204, opt=needs(Permission.SIGNED_IN))
    async def logout(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> None:
        """Give the token back, or end the session; an API key is revoked under /api/v1/keys."""
        await installation.tokens.revoke(actor)
        if scope_values(request).get("session"):
            sign_out(request)

    @post("/password", status_code=204, opt=needs(Permission.SIGNED_IN), middleware=[login_brake.middleware])
    async def password(
        self,
        data: JSONBody[PasswordChange],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> None:
        """Change the own password; every session and token of the person ends."""
        if actor.user_id is None:
            msg = "an API key has no password"
            raise InvalidInputError(msg)
        user_id = await verify_login(installation.database, actor.label, data.current)
        await change_password(installation.database, user_id, data.new)

    @get("/me", opt=needs(Permission.SIGNED_IN))
    async def me(self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]) -> Me:
        """Who the credential speaks for, and what it may do."""
        tenant = await own_tenant(installation.database, actor.scope)
        roles = [] if actor.user_id is None else await memberships_of(installation.database, actor.user_id)
        return Me(
            user=Person(actor.user_id, "" if actor.user_id is None else actor.label, actor.name or actor.label),
            tenant=TenantAnswer(tenant.id, tenant.slug, tenant.name),
            role=actor.role,
            permissions=sorted(actor.permissions),
            memberships=[Membership(role.tenant_id, role.slug, role.name, role.role) for role in roles],
        )
