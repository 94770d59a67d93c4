"""Who is asking, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from desk.db.tenancy import Scope
from desk.errors import NotAllowedError
from desk.models.base import GLOBAL_TENANT_ID


class Permission(StrEnum):
    """What a route needs. API keys carry the same names as scopes."""

    PUBLIC = "public"
    """Nobody has to be signed in."""
    SIGNED_IN = "signed_in"
    TICKETS = "tickets"
    """Work the queue: read everything, write drafts and replies."""
    KNOWLEDGE = "knowledge"
    """Change documents, examples and corrections."""
    TUNING = "tuning"
    """Change weights, prompts, policies and connections."""
    ACCOUNTS = "accounts"
    """Change people and keys."""
    OPERATE = "operate"
    """Change what belongs to no tenant."""


ROLES: dict[str, frozenset[Permission]] = {
    "agent": frozenset({Permission.SIGNED_IN, Permission.TICKETS}),
    "admin": frozenset({Permission.SIGNED_IN, Permission.TICKETS, Permission.KNOWLEDGE, Permission.TUNING}),
    "owner": frozenset(
        {Permission.SIGNED_IN, Permission.TICKETS, Permission.KNOWLEDGE, Permission.TUNING, Permission.ACCOUNTS}
    ),
    "operator": frozenset({Permission.SIGNED_IN, Permission.KNOWLEDGE, Permission.TUNING, Permission.OPERATE}),
}
KEY_SCOPES = (Permission.TICKETS, Permission.KNOWLEDGE, Permission.TUNING, Permission.ACCOUNTS)


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in person, or an API key, inside one tenant. An operator's tenant is the global one."""

    tenant_id: UUID
    role: str
    label: str
    """The person's address or `key:<name>`, for events and reviews."""
    permissions: frozenset[Permission]
    user_id: UUID | None = None
    name: str = ""
    token_id: str | None = None

    @property
    def scope(self) -> Scope:
        return Scope(self.tenant_id, self.user_id)

    @property
    def is_operator(self) -> bool:
        return self.tenant_id == GLOBAL_TENANT_ID

    def may(self, permission: Permission) -> bool:
        return permission is Permission.PUBLIC or permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raises NotAllowedError saying what would be needed."""
        if not self.may(permission):
            msg = f"this needs the permission '{permission}', which {self.role} does not have"
            raise NotAllowedError(msg)
