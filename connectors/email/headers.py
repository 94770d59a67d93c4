"""Reading headers that nobody has checked: broken encodings and addresses give something readable, never an error."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime

MOST_REFERENCES = 50
LONGEST_ID = 400
_ID = re.compile(r"<[^<>\s]{1,398}>")
_BROKEN = (LookupError, UnicodeError, ValueError, MessageError, TypeError, AttributeError)


def texts(mail: EmailMessage, name: str) -> list[str]:
    """Every header of this name, decoded and on one line each."""
    wanted = name.lower()
    return [_decoded(str(value)) for key, value in mail.raw_items() if key.lower() == wanted]


def text(mail: EmailMessage, name: str) -> str:
    """The first header of this name; "" without one."""
    return next(iter(texts(mail, name)), "")


def _decoded(value: str) -> str:
    with suppress(UnicodeError):
        # 8-bit letters that were not encoded at all: the parser keeps their bytes as surrogates.
        raw = value.encode("ascii", "surrogateescape")
        value = raw.decode("ascii") if raw.isascii() else decode_bytes(raw, "")
    with suppress(*_BROKEN):
        value = str(make_header(decode_header(value)))
    return " ".join(value.replace("\x00", "").split())


def decode_bytes(raw: bytes, charset: str) -> str:
    """By the charset that was named where it fits, else as UTF-8, else as what broken senders mostly mean."""
    for candidate in (charset, "utf-8"):
        if candidate:
            with suppress(LookupError, UnicodeError, ValueError):
                return raw.decode(candidate)
    return raw.decode("cp1252", errors="replace")


def addresses(mail: EmailMessage, name: str) -> list[tuple[str, str]]:
    """Display name and address, lower case, of every address that is one."""
    found: list[tuple[str, str]] = []
    for value in _raw(mail, name):
        for shown, address in getaddresses([value]):
            cleaned = address.strip().lower()
            if cleaned.count("@") == 1 and not cleaned.startswith("@") and not cleaned.endswith("@"):
                found.append((_decoded(shown), cleaned))
    return found


def _raw(mail: EmailMessage, name: str) -> list[str]:
    """Not decoded yet: an encoded name may hold commas and angle brackets that belong to no address."""
    wanted = name.lower()
    values = [str(value) for key, value in mail.raw_items() if key.lower() == wanted]
    return [" ".join(value.encode("ascii", "surrogateescape").decode("utf-8", "replace").split()) for value in values]


def message_ids(mail: EmailMessage, *names: str) -> tuple[str, ...]:
    """Of In-Reply-To and References: the last reference is the nearest."""
    found: list[str] = []
    for name in names:
        ids = _ID.findall(" ".join(texts(mail, name)))
        found += reversed(ids)
    return tuple(dict.fromkeys(found))[:MOST_REFERENCES]


def own_id(mail: EmailMessage) -> str:
    """The Message-ID; "" when there is none or it is none."""
    ids = _ID.findall(text(mail, "Message-ID"))
    return ids[0] if ids else ""


def sent_at(mail: EmailMessage) -> datetime | None:
    with suppress(ValueError, TypeError, OverflowError, IndexError):
        moment = parsedate_to_datetime(text(mail, "Date"))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
