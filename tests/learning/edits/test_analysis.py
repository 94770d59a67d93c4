"""What a support lead relies on when a draft was edited."""

from __future__ import annotations

import pytest

from desk.ports import EditAnalyser, EditChange
from learning.edits import Analyser, analyse, to_json
from learning.edits.values import readings

LONG = (
    "Thank you for writing to us about the order. We checked the payment with our bank and it was received in full. "
    "Your refund was approved by the billing team this morning and is on its way to the card that you used. "
    "Please note that banks differ in how fast they show it. You will see the money within {} on your statement. "
    "The invoice in your account was marked as cancelled, and the hosting plan stays active until "
    "the end of the month. "
)


def told(draft: str, sent: str) -> list[tuple[str, str, str]]:
    return [(c.kind, c.before, c.after) for c in analyse(draft, sent).changes if c.meaning]


def test_a_longer_time_in_a_long_reply_is_a_correction_although_nearly_all_is_the_same() -> None:
    analysis = analyse(LONG.format("5 days"), LONG.format("15 business days"))
    assert analysis.similarity > 0.97
    assert analysis.verdict == "correction"
    assert analysis.notes == "Say 15 business days, not 5 days."
    assert told(LONG.format("5 days"), LONG.format("15 business days")) == [("duration", "5 days", "15 business days")]


def test_a_reversal_is_a_correction_shown_with_its_verb() -> None:
    analysis = analyse("You can move the domain now.", "You cannot move the domain now.")
    assert analysis.similarity > 0.85
    assert to_json(analysis) == {
        "similarity": round(analysis.similarity, 4),
        "meaning_changed": True,
        "changes": [
            {
                "kind": "negation",
                "before": "can",
                "after": "cannot",
                "span_before": [4, 7],
                "span_after": [4, 10],
                "meaning": True,
            }
        ],
        "verdict": "correction",
        "notes": 'Say "cannot", not "can".',
    }


def test_a_terse_draft_made_courteous_is_an_example() -> None:
    analysis = analyse(
        "Restart the router.",
        "Hi Anna,\n\nthank you for your patience, and sorry for the trouble. Could you please restart the router? "
        "If you have any other questions, just let us know.\n\nKind regards,\nTom",
    )
    assert analysis.similarity < 0.3
    assert analysis.verdict == "example"
    assert not analysis.meaning_changed


def test_a_rewritten_draft_is_a_correction_that_says_so() -> None:
    analysis = analyse(
        "The panel shows all mailboxes and their size on one page.",
        "On one page of the panel every mailbox appears together with how much room each takes.",
    )
    assert analysis.verdict == "correction"


def test_greeting_signature_and_quoted_mail_do_not_count_towards_similarity() -> None:
    body = "The mailbox is full."
    sent = f"Hi Anna,\n\n{body}\n\nBest regards,\nTom\nAcme Hosting\n\nOn 1 May 2024, Anna wrote:\n> it bounces\n> help"
    assert analyse(body, sent).similarity == 1.0


def test_similarity_ignores_case_as_the_backtest_does() -> None:
    assert analyse("The MAILBOX is full.", "The mailbox is full.").similarity == 1.0


def test_a_change_in_the_quoted_mail_tells_the_customer_nothing_new() -> None:
    assert analyse("Done.\n\n> I paid $50", "Done.\n\n> I paid $60").verdict == "example"


@pytest.mark.parametrize(
    ("draft", "sent"),
    [
        ("It takes 5 days.", "It takes five days."),
        ("It costs $1,000.00 in total.", "It costs 1000 USD in total."),
        ("Es kostet 1.000,50 € im Jahr.", "Es kostet 1000,50 EUR im Jahr."),
        ("It ends on 2024-05-01.", "It ends on 1 May 2024."),
        ("It ends on May 1st, 2024.", "It ends on 1 May 2024."),
        ("Es endet am 1. Mai 2024.", "Es endet am 01.05.2024."),
        ("Cela finit le 1er mai 2024.", "Cela finit le 2024-05-01."),
        ("Termina el 1 de mayo de 2024.", "Termina el 2024-05-01."),
        ("Read http://acme.example/help/ first.", "Read https://acme.example/help first."),
        ("You can't change it.", "You cannot change it."),
        ("You do not need it.", "You don't need it."),
        ("It starts at 2 pm.", "It starts at 14:00."),
        ("You get \u0665 mailboxes.", "You get 5 mailboxes."),
    ],
)
def test_the_same_in_another_notation_is_no_change_of_meaning(draft: str, sent: str) -> None:
    analysis = analyse(draft, sent)
    assert {c.kind for c in analysis.changes} <= {"wording", "formatting"}
    assert analysis.verdict == "example"


@pytest.mark.parametrize(
    ("number", "values"),
    [
        ("1.000,50", ["1000.5"]),
        ("1,000.50", ["1000.5"]),
        ("1.000", ["1", "1000"]),
        ("1 000", ["1000"]),
        ("12,5", ["12.5"]),
        ("1.234.567", ["1234567"]),
        ("8.1.12", []),
        ("\u0663\u066b\u0665", ["3.5"]),
    ],
)
def test_separators_are_read_by_their_context(number: str, values: list[str]) -> None:
    assert sorted(f"{value:f}" for value in readings(number)) == values


def test_steps_in_another_order_are_a_correction_and_sentences_are_not() -> None:
    assert told("1. Back up the site.\n2. Run the update.", "1. Run the update.\n2. Back up the site.") != []
    assert told("The site is up. The mail works too.", "The mail works too. The site is up.") == []


def test_a_sentence_split_in_two_says_the_same() -> None:
    assert told("Open the panel and click Domains.", "Open the panel. Click Domains.") == []


def test_a_value_that_moved_inside_its_sentence_is_no_change() -> None:
    assert told("Within 5 days we will answer you.", "We will answer you within 5 days.") == []


def test_the_notes_name_what_to_say_and_what_to_leave_out() -> None:
    notes = analyse(
        "Log in to cPanel. Delete the old mailbox.", "Log in to Plesk. Then create the mailbox with 2 GB."
    ).notes
    assert "Plesk" in notes
    assert "cPanel" in notes


def test_the_analyser_fulfils_the_port() -> None:
    analyser: EditAnalyser = Analyser()
    assert analyser.analyse("", "").verdict == "example"
    assert analyser.analyse("Use port 25.", "Use port 26.").changes == (
        EditChange("number", "25", "26", (9, 11), (9, 11), meaning=True),
    )


@pytest.mark.parametrize(
    ("draft", "sent", "kind"),
    [
        ("Zwrot trwa 5 dni.", "Zwrot trwa 7 dni.", "duration"),
        ("Il pagamento scade il 3 maggio.", "Il pagamento scade il 5 maggio.", "date"),
        ("De levering duurt 2 weken.", "De levering duurt 3 weken.", "duration"),
        ("A taxa é de 12 €.", "A taxa é de 15 €.", "amount"),
        ("Det kostar 99 kr.", "Det kostar 129 kr.", "amount"),
        ("3時間かかります。", "5時間かかります。", "duration"),
        ("5月3日に届きます。", "5月8日に届きます。", "date"),
        ("التسليم خلال ٣ أيام.", "التسليم خلال ٦ أيام.", "duration"),
    ],
)
def test_values_are_told_apart_in_languages_whose_sentences_are_not_read(draft: str, sent: str, kind: str) -> None:
    assert [(c.kind, c.meaning) for c in analyse(draft, sent).changes] == [(kind, True)]
    assert analyse(draft, draft.replace(" ", "  ", 1)).verdict == "example"


def test_a_duty_that_is_lifted_is_not_a_ban() -> None:
    analysis = analyse("You don't have to return the box.", "You must not return the box.")
    assert (analysis.verdict, [c.kind for c in analysis.changes if c.meaning]) == ("correction", ["modality"])


def test_a_misspelling_put_right_is_no_rewrite_and_another_word_may_be_one() -> None:
    assert analyse("We recieved your payement.", "We received your payment.").verdict == "example"
    assert analyse("We cancelled your booking.", "We confirmed your payment.").verdict == "correction"


def test_a_country_code_names_the_same_line() -> None:
    assert analyse("Call 020 7946 0958.", "Call +44 20 7946 0958.").verdict == "example"
    assert analyse("Call 020 7946 0958.", "Call +44 20 7946 0985.").verdict == "correction"


def test_a_name_below_a_closing_wish_is_a_signature() -> None:
    analysis = analyse("The box is ready.", "The box is ready.\n\nSee you soon!\nMia from Acme")
    assert (analysis.verdict, analysis.similarity > 0.5) == ("example", True)
    assert {c.kind for c in analysis.changes} == {"tone", "greeting"}


def test_a_fact_written_behind_or_below_the_signature_is_still_told() -> None:
    draft = "The box is ready.\n\nKind regards,\nTom"
    for added in (" It costs 25 EUR.", "\nP.S. You cannot return it to any of our shops.", "\n\nIt takes 3 days."):
        analysis = analyse(draft, draft + added)
        assert (analysis.verdict, analysis.meaning_changed) == ("correction", True), added
    assert analyse(draft, draft + "\nAcme Support, Main St. 5, 10115 Berlin").verdict == "example"
