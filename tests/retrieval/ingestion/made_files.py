"""Small files of every kind, made where they are needed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

import docx
import pptx
from odfdo import Cell, Document, Header, List, ListItem, Paragraph, Row, Table
from pypdf import PdfReader, PdfWriter

Line = tuple[float, float, float, str]
"""Left, bottom and size in points, and the words."""

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def pdf(pages: Sequence[Sequence[Line]], *, count: int | None = None, rotate: int = 0) -> bytes:
    """A PDF by hand; `count` is the number of pages it claims to have."""
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages) if count is None else count} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for at, lines in enumerate(pages):
        drawn = "".join(f"BT /F1 {size} Tf {left} {bottom} Td ({words}) Tj ET\n" for left, bottom, size, words in lines)
        content = drawn.encode("cp1252")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Rotate {rotate} /Contents {5 + 2 * at} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    out, places = bytearray(b"%PDF-1.4\n"), list[int]()
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def text_pdf(*texts: str) -> bytes:
    """A page for each text, a line for each line."""
    return pdf([[(72, 760 - 14 * at, 11, line) for at, line in enumerate(text.split("\n"))] for text in texts])


def encrypted_pdf(password: str) -> bytes:
    writer, out = PdfWriter(), io.BytesIO()
    writer.append(PdfReader(io.BytesIO(text_pdf("Secret words"))))
    writer.encrypt(password, algorithm="AES-256")
    writer.write(out)
    return out.getvalue()


def word(*paragraphs: tuple[str, str], table: Sequence[Sequence[str]] = ()) -> bytes:
    """Style and text of each paragraph."""
    document, out = docx.Document(), io.BytesIO()
    for style, text in paragraphs:
        document.add_paragraph(text, style=style)
    if table:
        made = document.add_table(len(table), len(table[0]))
        for row, texts in zip(made.rows, table, strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text
    document.save(out)
    return out.getvalue()


def word_of(body: str, **parts: str) -> bytes:
    """A Word document with this XML as its body, and further parts under `word/`."""
    document = f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>'
    return with_parts(word(("Normal", "x")), {"word/document.xml": document.encode(), **_encoded(parts)})


def _encoded(parts: Mapping[str, str]) -> dict[str, bytes]:
    return {f"word/{name}.xml": text.encode() for name, text in parts.items()}


def slides(*pages: tuple[str, Sequence[str], str]) -> bytes:
    """Title, points and speaker's notes of each slide."""
    presentation, out = pptx.Presentation(), io.BytesIO()
    for title, points, notes in pages:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = title
        slide.placeholders[1].text_frame.text = "\n".join(points)
        if notes:
            slide.notes_slide.notes_text_frame.text = notes
    presentation.save(out)
    return out.getvalue()


def open_document() -> bytes:
    document, out = Document("text"), io.BytesIO()
    body = document.body
    body.clear()
    body.append(Header(1, "Backups"))
    body.append(Paragraph("They run at night."))
    points = List()
    for words in ("Daily", "Weekly"):
        points.append(ListItem(words))
    body.append(points)
    table = Table("Plans")
    for texts in (("Plan", "Kept"), ("Small", "7 days")):
        row = Row()
        for text in texts:
            row.append_cell(Cell(text))
        table.append_row(row)
    body.append(table)
    document.save(out)
    return out.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, raw in files.items():
            archive.writestr(path, raw)
    return out.getvalue()


def with_parts(package: bytes, parts: Mapping[str, bytes]) -> bytes:
    """The package with some parts replaced or added."""
    with zipfile.ZipFile(io.BytesIO(package)) as source:
        files = {name: source.read(name) for name in source.namelist()}
    return zipped({**files, **parts})
