"""Language models: one request, one JSON object, every paid try on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Picture:
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChatTurn:
    role: Literal["system", "user", "assistant"]
    content: str
    pictures: tuple[Picture, ...] = ()
    """Of a user's turn alone, for models that can see."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    turns: tuple[ChatTurn, ...]
    temperature: float
    max_tokens: int
    json_schema_name: str
    json_schema: Mapping[str, Any]
    """The answer must be one JSON object of this schema."""
    safety_identifier: str
    """A hash of tenant and customer; never an address."""
    deadline_seconds: float = 60.0
    """For the whole chain, retries and fallbacks included."""


@dataclass(frozen=True, slots=True)
class ModelAttempt:
    """One paid call or try, for the ledger and for 'why no draft'."""

    provider: str
    model: str
    outcome: Literal["answered", "invalid", "refused", "rate_limited", "timeout", "unreachable", "error", "skipped"]
    detail: str
    tokens_in: int
    tokens_out: int
    usd: Decimal
    milliseconds: float
    estimated: bool = False
    """Token counts are our estimate because the server gave none."""


@dataclass(frozen=True, slots=True)
class ChatReply:
    data: Mapping[str, Any]
    """The parsed JSON object, valid against the schema."""
    provider: str
    model: str
    attempts: tuple[ModelAttempt, ...]


class ChatModel(Protocol):
    async def complete(self, request: ChatRequest) -> ChatReply:
        """Ask the chain. Raises ModelUnavailableError carrying every ModelAttempt when nobody answered."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ModelOption:
    """One configured provider that a single try may be made with."""

    key: str
    """Names it in a form; says nothing of its credentials."""
    words: str


class ModelOptions(Protocol):
    async def offered(self, tenant_id: UUID) -> Sequence[ModelOption]:
        """The tenant's own providers, those that are switched off among them; else the installation's."""
        ...

    async def only(self, tenant_id: UUID, key: str) -> ChatModel:
        """That one, without fallbacks. Raises NotFoundError when it is not offered."""
        ...


class ChatModels(Protocol):
    async def for_tenant(self, tenant_id: UUID) -> ChatModel | None:
        """The tenant's own chain, else the installation's; None when the desk works without a model."""
        ...

    async def close(self) -> None: ...
