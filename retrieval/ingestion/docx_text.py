"""The running text of one Word paragraph, and what hangs on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .office_math import latex
from .office_xml import alternative, attribute, child, is_on, local_name, path

_LEFT_OUT: Final = frozenset(
    {"del", "moveFrom", "instrText", "delText", "rPr", "pPr", "sdtPr", "rt", "proofErr", "commentReference"}
)
_LONGEST_ADDRESS = 200
_REACHABLE = ("http://", "https://", "mailto:", "tel:")


@dataclass(slots=True)
class Inline:
    fragments: list[str] = field(default_factory=list[str])
    boxes: list[Any] = field(default_factory=list[Any])
    """`txbxContent` elements: blocks of their own."""
    charts: list[Any] = field(default_factory=list[Any])
    """Chart parts."""
    notes: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    """Label and note element, in the order of their marks."""

    @property
    def text(self) -> str:
        return "".join(self.fragments)


class ParagraphReader:
    """Counts footnotes and endnotes over the whole document."""

    def __init__(self, part: Any, notes: Mapping[str, Mapping[str, Any]]) -> None:
        self._part, self._notes = part, notes
        self._noted = 0

    def read(self, paragraph: Any) -> Inline:
        inline = Inline()
        self._inside(paragraph, inline)
        return inline

    def _inside(self, element: Any, inline: Inline) -> None:
        for each in element:
            self._one(each, local_name(each), inline)

    def _one(self, element: Any, name: str, inline: Inline) -> None:  # noqa: C901, PLR0912 - a case each, one line each
        if name == "t":
            inline.fragments.append(element.text or "")
        elif name in _LEFT_OUT or not name:
            return
        elif name == "r":
            self._run(element, inline)
        elif name == "tab":
            inline.fragments.append(" ")
        elif name in {"br", "cr"}:
            inline.fragments.append("\n")
        elif name == "noBreakHyphen":
            inline.fragments.append("-")
        elif name == "sym":
            inline.fragments.append(_symbol(element))
        elif name in {"oMath", "oMathPara"}:
            mark = "$$" if name == "oMathPara" else "$"
            inline.fragments.append(f"{mark}{latex(element)}{mark}")
        elif name == "hyperlink":
            self._link(element, inline)
        elif name in {"footnoteReference", "endnoteReference"}:
            self._note(element, name.removesuffix("Reference"), inline)
        elif name == "AlternateContent":
            for each in alternative(element):
                self._one(each, local_name(each), inline)
        elif name in {"drawing", "pict", "object"}:
            self._drawing(element, inline)
        elif name == "sdt":
            self._control(element, inline)
        else:
            self._inside(element, inline)

    def _run(self, element: Any, inline: Inline) -> None:
        properties = child(element, "rPr")
        if is_on(path(properties, "vanish")):
            return
        start = len(inline.fragments)
        self._inside(element, inline)
        is_struck = is_on(path(properties, "strike")) or is_on(path(properties, "dstrike"))
        if is_struck and "".join(inline.fragments[start:]).strip():
            inline.fragments[start:] = ["~~", *inline.fragments[start:], "~~"]

    def _link(self, element: Any, inline: Inline) -> None:
        start = len(inline.fragments)
        self._inside(element, inline)
        relation = self._part.rels.get(attribute(element, "id") or "")
        address = str(relation.target_ref) if relation is not None and relation.is_external else ""
        shown = "".join(inline.fragments[start:]).strip()
        if shown and address.startswith(_REACHABLE) and len(address) <= _LONGEST_ADDRESS:
            address = address.removeprefix("mailto:").removeprefix("tel:")
            if address.rstrip("/") != shown.rstrip("/"):
                inline.fragments.append(f" ({address})")

    def _note(self, element: Any, kind: str, inline: Inline) -> None:
        note = self._notes.get(kind, {}).get(attribute(element, "id") or "")
        if note is not None:
            self._noted += 1
            inline.fragments.append(f" [{self._noted}]")
            inline.notes.append((str(self._noted), note))

    def _drawing(self, element: Any, inline: Inline) -> None:
        for each in element.iter():
            name = local_name(each)
            if name == "txbxContent" and not _inside_another(each, element):
                inline.boxes.append(each)
            elif name == "chart":
                relation = self._part.rels.get(attribute(each, "id") or "")
                inline.charts += [] if relation is None or relation.is_external else [relation.target_part]

    def _control(self, element: Any, inline: Inline) -> None:
        """A content control; a check box as `[x]` or `[ ]`."""
        box = path(element, "sdtPr", "checkbox")
        content = child(element, "sdtContent")
        if box is not None:
            inline.fragments.append("[x]" if is_on(child(box, "checked")) else "[ ]")
        elif content is not None:
            self._inside(content, inline)


def _inside_another(box: Any, outermost: Any) -> bool:
    """Of a box that is stored twice, or lies in another box, only the outer one counts."""
    above = box.getparent()
    while above is not None and above is not outermost:
        if local_name(above) in {"txbxContent", "Fallback"}:
            return True
        above = above.getparent()
    return False


def _symbol(element: Any) -> str:
    code = attribute(element, "char") or ""
    try:
        character = chr(int(code, 16))
    except ValueError:
        return ""
    return "\u2022" if "\ue000" <= character <= "\uf8ff" else character
