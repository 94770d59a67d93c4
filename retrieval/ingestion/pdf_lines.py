"""The lines of a PDF page with their places and print, as PDFium sees them."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import pypdfium2.raw as pdfium_c

_FIXED_PITCH: Final = 1
_FORCE_BOLD: Final = 1 << 18
"""PDF 32000-1, table 123: font descriptor flags."""
_BOLD_NAME = re.compile(rb"bold|black|heavy|-bd|cmbx|medi\b", re.IGNORECASE)
_FONT_NAME_BYTES = 128
_CUT_WORD: Final = "\ufffe"
"""What PDFium gives for a hyphen at the end of a line; it leaves out the line break behind it."""
_LINE_END = re.compile(rf"\r\n|\r|\n|(?<={_CUT_WORD})(?![\r\n])")
_ALEF_LAM: Final = re.compile("[\u0622\u0623\u0625\u0627]\u0644")
_SCRIPTS_MEET: Final = re.compile(r"(?<=[\u0590-\u08ff])(?=[A-Za-z])|(?<=[A-Za-z])(?=[\u0590-\u08ff])")
"""PDFium loses the space where right-to-left and left-to-right words meet."""
_UP_TO_BMP: Final = "\uffff"


@dataclass(slots=True)
class Line:
    text: str
    page: int
    left: float
    right: float
    bottom: float
    top: float
    """In points, turned so that the line runs from left to right; `bottom` and `top` of the font, not of the ink."""
    depth: float
    """Where on the page, from 0 at its top to 1 at its bottom."""
    bold: bool
    fixed_pitch: bool

    @property
    def height(self) -> float:
        return self.top - self.bottom


class PageLines:
    """Reads pages one after the other; keeps the buffers the C library writes into."""

    def __init__(self) -> None:
        self._box = pdfium_c.FS_RECTF()
        self._flags = ctypes.c_int()
        self._name = ctypes.create_string_buffer(_FONT_NAME_BYTES)

    def read(self, page: Any, number: int) -> list[Line]:
        text_page = page.get_textpage()
        try:
            return _downwards(list(self._lines(page, text_page, number)))
        finally:
            text_page.close()

    def _lines(self, page: Any, text_page: Any, number: int) -> Iterator[Line]:
        text: str = text_page.get_text_range(errors="replace")
        if _ALEF_LAM.search(text):
            text = _ALEF_LAM.sub(lambda match: self._ligature(text_page.raw, match), text)
        wide = max(text, default="") > _UP_TO_BMP
        left, bottom, right, top = page.get_bbox()
        bounds = (left, bottom, right, top)
        start = 0
        for part in _LINE_END.split(text):
            stripped = part.strip(" \t\xa0")
            if stripped:
                first = start + part.index(stripped[0])
                last = first + len(stripped) - 1
                if wide:
                    first, last = _utf16_index(text, first), _utf16_index(text, last)
                yield self._line(text_page, stripped, number, first, last, bounds)
            start += len(part)
            if not part.endswith(_CUT_WORD) or text.startswith(("\r", "\n"), start):
                start += 2 if text.startswith("\r\n", start) else 1

    def _line(
        self, text_page: Any, text: str, number: int, first: int, last: int, bounds: tuple[float, float, float, float]
    ) -> Line:
        raw = text_page.raw
        first_character: int = pdfium_c.FPDFText_GetCharIndexFromTextIndex(raw, first)
        last_character: int = pdfium_c.FPDFText_GetCharIndexFromTextIndex(raw, last)
        angle: float = pdfium_c.FPDFText_GetCharAngle(raw, first_character)
        quarter = round(angle / (math.pi / 2)) % 4 if angle > 0 else 0
        begin = _turned(self._place(raw, first_character), quarter)
        end = _turned(self._place(raw, last_character), quarter)
        page = _turned(bounds, quarter)
        height = page[3] - page[1]
        bold, fixed = self._print(raw, first_character)
        return Line(
            text=_SCRIPTS_MEET.sub(" ", text.replace(_CUT_WORD, "-")),
            page=number,
            left=min(begin[0], end[0]),
            right=max(begin[2], end[2]),
            bottom=begin[1],
            top=begin[3],
            depth=(page[3] - begin[3]) / height if height > 0 else 0.5,
            bold=bold and (last_character == first_character or self._print(raw, last_character)[0]),
            fixed_pitch=fixed,
        )

    def _ligature(self, raw: Any, match: re.Match[str]) -> str:
        """Lam-alef is one shape; PDFium turns right-to-left text round and this pair with it."""
        first, second = (
            pdfium_c.FPDFText_GetCharIndexFromTextIndex(raw, at) for at in (match.start(), match.start() + 1)
        )
        if self._place(raw, first) != self._place(raw, second):
            return match[0]
        return match[0][::-1]

    def _place(self, raw: Any, index: int) -> tuple[float, float, float, float]:
        box = self._box
        if not pdfium_c.FPDFText_GetLooseCharBox(raw, index, box):
            return (0.0, 0.0, 0.0, 0.0)
        return (box.left, box.bottom, box.right, box.top)

    def _print(self, raw: Any, index: int) -> tuple[bool, bool]:
        size = pdfium_c.FPDFText_GetFontInfo(raw, index, self._name, _FONT_NAME_BYTES, self._flags)
        flags = self._flags.value if size else 0
        bold = bool(flags & _FORCE_BOLD) or (0 < size <= _FONT_NAME_BYTES and bool(_BOLD_NAME.search(self._name.value)))
        return bold, bool(flags & _FIXED_PITCH)


def _downwards(lines: list[Line]) -> list[Line]:
    """PDFium gives the lines of a page that lies on its side from the last to the first."""
    steps = [before.bottom - line.bottom for before, line in pairwise(lines)]
    near = [step for step, line in zip(steps, lines, strict=False) if 0.5 * line.height < abs(step) < 3 * line.height]
    upwards = sum(step < 0 for step in near)
    return lines[::-1] if upwards > 2 * (len(near) - upwards) else lines


def _turned(box: tuple[float, float, float, float], quarter: int) -> tuple[float, float, float, float]:
    """The box as it stands when the page is turned so that its text runs from left to right."""
    left, bottom, right, top = box
    if quarter == 1:
        return (-top, left, -bottom, right)
    if quarter == 2:
        return (-right, -top, -left, -bottom)
    if quarter == 3:
        return (bottom, -right, top, -left)
    return box


def _utf16_index(text: str, position: int) -> int:
    return position + sum(1 for character in text[:position] if character > _UP_TO_BMP)


def page_kinds(document: Any, most_pages: int) -> set[int]:
    """Which kinds of objects (FPDF_PAGEOBJ_*) stand on the first pages."""
    kinds: set[int] = set()
    for number in range(min(most_pages, len(document))):
        page = document[number]
        kinds.update(each.type for each in page.get_objects(max_depth=3))
        page.close()
    return kinds
