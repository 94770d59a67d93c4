"""From bytes to clean text: which encoding, and which characters never get through."""

from __future__ import annotations

import codecs
import re
import unicodedata
from contextlib import suppress

from desk.errors import RefusedDocumentError

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""UTF-32 first: its little-endian mark begins with that of UTF-16."""

_SIGNATURES = (
    (b"%PDF-", "a PDF file"),
    (b"PK\x03\x04", "a ZIP archive or an Office document"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "a compressed file"),
    (b"7z\xbc\xaf", "a compressed file"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\x00", "a database"),
)

_DECLARABLE = re.compile(
    r"windows-?\d|cp\d|iso-?8859|iso-2022-jp|latin-?\d|koi8|shift[_-]?jis|sjis|euc[_-]|gb|big5|mac|us-ascii", re.I
)
"""Python also knows codecs such as `unicode_escape` and `utf-7`, which a stranger must not choose."""

_LINE_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_SPACE = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_DROPPED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"  # controls, NUL among them
    "\xad\u200b\u2060\ufeff"  # soft hyphen and what has no width
    "\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\U000e0000-\U000e007f"  # can hide or turn round what a person reads
    "\ud800-\udfff]"
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")

_SAMPLE_BYTES = 65_536
_MAXIMUM_CONTROL_SHARE = 0.02
_STRAY_CONTROLS = 4
"""Found in text of any length."""


def clean(text: str) -> str:
    """NFC with `\\n` line breaks and plain spaces; no controls, lone surrogates or invisible characters."""
    text = _LINE_BREAK.sub("\n", text)
    text = _SPACE.sub(" ", text)
    text = _DROPPED.sub("", text)
    return unicodedata.normalize("NFC", text)


def decode(raw: bytes, declared: str = "") -> str:
    """The text of `raw`, not yet cleaned.

    In this order: byte order mark, UTF-16 by its pattern of zero bytes, UTF-8, the `declared` character set (from
    HTML), Windows-1252. Raises RefusedDocumentError when the bytes are no text.
    """
    for signature, what in _SIGNATURES:
        if raw.startswith(signature):
            raise RefusedDocumentError(
                f"The file is not text: it is {what} inside. Give it its own file name ending and add it again."
            )
    text = _decode(raw, declared)
    sample = text[:_SAMPLE_BYTES]
    if len(_CONTROL.findall(sample)) > max(_STRAY_CONTROLS, _MAXIMUM_CONTROL_SHARE * len(sample)):
        raise RefusedDocumentError("The file is not text: it holds binary data.")
    return text


def _decode(raw: bytes, declared: str) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding, errors="replace")
    if wide := _zero_byte_pattern(raw):
        return raw.decode(wide, errors="replace")
    seven_bit = declared.lower() == "iso-2022-jp"
    if not seven_bit:
        with suppress(UnicodeDecodeError):  # then it is one of the older encodings below
            return raw.decode("utf-8")
    if _DECLARABLE.match(declared):
        with suppress(LookupError, UnicodeDecodeError):  # then the declaration is wrong, as it often is
            return raw.decode(_web_name(declared))
    return _decode_mixed(raw)


def _zero_byte_pattern(raw: bytes) -> str:
    """Text of Western letters in UTF-16 has a zero in every second byte."""
    sample = raw[:4096]
    if len(sample) < 4 or len(raw) % 2:
        return ""
    even, odd = sample[::2].count(0) / len(sample[::2]), sample[1::2].count(0) / len(sample[1::2])
    if odd > 0.4 and even < 0.05:
        return "utf-16-le"
    if even > 0.4 and odd < 0.05:
        return "utf-16-be"
    return ""


def _web_name(declared: str) -> str:
    """Browsers read Latin-1 and ASCII as Windows-1252 (WHATWG Encoding, section 4.2), and so pages are written."""
    return "cp1252" if declared.lower() in {"iso-8859-1", "latin1", "latin-1", "us-ascii"} else declared


def _decode_mixed(raw: bytes) -> str:
    """UTF-8 with a few foreign bytes pasted in, or Windows-1252 as a whole, whichever explains more."""
    attempt = raw.decode("utf-8", errors="replace")
    foreign = attempt.count("\ufffd")
    understood = sum(1 for character in attempt if character > "\x7f") - foreign
    if understood > foreign:
        return raw.decode("utf-8", errors="draftdesk-windows-1252")
    return raw.decode("cp1252", errors="ignore")


def _foreign_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", errors="ignore"), error.end


codecs.register_error("draftdesk-windows-1252", _foreign_bytes)
