"""What is left of a message to search with."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.query import clean_question


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Hi there,\n\nmy site is down.\n\nBest regards,\nAnna Miller\nMiller GmbH", "my site is down."),
        ("Hello Support Team! My mailbox is full.\nThanks in advance!", "My mailbox is full."),
        ("Guten Tag,\ndas Zertifikat ist abgelaufen.\nMit freundlichen Grüßen\nJan", "das Zertifikat ist abgelaufen."),
        ("Sehr geehrte Damen und Herren,\nmeine Seite ist weg.\nVG\nEva", "meine Seite ist weg."),
        ("Madame, Monsieur,\nmon site est lent.\n\nBien cordialement,\nMarie Dupont", "mon site est lent."),
        ("Estimados señores:\nmi web no funciona.\nUn saludo,\nJosé García", "mi web no funciona."),
        ("Liebe Leute, was ist los?", "Liebe Leute, was ist los?"),
        ("Es geht nicht.\n\nGesendet von meinem iPhone", "Es geht nicht."),
        ("It fails.\n\nCONFIDENTIALITY NOTICE: this is for its addressee only.", "It fails."),
        ("Ça échoue.\nCe message et ses pièces jointes sont confidentiels.", "Ça échoue."),
        ("Falla.\nEste mensaje y sus archivos adjuntos son confidenciales.", "Falla."),
        ("Geht nicht.\nDiese E-Mail enthält vertrauliche Informationen.", "Geht nicht."),
        ("Hi website down since noon", "Hi website down since noon"),
        ("Where is my invoice?\n-- \nBob\nTel. 555", "Where is my invoice?"),
        ("It still fails.\nSent from my iPhone", "It still fails."),
        ("Thanks, but it still fails with the same error.", "Thanks, but it still fails with the same error."),
        ("Thanks!\nOne more: can I keep my old nameservers?", "Thanks!\nOne more: can I keep my old nameservers?"),
    ],
)  # fmt: skip
def test_the_letter_around_the_problem_goes(body: str, expected: str):
    assert clean_question("", body) == expected


@pytest.mark.parametrize(
    "quoted",
    [
        "On Mon, 5 Jan 2026 at 10:12, Support <help@example.com> wrote:\n> Please try again.\n> Regards",
        "On Monday, 5 January 2026 at 10:12:44 CET, Support Team\n<help@example.com> wrote:\nPlease try again.",
        "Am 05.01.26 um 10:12 schrieb Support:\n> Bitte noch einmal versuchen.",
        "-----Original Message-----\nFrom: Support\nPlease try again.",
        "-------- Weitergeleitete Nachricht --------\nVon: Support\nBitte noch einmal versuchen.",
        "-------- Message transféré --------\nDe : Support\nVeuillez réessayer.",
        "---------- Mensaje reenviado ---------\nDe: Soporte\nPruebe otra vez.",
        "Begin forwarded message:\n\nFrom: Support\nPlease try again.",
        "From: Support <help@example.com>\nSent: Monday\nTo: Anna\nPlease try again.",
    ],
)
def test_quoted_mail_goes(quoted: str):
    assert clean_question("", f"It did not help.\n\n{quoted}") == "It did not help."


def test_an_answer_below_the_quote_stays():
    body = "On Mon, 5 Jan 2026, Support wrote:\n> Did you clear the cache?\n\nYes, twice."
    assert clean_question("", body) == "Yes, twice."


def test_error_codes_and_quoted_log_lines_stay():
    body = (
        "My log says:\n> 2026-01-05 10:12:44 [error] upstream timed out\n> hello\n"
        "Best regards,\nAnna\n550-5.7.26 unauthenticated"
    )
    cleaned = clean_question("Re: [Desk #123] ERR_TOO_MANY_REDIRECTS", body)
    assert cleaned.startswith("ERR_TOO_MANY_REDIRECTS\n")
    assert "2026-01-05 10:12:44 [error] upstream timed out" in cleaned
    assert "550-5.7.26 unauthenticated" in cleaned
    assert "hello" not in cleaned


def test_a_long_message_keeps_its_start_and_its_errors():
    body = "The import stops.\n" + "I tried many things.\n" * 500 + "SQLSTATE[HY000] [1045] Access denied\n"
    cleaned = clean_question("Import", body)
    assert cleaned.startswith("The import stops.")
    assert "SQLSTATE[HY000] [1045] Access denied" in cleaned
    assert len(cleaned) <= 2000


def test_a_subject_the_message_repeats_is_not_counted_twice():
    assert clean_question("Mailbox full", "My mailbox full, what now?") == "My mailbox full, what now?"


def test_words_among_endless_digits_are_found():
    assert clean_question("", "1" * 60_000 + "\nhelp").startswith("help")
    assert "help" in clean_question("", "1" * 900 + "\nhelp" + "1" * 2_500)


LINES = st.sampled_from(
    [
        "Hi,", "Hello Anna, hi Bob,", "Dear team", "> quoted", "> 10:00:00 ERROR x", "On Monday Bob wrote:", "--",
        "Best regards,", "Thanks", "Sent from my phone", "From: a@b.c", "To: x", "my site is down", "12345", "", "  ",
        "x" * 1500, "9" * 2500, "\u200b", "Re: hello", "-----Original Message-----", "On Monday", "Support wrote:",
    ]
)  # fmt: skip
MESSAGES = st.one_of(st.lists(LINES, max_size=8).map("\n".join), st.text(max_size=80))


@given(subject=st.one_of(st.just(""), MESSAGES), body=MESSAGES)
def test_never_empty_never_long_and_stable(subject: str, body: str):
    cleaned = clean_question(subject, body)
    assert len(cleaned) <= 2000
    assert clean_question("", cleaned) == cleaned
    if re.search(r"[^\W\d_]", subject + body):
        assert re.search(r"[^\W\d_]", cleaned)
