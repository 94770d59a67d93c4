"""PowerPoint presentations: a section for each slide, with lists, tables, charts, speaker notes and comments."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from typing import Any

from pptx import Presentation
from pptx.exc import PackageNotFoundError, PythonPptxError
from pptx.opc.constants import RELATIONSHIP_TYPE

from desk.errors import RefusedDocumentError

from .document import DocumentBuilder, Metadata
from .office_math import latex
from .office_package import checked_package
from .office_xml import XMLError, alternative, attribute, chart, child, children, descendants, local_name, path, root_of

_BROKEN = (
    KeyError,
    ValueError,
    AttributeError,
    TypeError,
    NotImplementedError,
    PackageNotFoundError,
    PythonPptxError,
    zipfile.BadZipFile,
    XMLError,
)
_MOST_SLIDES = 2_000
_COMMENTS = ("/comments", "/threadedComment")
_FURNITURE = frozenset({"ftr", "dt", "sldNum", "hdr"})
_TITLES = frozenset({"title", "ctrTitle"})


def read_pptx(raw: bytes, builder: DocumentBuilder) -> Metadata:
    """Raises RefusedDocumentError."""
    stream = checked_package(raw)
    try:
        presentation = Presentation(stream)
        slides = list(presentation.slides)
        title = str(presentation.core_properties.title or "").strip()
    except _BROKEN as error:
        raise RefusedDocumentError("The PowerPoint file is damaged or incomplete. Save it anew.") from error
    if len(slides) > _MOST_SLIDES:
        raise RefusedDocumentError(
            f"The presentation has too many slides: {len(slides):,}, and {_MOST_SLIDES:,} are read at most. Split it."
        )
    authors = _comment_authors(presentation.part)
    for slide in slides:
        builder.page()
        _Slide(slide.part, builder, authors).read()
    return Metadata("" if title.lower() in {"powerpoint presentation", "presentation"} else title)


def _comment_authors(part: Any) -> dict[str, str]:
    authors: dict[str, str] = {}
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(("/commentAuthors", "/authors")):
            for each in root_of(relation.target_part):
                name, initials = attribute(each, "name") or "", attribute(each, "initials")
                authors[attribute(each, "id") or ""] = f"{name} ({initials})" if initials else name
    return authors


class _Slide:
    def __init__(self, part: Any, builder: DocumentBuilder, authors: dict[str, str]) -> None:
        self._part, self._builder, self._authors = part, builder, authors

    def read(self) -> None:
        tree = path(root_of(self._part), "cSld", "spTree")
        if tree is not None:
            self._shapes(sorted(_flattened(tree), key=_is_no_title))
        for relation in self._part.rels.values():
            if not relation.is_external and relation.reltype == RELATIONSHIP_TYPE.NOTES_SLIDE:
                self._notes(relation)
        for relation in self._part.rels.values():
            if not relation.is_external and relation.reltype.endswith(_COMMENTS):
                self._comments(root_of(relation.target_part))

    def _shapes(self, shapes: Iterable[Any]) -> None:
        for shape in shapes:
            placeholder = _placeholder(shape)
            if placeholder in _FURNITURE:
                continue
            body = child(shape, "txBody")
            if placeholder in _TITLES and body is not None:
                self._builder.heading(1, " ".join(" ".join(_text(each) for each in children(body, "p")).split()))
            elif body is not None:
                self._paragraphs(body, is_outline=placeholder in {"body", "obj", ""})
            self._graphic(shape)

    def _paragraphs(self, body: Any, *, is_outline: bool) -> None:
        numbers: dict[int, int] = {}
        for paragraph in children(body, "p"):
            text = _text(paragraph).strip()
            properties = child(paragraph, "pPr")
            level = int(attribute(properties, "lvl") or 0) if properties is not None else 0
            if not text:
                continue
            if child(properties if properties is not None else paragraph, "buAutoNum") is not None:
                numbers[level] = numbers.get(level, 0) + 1
                self._builder.list_item(f"{'  ' * level}{numbers[level]}. {text}")
                continue
            numbers.clear()
            bullet = properties is not None and child(properties, "buChar") is not None
            plain = properties is not None and child(properties, "buNone") is not None
            if bullet or (is_outline and not plain):
                self._builder.list_item(f"{'  ' * level}- {text}")
            else:
                self._builder.paragraph(text)

    def _graphic(self, shape: Any) -> None:
        data = path(shape, "graphic", "graphicData")
        if data is None:
            return
        table = child(data, "tbl")
        if table is not None:
            self._builder.table(_table(table))
            return
        for each in descendants(data, "chart"):
            relation = self._part.rels.get(attribute(each, "id") or "")
            if relation is not None and not relation.is_external:
                title, rows = chart(root_of(relation.target_part))
                self._builder.paragraph(title)
                self._builder.table(rows)
        for each in descendants(data, "relIds"):
            relation = self._part.rels.get(attribute(each, "dm") or "")
            if relation is not None and not relation.is_external:
                self._diagram(root_of(relation.target_part))

    def _diagram(self, root: Any) -> None:
        """SmartArt: the texts of its points."""
        for point in descendants(root, "pt"):
            body = child(point, "t")
            text = "" if body is None else " ".join(_text(each) for each in children(body, "p")).strip()
            if text:
                self._builder.list_item(f"- {text}")

    def _notes(self, relation: Any) -> None:
        tree = path(root_of(relation.target_part), "cSld", "spTree")
        for shape in [] if tree is None else _flattened(tree):
            body = child(shape, "txBody")
            if body is not None and _placeholder(shape) == "body":
                text = "\n".join(_text(each) for each in children(body, "p")).strip()
                self._builder.paragraph(f"Notes: {text}" if text else "")

    def _comments(self, root: Any) -> None:
        for comment in root.iter():
            if local_name(comment) in {"cm", "threadedComment", "reply"}:
                told = [each for each in comment if local_name(each) in {"text", "txBody"}]
                text = " ".join(" ".join("".join(each.itertext()).split()) for each in told).strip()
                author = self._authors.get(attribute(comment, "authorId") or "", "")
                moment = attribute(comment, "dt") or attribute(comment, "created") or ""
                about = ", ".join(
                    part for part in (author and f"author: {author}", moment and f"time: {moment}") if part
                )
                self._builder.paragraph(f"Comment [{about}]: {text}" if text else "")


def _flattened(tree: Any) -> list[Any]:
    """Shapes in drawing order, those inside groups included."""
    shapes: list[Any] = []
    for each in tree:
        name = local_name(each)
        if name == "grpSp":
            shapes += _flattened(each)
        elif name == "AlternateContent":
            shapes += [shape for form in alternative(each) for shape in _flattened([form])]
        elif name in {"sp", "graphicFrame", "pic", "cxnSp"} or child(each, "txBody") is not None:
            shapes.append(each)
    return shapes


def _placeholder(shape: Any) -> str | None:
    """The kind of a placeholder, empty for the general one; None for a shape of its own."""
    for each in shape:
        found = path(each, "nvPr", "ph") if local_name(each).startswith("nv") else None
        if found is not None:
            return attribute(found, "type") or ""
    return None


def _is_no_title(shape: Any) -> bool:
    return _placeholder(shape) not in _TITLES


def _text(paragraph: Any) -> str:
    """Of one `a:p`."""
    text = ""
    for each in paragraph:
        name = local_name(each)
        if name in {"r", "fld"}:
            found = child(each, "t")
            text += "" if found is None else found.text or ""
        elif name == "br":
            text += "\n"
        elif name in {"m", "oMath", "oMathPara"}:
            text += f"${latex(each)}$"
        elif name == "AlternateContent":
            text += "".join(_text([form]) for form in alternative(each))
    return text


def _table(table: Any) -> list[list[str]]:
    """A merged cell is repeated in every row and column it spans, so that a row can stand alone."""
    rows: list[list[str]] = []
    for row in children(table, "tr"):
        texts: list[str] = []
        for cell in children(row, "tc"):
            above = rows[-1] if rows else []
            if _switched(cell, "hMerge") and texts:
                texts.append(texts[-1])
            elif _switched(cell, "vMerge") and len(texts) < len(above):
                texts.append(above[len(texts)])
            else:
                body = child(cell, "txBody")
                parts = [] if body is None else [_text(each).strip() for each in children(body, "p")]
                texts.append("; ".join(part for part in parts if part))
        rows.append(texts)
    return rows


def _switched(cell: Any, name: str) -> bool:
    return (attribute(cell, name) or "0") in {"1", "true"}
