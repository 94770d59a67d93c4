"""E-mail files: subject, people, the text as it was written, and attachments that are documents themselves."""

from __future__ import annotations

import email
from email.errors import MessageError
from email.message import Message
from email.policy import default
from typing import Any, Final

from desk.errors import RefusedDocumentError

from .decoding import clean, decode
from .document import DocumentBuilder, Metadata
from .html_format import read_markup
from .recognise import Recognised, recognise
from .text_format import read_text

_DEEPEST: Final = 4
"""Messages inside messages."""
_MOST_PARTS: Final = 500
_SHOWN: Final = ("From", "To", "Cc", "Date")
_HEADER_BYTES: Final = 65_536


def read_mail(raw: bytes, builder: DocumentBuilder) -> Metadata:
    """Raises RefusedDocumentError when the bytes are no message."""
    try:
        message = email.message_from_bytes(raw, policy=default)
        is_message = any(message.get(name) is not None for name in ("From", "Subject", "Date", "Received", "To"))
    except (MessageError, ValueError, LookupError, IndexError, AttributeError) as error:
        raise RefusedDocumentError("The e-mail file is damaged and cannot be read.") from error
    if not is_message:
        raise RefusedDocumentError("The file is no e-mail: it has neither sender, recipient, subject nor date.")
    return _MailReader(builder).read(message, 1)


class _MailReader:
    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._parts = 0

    def read(self, message: Message, depth: int) -> Metadata:
        subject = _header(message, "Subject")
        self._builder.heading(min(depth, 3), subject or "E-mail")
        lines = [f"{name}: {told}" for name in _SHOWN if (told := _header(message, name))]
        self._builder.paragraph("\n".join(lines))
        attachments: list[Message] = []
        self._body(message, attachments, depth, 0)
        for part in attachments:
            self._attachment(part, depth)
        return Metadata(subject)

    def _body(self, part: Message, attachments: list[Message], depth: int, nesting: int) -> None:
        """The text of a part; of alternatives the plain one where it says something, else the last."""
        self._parts += 1
        if self._parts > _MOST_PARTS or nesting > 20:
            raise RefusedDocumentError(f"The e-mail is refused: it has more than {_MOST_PARTS} parts.")
        kind = part.get_content_type()
        if part.get_content_disposition() == "attachment" or (part.get_filename() and not part.is_multipart()):
            attachments.append(part)
        elif kind == "multipart/alternative":
            inner = _inner(part)
            plain = next((each for each in inner if _says_something(each)), None)
            for each in [plain] if plain is not None else inner[-1:]:
                self._body(each, attachments, depth, nesting + 1)
        elif part.is_multipart() and kind != "message/rfc822":
            for each in _inner(part):
                self._body(each, attachments, depth, nesting + 1)
        elif kind == "text/html":
            read_markup(clean(_decoded(part)), self._builder)
        elif kind.startswith("text/") and kind != "text/calendar":
            read_text(_decoded(part).encode("utf-8", errors="replace"), self._builder)
        else:
            attachments.append(part)

    def _attachment(self, part: Message, depth: int) -> None:
        name = clean(_file_name(part))
        if part.get_content_type() == "message/rfc822":
            inner = _inner(part)
            if inner and depth < _DEEPEST:
                self.read(inner[0], depth + 1)
            else:
                self._builder.remarks.append("Left out: messages inside messages inside messages.")
            return
        raw = _payload(part)
        if not raw or part.get_content_maintype() in {"image", "audio", "video"}:
            if name and part.get_content_maintype() != "image":
                self._builder.remarks.append(f"The attachment {name} was left out: it is no document.")
            return
        try:
            self._read_attachment(name, raw, part.get_content_type())
        except RefusedDocumentError as refusal:
            self._builder.remarks.append(f"The attachment {name or 'without a name'} was left out. {refusal.detail}")

    def _read_attachment(self, name: str, raw: bytes, media_type: str) -> None:
        """Into the same document, under a heading of its own."""
        from .parse import FORMATS  # noqa: PLC0415 - a message holds documents of every format, itself among them

        kind = recognise(name, raw, "" if name else media_type)
        form = FORMATS.get(kind)
        if form is None or kind is Recognised.MAIL:
            raise RefusedDocumentError(f"Add {kind.value} files by themselves.")
        piece = DocumentBuilder()
        form.read(raw, piece)
        if not piece.is_empty:
            self._builder.heading(2, f"Attachment: {name or kind.value}")
            form.read(raw, self._builder)


def _inner(part: Message) -> list[Message]:
    payload: Any = part.get_payload()
    inner: list[Any] = list(payload) if part.is_multipart() else []
    return [each for each in inner if isinstance(each, Message)]


def _says_something(part: Message) -> bool:
    return part.get_content_type() == "text/plain" and bool(_decoded(part).strip())


def _payload(part: Message) -> bytes:
    payload: Any = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _decoded(part: Message) -> str:
    """Character sets are often declared wrongly; UTF-8 is tried before what the message says."""
    return decode(_payload(part), str(part.get_content_charset() or ""))


def _header(message: Message, name: str) -> str:
    try:
        return " ".join(clean(str(message.get(name) or ""))[:_HEADER_BYTES].split())
    except (ValueError, IndexError, LookupError, AttributeError, TypeError):
        return ""  # a header so broken that the parser stumbles says nothing to a reader either


def _file_name(part: Message) -> str:
    try:
        return (part.get_filename() or "").replace("\\", "/").rpartition("/")[2]
    except (ValueError, IndexError, LookupError, AttributeError, TypeError):
        return ""  # as above
