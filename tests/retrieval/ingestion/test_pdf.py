"""What people rely on in PDFs: text as it is read, headings, pages, no furniture, and the reason when there is none."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader, PdfWriter

from retrieval.ingestion.document import ParsedDocument
from retrieval.ingestion.parse import parse

from .made_files import Line, encrypted_pdf, pdf, text_pdf

BODY = [
    "The backup runs every night and keeps seven copies of each of the",
    "sites on the server. A copy can be brought back by the customer at",
    "any time from the control panel.",
]


def page(top: float, *lines: str, left: float = 72, size: float = 11) -> list[Line]:
    return [(left, top - 14 * at, size, line) for at, line in enumerate(lines)]


def blocks(document: ParsedDocument) -> list[tuple[str, str]]:
    return [
        (block.kind, document.text[slice(*block.span)]) for section in document.sections for block in section.blocks
    ]


def test_larger_print_is_a_heading_and_lines_become_paragraphs() -> None:
    raw = pdf([[*page(760, "Backups", size=20), *page(720, *BODY), *page(640, "Second paragraph, after a gap.")]])
    assert blocks(parse("a.pdf", raw)) == [
        ("heading", "Backups"),
        ("paragraph", " ".join(BODY)),
        ("paragraph", "Second paragraph, after a gap."),
    ]


def test_list_items_stay_items() -> None:
    raw = pdf([[*page(720, *BODY), *page(660, "1. Open the panel", "2. Choose a copy")]])
    assert blocks(parse("a.pdf", raw))[1] == ("list", "1. Open the panel\n2. Choose a copy")


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["A long line that ends in hyphen-", "ation of a word."], "A long line that ends in hyphenation of a word."),
        (
            ["The well-known rule of the house is well-", "known to everybody there."],
            "The well-known rule of the house is well-known to everybody there.",
        ),
    ],
)  # fmt: skip
def test_words_cut_at_the_end_of_a_line_are_whole_again(lines: list[str], text: str) -> None:
    assert parse("a.pdf", pdf([page(720, *lines)])).text == text


def test_running_headers_footers_and_page_numbers_are_left_out() -> None:
    pages = [
        [
            *page(810, "Example Hosting Ltd, Handbook"),
            *page(700, f"Chapter {at} is about something else.", *BODY),
            *page(30, f"Page {at} of 5"),
        ]
        for at in range(1, 6)
    ]
    text = parse("a.pdf", pdf(pages)).text
    assert "Handbook" not in text
    assert "Page" not in text
    assert all(f"Chapter {at} is about" in text for at in range(1, 6))


def test_columns_are_read_one_after_the_other() -> None:
    raw = pdf(
        [[*page(700, "Left one goes", "on to left two"), *page(700, "Right one goes", "on to right two", left=320)]]
    )
    text = parse("a.pdf", raw).text
    assert " ".join(text.split()) == "Left one goes on to left two Right one goes on to right two"


def test_pages_are_known_by_where_they_begin() -> None:
    document = parse("a.pdf", text_pdf("First page", "Second page", "Third page"))
    assert [document.text[start:].split("\n")[0] for start in document.pages] == [
        "First page",
        "Second page",
        "Third page",
    ]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_turned_pages_read_the_same(turn: int) -> None:
    assert parse("a.pdf", pdf([page(720, *BODY)], rotate=turn)).text == " ".join(BODY)


def test_a_pdf_without_its_table_of_places_is_still_read() -> None:
    raw = text_pdf("Words in a broken file")
    assert parse("a.pdf", raw[: raw.rindex(b"xref")] + b"xref\nnonsense\n%%EOF").text == "Words in a broken file"


def test_what_may_be_opened_without_a_password_is_read() -> None:
    assert parse("a.pdf", encrypted_pdf("")).text == "Secret words"


def test_pages_without_text_are_remarked() -> None:
    document = parse("a.pdf", pdf([page(720, *BODY), []]))
    assert document.remarks == ("1 of 2 pages hold no text, as scans do, and were left out.",)


def test_what_was_typed_into_a_form_is_read() -> None:
    writer = PdfWriter(PdfReader(io.BytesIO(_form())))
    writer.update_page_form_field_values(writer.pages[0], {"name": "Ann Example"}, auto_regenerate=False)
    out = io.BytesIO()
    writer.write(out)
    assert "Ann Example" in parse("a.pdf", out.getvalue()).text


def _form() -> bytes:
    raw = pdf([page(720, "Your name:")])
    raw = raw.replace(
        b"/Type /Catalog",
        b"/Type /Catalog /AcroForm << /Fields [6 0 R] /DA (/F1 11 Tf) /DR << /Font << /F1 3 0 R >> >> >>",
    )
    raw = raw.replace(b"/Rotate 0", b"/Rotate 0 /Annots [6 0 R]")
    field = (
        b"6 0 obj\n<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /Rect [150 710 400 730] /F 4 "
        b"/DA (/F1 11 Tf) /P 4 0 R >>\nendobj\n"
    )
    at = raw.rindex(b"xref\n0")
    return raw[:at] + field + b"trailer << /Size 7 /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"
