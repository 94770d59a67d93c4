"""What people rely on in Word, PowerPoint, OpenDocument and e-mail files: every word, in its place, once."""

from __future__ import annotations

import io
import zipfile
from base64 import b64encode
from email.message import EmailMessage

import pytest

from desk.errors import RefusedDocumentError
from retrieval.ingestion.document import ParsedDocument
from retrieval.ingestion.parse import parse

from .made_files import W, open_document, slides, text_pdf, with_parts, word, word_of, zipped

MATH = "http://schemas.openxmlformats.org/officeDocument/2006/math"


def blocks(document: ParsedDocument) -> list[tuple[str, str]]:
    return [
        (block.kind, document.text[slice(*block.span)]) for section in document.sections for block in section.blocks
    ]


def words(body: str, **parts: str) -> str:
    return parse("a.docx", word_of(body, **parts)).text


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


BOX = f"<w:r><w:pict><w:txbxContent><w:p>{run('In a box')}</w:p></w:txbxContent></w:pict></w:r>"
MERGED = (
    f"<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val='2'/></w:tcPr><w:p>{run('Both')}</w:p></w:tc></w:tr>"
    f"<w:tr><w:tc><w:p>{run('a')}</w:p></w:tc><w:tc><w:p>{run('b')}</w:p></w:tc></w:tr></w:tbl>"
)
FRACTION = (
    f"<w:p><m:oMath xmlns:m='{MATH}'><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num>"
    "<m:den><m:r><m:t>b</m:t></m:r></m:den></m:f></m:oMath></w:p>"
)


def test_word_gives_headings_lists_and_tables() -> None:
    raw = word(
        ("Title", "Hosting guide"),
        ("Heading 1", "Backups"),
        ("Normal", "They run at night."),
        ("List Bullet", "Daily"),
        ("List Number", "First"),
        table=[["Plan", "Kept"], ["Small", "7 days"]],
    )
    document = parse("guide.docx", raw)
    assert document.title == "Hosting guide"
    assert blocks(document) == [
        ("heading", "Hosting guide"),
        ("heading", "Backups"),
        ("paragraph", "They run at night."),
        ("list", "- Daily\n1. First"),
        ("table", "Plan | Kept\nSmall | 7 days"),
    ]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (f"<w:p>{run('Kept ')}<w:del>{run('gone')}</w:del><w:ins>{run('new')}</w:ins></w:p>", "Kept new"),
        (f"<w:p>{run('Seen')}<w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r></w:p>", "Seen"),
        (f"<w:p><w:r><w:rPr><w:strike/></w:rPr><w:t>10</w:t></w:r>{run(' 20')}</w:p>", "~~10~~ 20"),
        (f"<w:p>{run('One')}<w:r><w:br/><w:t>Two</w:t><w:tab/><w:t>Three</w:t></w:r></w:p>", "One\nTwo Three"),
        (f"<w:sdt><w:sdtContent><w:p>{run('In a control')}</w:p></w:sdtContent></w:sdt>", "In a control"),
        (f"<w:p>{run('Around')}{BOX}</w:p>", "Around\n\nIn a box"),
        (MERGED, "Both | Both\na | b"),
        (FRACTION, r"$\frac{a}{b}$"),
    ],
)  # fmt: skip
def test_word_is_read_as_it_would_be_printed(body: str, text: str) -> None:
    assert words(body) == text


def test_word_footnotes_stand_behind_their_paragraph() -> None:
    raw = word_of(f"<w:p>{run('Claim')}<w:r><w:footnoteReference w:id='2'/></w:r></w:p><w:p>{run('Next')}</w:p>")
    relation = (
        b'<Relationship Id="rId99" Target="footnotes.xml" '
        b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes"/></Relationships>'
    )
    notes = f"<w:footnotes xmlns:w='{W}'><w:footnote w:id='2'><w:p>{run('Source')}</w:p></w:footnote></w:footnotes>"
    relations = _part(raw, "word/_rels/document.xml.rels").replace(b"</Relationships>", relation)
    types = _part(raw, "[Content_Types].xml").replace(
        b"</Types>",
        b'<Override PartName="/word/footnotes.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        b'wordprocessingml.footnotes+xml"/></Types>',
    )
    whole = with_parts(
        raw,
        {
            "word/footnotes.xml": notes.encode(),
            "word/_rels/document.xml.rels": relations,
            "[Content_Types].xml": types,
        },
    )
    assert parse("a.docx", whole).text == "Claim [1]\n\n[1] Source\n\nNext"


def test_word_in_its_strict_form_reads_the_same() -> None:
    raw = word(("Heading 1", "Hours"), ("Normal", "Monday"))
    strict = {
        name: _part(raw, name)
        .replace(
            b"http://schemas.openxmlformats.org/wordprocessingml/2006/", b"http://purl.oclc.org/ooxml/wordprocessingml/"
        )
        .replace(
            b"http://schemas.openxmlformats.org/officeDocument/2006/", b"http://purl.oclc.org/ooxml/officeDocument/"
        )
        for name in ("word/document.xml", "word/styles.xml", "_rels/.rels", "word/_rels/document.xml.rels")
    }
    assert blocks(parse("a.docx", with_parts(raw, strict))) == blocks(parse("a.docx", raw))


def test_slides_are_sections_with_their_notes_and_numbers() -> None:
    document = parse("a.pptx", slides(("Prices", ["Small: 5", "Large: 9"], "Mention the discount"), ("End", [], "")))
    assert blocks(document) == [
        ("heading", "Prices"),
        ("list", "- Small: 5\n- Large: 9"),
        ("paragraph", "Notes: Mention the discount"),
        ("heading", "End"),
    ]
    assert [document.text[start:].split("\n")[0] for start in document.pages] == ["Prices", "End"]


def test_open_documents_give_headings_lists_and_tables() -> None:
    assert blocks(parse("a.odt", open_document())) == [
        ("heading", "Backups"),
        ("paragraph", "They run at night."),
        ("list", "- Daily\n- Weekly"),
        ("table", "Plan | Kept\nSmall | 7 days"),
    ]


def test_a_file_is_what_it_holds_whatever_its_name_says() -> None:
    assert parse("report.pdf", word(("Normal", "Words"))).text == "Words"
    assert parse("report", text_pdf("Words")).media_type == "application/pdf"


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("a.xlsx", zipped({"xl/workbook.xml": b"<x/>", "[Content_Types].xml": b"<x/>"}), "Excel"),
        ("a.ods", zipped({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"}), "OpenDocument spreadsheet"),
        ("a.epub", zipped({"mimetype": b"application/epub+zip", "META-INF/container.xml": b"<x/>"}), "EPUB"),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "old Office document"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
        ("a.docx", b"just words", "damaged"),
        ("a.pdf", b"<html>Not found</html>", "damaged"),
        ("a.rtf", rb"{\rtf1 words}", "RTF"),
        ("a.png", b"\x89PNG\r\n\x1a\n\x00", "picture"),
        ("a.eml", b"no header at all", "no e-mail"),
        ("a.docx", zipped({"word/document.xml": b"<w:document/>"}), "damaged"),
    ],
)
def test_other_kinds_are_refused_by_what_they_are(name: str, raw: bytes, reason: str) -> None:
    with pytest.raises(RefusedDocumentError) as refused:
        parse(name, raw)
    assert reason in refused.value.detail


def test_mail_gives_its_text_once_and_its_attachments_that_are_documents() -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Ann <ann@example.com>", "help@example.com", "New hours"
    message.set_content("See the file.")
    message.add_alternative("<p>See the <b>file</b>.</p>", subtype="html")
    message.add_attachment(text_pdf("Open until six"), maintype="application", subtype="pdf", filename="hours.pdf")
    message.add_attachment(b"\x89PNG\x00", maintype="image", subtype="png", filename="logo.png")
    message.add_attachment(b"MZ\x00", maintype="application", subtype="octet-stream", filename="setup.exe")
    document = parse("a.eml", bytes(message))
    assert document.title == "New hours"
    assert document.text.count("See the file.") == 1
    assert "Attachment: hours.pdf\n\nOpen until six" in document.text
    assert [section.heading for section in document.sections] == ["New hours", "Attachment: hours.pdf"]
    assert [remark for remark in document.remarks if "setup.exe" in remark]


def test_mail_survives_nesting_and_wrong_character_sets() -> None:
    inner = (
        b"From: b@example.com\nSubject: Inner\nContent-Type: text/html; charset=no-such\n\n<p>Gr\xc3\xb6\xc3\x9fe</p>"
    )
    raw = (
        b"From: a@example.com\nSubject: =?utf-8?b?" + b64encode("Größe".encode()) + b"?=\n"
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: multipart/alternative; boundary=y\n\n"
        b"--y\nContent-Type: text/plain; charset=us-ascii\n\nF\xfcr alle\n--y\nContent-Type: text/html\n\nother\n"
        b"--y--\n--x\nContent-Type: message/rfc822\n\n" + inner + b"\n--x--\n"
    )
    text = parse("a.eml", raw).text
    assert text.startswith("Größe\n\nFrom: a@example.com\n\nFür alle\n\nInner")
    assert text.endswith("Größe")
    assert "other" not in text


def _part(package: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return archive.read(name)
