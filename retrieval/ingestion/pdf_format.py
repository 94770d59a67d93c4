"""PDF, read with PDFium: text by the layout of its pages, with the page each passage stands on."""

from __future__ import annotations

import re
from typing import Any, Final

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from desk.errors import RefusedDocumentError

from .document import DocumentBuilder, Metadata
from .pdf_layout import blocks
from .pdf_lines import Line, PageLines, page_kinds

MOST_PAGES: Final = 3_000
_PAGES_LOOKED_AT = 20
_MOST_UNREADABLE = 0.4
"""Share of characters that stand for nothing: fonts without a table of what their glyphs mean."""
_UNREADABLE = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0b\x0e-\x1f]")
_NO_TITLE = re.compile(
    r"untitled|unbenannt|microsoft \w+ - |.*\.(?:docx?|pptx?|xlsx?|indd|qxd|tex|dvi|pdf|odt|html?)$", re.I
)
_REFUSALS: Final = {
    pdfium_c.FPDF_ERR_PASSWORD: "The PDF is encrypted: it needs a password. Remove the password and add it again.",
    pdfium_c.FPDF_ERR_SECURITY: "The PDF is encrypted in a way that cannot be read. Save it without encryption.",
}


def read_pdf(raw: bytes, builder: DocumentBuilder) -> Metadata:
    """Raises RefusedDocumentError: encrypted, damaged, too many pages, or nothing but pictures."""
    document = _opened(raw)
    try:
        count = len(document)
        if count > MOST_PAGES:
            raise RefusedDocumentError(
                f"The PDF has too many pages: {count:,}, and {MOST_PAGES:,} are read at most. Split it."
            )
        pages, unreadable = _pages(document, count)
        if not any(pages):
            raise RefusedDocumentError(_why_empty(document, damaged=unreadable == count))
        _refuse_unreadable([line for page in pages for line in page])
        _write(pages, builder)
        _remark(builder, pages, unreadable, _attachments(document))
        return Metadata(_title(document))
    finally:
        document.close()


def _opened(raw: bytes) -> pdfium.PdfDocument:
    try:
        document = pdfium.PdfDocument(raw)
        len(document)
    except pdfium.PdfiumError as error:
        code: Any = getattr(error, "err_code", None)
        refusal = _REFUSALS.get(code)
        raise RefusedDocumentError(
            refusal or "The PDF is damaged or incomplete and cannot be opened. Save it anew and add it again."
        ) from error
    return document


def _pages(document: Any, count: int) -> tuple[list[list[Line]], int]:
    """The lines of each page, and how many pages could not be opened."""
    reader, pages, unreadable = PageLines(), list[list[Line]](), 0
    has_form = document.get_formtype() != pdfium_c.FORMTYPE_NONE
    for number in range(count):
        try:
            page = document[number]
        except pdfium.PdfiumError:
            pages.append([])
            unreadable += 1
            continue
        try:
            if has_form:
                page = _with_filled_fields(document, page, number)
            pages.append(reader.read(page, number))
        except pdfium.PdfiumError:
            pages.append([])
            unreadable += 1
        finally:
            page.close()
    return pages, unreadable


def _with_filled_fields(document: pdfium.PdfDocument, page: Any, number: int) -> Any:
    """What was typed into a form is no text of its page until it is printed into it."""
    c_library: Any = pdfium_c
    if c_library.FPDFPage_Flatten(page.raw, c_library.FLAT_PRINT) != c_library.FLATTEN_SUCCESS:
        return page
    page.close()
    return document[number]


def _write(pages: list[list[Line]], builder: DocumentBuilder) -> None:
    begun = -1
    for block in blocks(pages):
        while begun < block.page:
            builder.page()
            begun += 1
        if block.kind == "heading":
            builder.heading(block.level, block.text)
        elif block.kind == "list":
            for line in block.text.split("\n"):
                builder.list_item(line)
        elif block.kind == "code":
            builder.code(block.text)
        else:
            builder.paragraph(block.text)


def _remark(builder: DocumentBuilder, pages: list[list[Line]], unreadable: int, attachments: int) -> None:
    empty = sum(not page for page in pages) - unreadable
    if unreadable:
        builder.remarks.append(f"{unreadable:,} of {len(pages):,} pages are damaged and were left out.")
    if empty:
        builder.remarks.append(f"{empty:,} of {len(pages):,} pages hold no text, as scans do, and were left out.")
    if attachments:
        builder.remarks.append(f"{attachments:,} files attached inside the PDF were not read; add them by themselves.")


def _why_empty(document: pdfium.PdfDocument, *, damaged: bool) -> str:
    if damaged:
        return "The PDF is damaged: none of its pages can be opened. Save it anew and add it again."
    kinds = page_kinds(document, _PAGES_LOOKED_AT)
    if pdfium_c.FPDF_PAGEOBJ_IMAGE in kinds:
        return (
            "The PDF is scanned: its pages are pictures without text. Run text recognition (OCR) over it and add it "
            "again."
        )
    if kinds:
        return "The PDF holds no text: its pages are drawings, and letters drawn as shapes cannot be read."
    return "The PDF is empty: its pages are blank."


def _refuse_unreadable(lines: list[Line]) -> None:
    text = "".join(line.text for line in lines)
    if len(_UNREADABLE.findall(text)) > _MOST_UNREADABLE * len(text):
        raise RefusedDocumentError(
            "The text of the PDF cannot be read: its fonts do not say which letters their shapes stand for. Save it "
            "anew from the program that made it, or run text recognition (OCR) over it."
        )


def _attachments(document: pdfium.PdfDocument) -> int:
    return max(0, document.count_attachments())


def _title(document: Any) -> str:
    title = " ".join(document.get_metadata_value("Title").split())
    return "" if len(title) < 4 or _NO_TITLE.match(title) else title
