"""What `parse` promises of every format: clean text, true offsets, refusals with a reason, the right encoding."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.errors import RefusedDocumentError
from retrieval.ingestion.document import ParsedDocument
from retrieval.ingestion.parse import parse
from retrieval.ingestion.recognise import SUPPORTED_EXTENSIONS

NAMES = [f"page{extension}" for extension in sorted(SUPPORTED_EXTENSIONS)]


def blocks(document: ParsedDocument) -> list[tuple[str, str]]:
    return [
        (block.kind, document.text[block.span[0] : block.span[1]])
        for section in document.sections
        for block in section.blocks
    ]


def check_shape(document: ParsedDocument) -> None:
    assert document.title
    assert document.text.strip()
    assert document.text == unicodedata.normalize("NFC", document.text)
    document.text.encode("utf-8")
    assert not any(unicodedata.category(character) == "Cc" for character in document.text if character not in "\n\t")
    position = 0
    for section in document.sections:
        assert section.span == (section.blocks[0].span[0], section.blocks[-1].span[1])
        for block in section.blocks:
            assert not document.text[position : block.span[0]].strip()
            assert document.text[block.span[0] : block.span[1]].strip()
            position = block.span[1]
    assert position == len(document.text)


def check_outcome(name: str, raw: bytes) -> None:
    try:
        document = parse(name, raw)
    except RefusedDocumentError:
        return
    check_shape(document)


@given(st.sampled_from(NAMES), st.one_of(st.binary(), st.text().map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_give_a_sound_document_or_a_refusal(name: str, raw: bytes) -> None:
    check_outcome(name, raw)


MARKUP = st.lists(
    st.sampled_from(
        [
            *["# Head\n", "## Sub\n\n", "- item\n", "  1. step\n", "| a | b |\n|--|--|\n| 1 | 2 |\n", "```\n"],
            *['{{< note "One two three." >}}', "::: tip\n", ":::\n", "<details>", "</p>", "<b>", "<your-domain>"],
            *["<ul><li>", "</li></ul>", "<table><tr><td>", "</table>", "<pre>", "> quote\n", "text. ", "&#0;"],
            *["\x00", "e\u0301 ", "\ud800", "\u202e", "\u2028"],
        ]
    ),
    max_size=30,
)


@given(st.sampled_from(NAMES), MARKUP)
def test_broken_markup_gives_a_sound_document_or_a_refusal(name: str, pieces: list[str]) -> None:
    check_outcome(name, "".join(pieces).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("a.md", b"", "empty"),
        ("a.txt", b" \n\t ", "empty"),
        ("a.md", b"---\ntitle: Only a title\n---\n", "No text"),
        ("a.html", b"<nav>Home</nav><script>run()</script><img alt='Logo' src='x'>", "No text"),
        ("a.txt", b"x" * (10 * 1024 * 1024 + 1), "too large"),
        ("a.txt", b"%PDF-1.7 and so on", "PDF"),
        ("a.md", bytes(range(32)) * 40, "binary"),
        ("a.html", b"<div>" * 5000 + b"deep", "nested"),
        ("a.exe", b"MZ", ".exe"),
        ("README", b"Read me", "without an ending"),
    ],
)
def test_refuses_what_cannot_be_read_and_says_why(name: str, raw: bytes, reason: str) -> None:
    with pytest.raises(RefusedDocumentError) as refusal:
        parse(name, raw)
    assert reason in refusal.value.detail


TEXT = "Größe: 5 €, garçon"


@pytest.mark.parametrize(
    "raw",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
        TEXT.encode("cp1252"),
    ],
)
def test_finds_the_encoding(raw: bytes) -> None:
    assert parse("a.txt", raw).text == TEXT


def test_keeps_good_utf8_when_a_few_foreign_bytes_were_pasted_in() -> None:
    raw = "Für Größe und Öl. ".encode() * 5 + "Straße".encode("cp1252")
    assert parse("a.txt", raw).text == "Für Größe und Öl. " * 5 + "Straße"


def test_believes_the_charset_of_a_page_unless_its_bytes_are_utf8() -> None:
    page = '<meta charset="windows-1251"><p>Привет</p>'
    assert parse("a.html", page.encode("cp1251")).text == "Привет"
    assert parse("a.html", page.encode()).text == "Привет"
    unsafe = b'<meta charset="unicode_escape"><p>\\x41 \xe9</p>'
    assert parse("a.html", unsafe).text == "\\x41 é"


def test_removes_what_databases_refuse_and_what_hides_text() -> None:
    raw = "a\x00b\r\nc\u202ed\u200be\xa0f e\u0301".encode()
    assert parse("a.txt", raw).text == "ab\ncde f é"


def test_the_format_follows_ending_url_path_or_content_type() -> None:
    html = b"<h1>Hours</h1><p>Open daily.</p>"
    assert parse("HOURS.HTM", html).media_type == "text/html"
    assert parse("https://example.com/help/hours.html?x=1.txt", html).media_type == "text/html"
    document = parse("https://example.com/help/hours", html, "text/html; charset=utf-8")
    assert (document.media_type, document.title) == ("text/html", "Hours")


@pytest.mark.parametrize(
    ("name", "raw", "title"),
    [
        ("a.md", b"---\ntitle: 'Reset: a password'\n---\n# Other\nText", "Reset: a password"),
        ("a.md", b'+++\ntitle = "Reset"\n+++\nText', "Reset"),
        ("a.md", b"# Reset\n\nText", "Reset"),
        ("a.md", b"# One\nText\n# Two\nText", "A"),
        ("reset_your-password.md", b"Text", "Reset your password"),
        ("a.html", b"<title>Reset - Example Help</title><h1>Reset</h1><p>Text</p>", "Reset"),
        ("a.html", b"<title>Reset</title><p>Text</p>", "Reset"),
        ("a.txt", b"Reset\n=====\n\nText", "Reset"),
    ],
)
def test_takes_the_title_a_reader_would_name(name: str, raw: bytes, title: str) -> None:
    assert parse(name, raw).title == title


def test_headings_make_paths_and_one_that_repeats_the_title_is_left_out() -> None:
    document = parse("a.md", b"# Mail\nIntro\n## Quota\nSize\n### Raise it\nAsk\n## Spam\nFilter")
    assert [section.heading_path for section in document.sections] == [
        (),
        ("Quota",),
        ("Quota", "Raise it"),
        ("Spam",),
    ]
    assert [section.level for section in document.sections] == [1, 2, 3, 2]


def test_plain_text_keeps_lists_code_and_line_breaks() -> None:
    raw = b"Opening hours\nMo-Fr 9-17\n\n- one\n- two\n\n    sudo reboot\n\nSupport\n-------\nMail us."
    assert blocks(parse("a.txt", raw)) == [
        ("paragraph", "Opening hours\nMo-Fr 9-17"),
        ("list", "- one\n- two"),
        ("code", "sudo reboot"),
        ("heading", "Support"),
        ("paragraph", "Mail us."),
    ]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I reset the password of my account?", "en"),
        ("Wie kann ich das Passwort ändern, wenn ich es vergessen habe?", "de"),
        ("Comment puis-je changer mon mot de passe pour la messagerie ?", "fr"),
        ("No puedo entrar en mi cuenta, ¿qué tengo que hacer?", "es"),
        ("Non riesco ad accedere alla mia casella, come posso fare?", "it"),
        ("Não consigo entrar na minha conta, como posso fazer?", "pt"),
        ("Hoe kan ik mijn wachtwoord wijzigen als ik het niet meer weet?", "nl"),
        ("Dzień dobry, nie mogę zalogować się do poczty.", "pl"),
        ("nginx apache mysql php", ""),
    ],
)
def test_tells_the_language_or_nothing(text: str, language: str) -> None:
    assert parse("a.txt", text.encode()).language == language


def test_falls_back_on_the_language_a_page_declares() -> None:
    assert parse("a.html", b"<html lang='pl-PL'><p>Witamy serdecznie</p>").language == "pl"
