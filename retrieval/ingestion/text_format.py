"""Plain text: paragraphs by blank lines, underlined headings, lists; line breaks stay where the writer put them."""

from __future__ import annotations

import re
import textwrap

from .decoding import clean, decode
from .document import DocumentBuilder, Metadata

_BLANK_LINES = re.compile(r"\n[ \t]*\n\s*?(?=[^\n]*\S)")
_UNDERLINE = re.compile(r"[ \t]*(?P<mark>[=\-~])(?P=mark){2,}[ \t]*")
_HEADING_LEVELS = {"=": 1, "-": 2, "~": 3}
_MARKER = re.compile(r"[ \t]*(?:[-*\u2022+]|\d{1,3}[.)]|[a-z]\))[ \t]+\S")
_INDENT = re.compile(r"(?: {4}|\t)")
_MAXIMUM_HEADING = 120


def read_text(raw: bytes, builder: DocumentBuilder) -> Metadata:
    for paragraph in _BLANK_LINES.split(clean(decode(raw)).strip("\n")):
        lines = [line.rstrip() for line in paragraph.split("\n") if line.strip()]
        if len(lines) > 1 and (underline := _UNDERLINE.fullmatch(lines[1])) and len(lines[0]) <= _MAXIMUM_HEADING:
            builder.heading(_HEADING_LEVELS[underline["mark"]], lines[0])
            lines = lines[2:]
        _add(lines, builder)
    return Metadata()


def _add(lines: list[str], builder: DocumentBuilder) -> None:
    if lines and all(_INDENT.match(line) for line in lines):
        builder.code(textwrap.dedent("\n".join(lines)))
    elif lines and _MARKER.match(lines[0]):
        for line in lines:
            builder.list_item(line)
    else:
        builder.paragraph("\n".join(lines))
