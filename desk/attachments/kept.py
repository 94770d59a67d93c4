"""Files whose bytes are here: looked at, and stored unless they are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from uuid_utils.compat import uuid7

from desk.attachments.sniffing import sniff
from desk.errors import InvalidInputError, TooLargeError
from desk.files import new_key
from desk.models import Attachment
from desk.plain_text import clean_line
from desk.ports import Storage
from desk.settings import Settings

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class AttachmentLimits:
    bytes: int
    """Of one file."""
    count: int
    """In one message."""

    @staticmethod
    def of(settings: Settings) -> AttachmentLimits:
        return AttachmentLimits(settings.maximum_attachment_bytes, settings.maximum_attachments)


@dataclass(frozen=True, slots=True)
class GivenFile:
    """As somebody sent it."""

    name: str
    declared_type: str
    content: bytes = field(repr=False)
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """Looked at, and stored unless it was refused."""

    name: str
    declared_type: str
    media_type: str
    size: int
    sha256: str
    storage_key: str
    reason: str = ""
    """Why it was refused; empty for a file that is ready."""
    content_id: str = ""


async def keep_files(
    storage: Storage, tenant_id: UUID, files: Sequence[GivenFile], limits: AttachmentLimits
) -> tuple[KeptFile, ...]:
    """For files of a message that has come already: what cannot be taken is kept as a refusal that people see.

    No transaction may be open. Raises ServiceUnavailableError.
    """
    kept: list[KeptFile] = []
    for at, given in enumerate(files):
        reason = f"only {limits.count} files of a message are taken" if at >= limits.count else ""
        kept.append(await keep_one(storage, tenant_id, given, limits, reason))
    return tuple(kept)


def row_of(kept: KeptFile) -> Attachment:
    """To be given a ticket and a message, in the transaction that adds the message."""
    return Attachment(
        id=uuid7(),
        name=kept.name,
        declared_type=kept.declared_type,
        media_type=kept.media_type,
        size=kept.size,
        sha256=kept.sha256,
        storage_key=kept.storage_key,
        state="refused" if kept.reason else "ready",
        reason=kept.reason,
        content_id=kept.content_id,
    )


def check_size(name: str, size: int, limits: AttachmentLimits) -> None:
    """Raises TooLargeError, InvalidInputError for an empty file."""
    if size > limits.bytes:
        msg = f"{clean_name(name)} has {size / 1e6:.1f} MB; files of up to {limits.bytes / 1e6:.0f} MB can be sent"
        raise TooLargeError(msg)
    if size <= 0:
        msg = f"{clean_name(name)} is empty"
        raise InvalidInputError(msg)


async def keep_one(
    storage: Storage, tenant_id: UUID, given: GivenFile, limits: AttachmentLimits, reason: str = ""
) -> KeptFile:
    """Refused for `reason`, its size or what it is; else stored. No transaction may be open."""
    found, size = sniff(given.content), len(given.content)
    if size > limits.bytes:
        reason = reason or f"it has {size / 1e6:.1f} MB; files of up to {limits.bytes / 1e6:.0f} MB are taken"
    kept = KeptFile(
        name=clean_name(given.name),
        declared_type=clean_line(given.declared_type)[:LONGEST_NAME],
        media_type=found.media_type,
        size=size,
        sha256=hashlib.sha256(given.content).hexdigest(),
        storage_key=new_key(tenant_id, "attachment"),
        reason=reason or found.refusal,
        content_id=clean_line(given.content_id)[:LONGEST_NAME],
    )
    if not kept.reason:
        await storage.put(kept.storage_key, given.content)
    return kept


def clean_name(name: str) -> str:
    """The last part of a path, whichever system wrote it, short enough to show."""
    last = clean_line(name.replace("\\", "/").rpartition("/")[2])
    if len(last) <= LONGEST_NAME:
        return last or "file"
    stem, dot, ending = last.rpartition(".")
    return f"{stem[: LONGEST_NAME - 20]}{dot}{ending[:18]}" if dot else last[:LONGEST_NAME]
