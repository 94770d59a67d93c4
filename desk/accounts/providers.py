"""A tenant's own language-model providers. Keys go in and never come out."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.models import ModelProvider
from desk.paging import Page, read_page
from desk.plain_text import clean_line
from desk.policy.endings import end_all

LONGEST = 300
MOST_PROVIDERS = 10
CHANGED = "the language models were changed"


class NewProvider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    base_url: str
    model: str
    api_key: str = ""
    position: int | None = None
    """Lower ones are asked first; without it the last."""
    active: bool = True

    def __repr__(self) -> str:
        return f"NewProvider(name={self.name!r}, model={self.model!r})"


class ProviderChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Only what is given is changed."""

    name: str | UnsetType = UNSET
    base_url: str | UnsetType = UNSET
    model: str | UnsetType = UNSET
    api_key: str | UnsetType = UNSET
    position: int | UnsetType = UNSET
    active: bool | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"ProviderChange(name={self.name!r}, model={self.model!r})"


async def list_providers(session: AsyncSession, *, limit: int, offset: int) -> Page[ModelProvider]:
    """In the order they are asked."""
    rows, total = await read_page(
        session, select(ModelProvider).order_by(ModelProvider.position), limit=limit, offset=offset
    )
    return Page([row[0] for row in rows], total, limit, offset)


async def add_provider(session: AsyncSession, new: NewProvider) -> ModelProvider:
    """Raises InvalidInputError, or ConflictError when the position is taken."""
    counted = select(func.count(), func.coalesce(func.max(ModelProvider.position), 0)).select_from(ModelProvider)
    number, highest = (await session.execute(counted)).one()
    if number >= MOST_PROVIDERS:
        msg = f"a chain has at most {MOST_PROVIDERS} providers"
        raise InvalidInputError(msg)
    provider = ModelProvider(
        id=uuid7(),
        position=highest + 1 if new.position is None else new.position,
        name=_line("name", new.name),
        base_url=_url(new.base_url),
        model=_line("model", new.model),
        api_key=new.api_key.strip(),
        is_active=new.active,
    )
    session.add(provider)
    await _flush(session)
    if provider.is_active:
        await end_all(session, CHANGED)
    return provider


async def change_provider(session: AsyncSession, provider_id: UUID, change: ProviderChange) -> ModelProvider:
    """Raises NotFoundError, InvalidInputError, ConflictError.

    A new address needs the key again, so that nobody can have a stored key sent to a server of their own.
    """
    provider = await get_provider(session, provider_id)
    before = _writes_by(provider)
    if change.base_url is not UNSET and _url(change.base_url) != provider.base_url:
        if change.api_key is UNSET:
            msg = "give the api_key together with a new base_url"
            raise InvalidInputError(msg)
        provider.base_url = _url(change.base_url)
    if change.name is not UNSET:
        provider.name = _line("name", change.name)
    if change.model is not UNSET:
        provider.model = _line("model", change.model)
    if change.api_key is not UNSET:
        provider.api_key = change.api_key.strip()
    if change.position is not UNSET:
        provider.position = change.position
    if change.active is not UNSET:
        provider.is_active = change.active
    await _flush(session)
    if _writes_by(provider) != before:
        await end_all(session, CHANGED)
    return provider


async def remove_provider(session: AsyncSession, provider_id: UUID) -> None:
    """Raises NotFoundError."""
    provider = await get_provider(session, provider_id)
    await session.delete(provider)
    await session.flush()
    if provider.is_active:
        await end_all(session, CHANGED)


def _writes_by(provider: ModelProvider) -> tuple[str, str, int] | None:
    """What decides which words it writes, and after whom it is asked; None when it is not asked."""
    return (provider.base_url, provider.model, provider.position) if provider.is_active else None


async def get_provider(session: AsyncSession, provider_id: UUID) -> ModelProvider:
    """Raises NotFoundError."""
    found = await session.execute(select(ModelProvider).where(ModelProvider.id == provider_id))
    provider = found.scalar_one_or_none()
    if provider is None:
        msg = "there is no such provider"
        raise NotFoundError(msg)
    return provider


async def _flush(session: AsyncSession) -> None:
    try:
        await session.flush()
    except IntegrityError as error:
        msg = "another provider has this position already"
        raise ConflictError(msg) from error


def _line(name: str, value: str) -> str:
    cleaned = clean_line(value)
    if not 1 <= len(cleaned) <= LONGEST:
        msg = f"{name} must have 1 to {LONGEST} characters"
        raise InvalidInputError(msg)
    return cleaned


def _url(value: str) -> str:
    cleaned = _line("base_url", value).rstrip("/")
    try:
        parts = urlsplit(cleaned)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username or parts.query:
        msg = "base_url must be an address such as https://api.example.com/v1"
        raise InvalidInputError(msg)
    return cleaned
