"""No customer's particulars may reach another customer's draft, and what belongs to the answer must stay."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.drafting.slots import ApprovedAnswer, SlotFiller, TicketFacts

NAMES = ("Anna", "Björn", "Marie-Claire", "O'Neill", "Siobhan", "José", "Nathan", "Swadha", "Xu")
WORDS = "abcdefghijklmnopqrstuvwxyz"
labels = st.text(WORDS, min_size=4, max_size=10).map("qx{}".format)
domains = st.builds(
    "{}-{}.{}".format, labels, labels, st.sampled_from(["com", "de", "org", "co.uk", "example", "shop"])
)
numbers = st.integers(100_001, 99_999_999).filter(lambda number: number % 1000).map(str)


@st.composite
def customers(draw: st.DrawFn) -> dict[str, str]:
    domain = draw(domains)
    return {
        "name": draw(st.sampled_from(NAMES)),
        "domain": domain,
        "email": f"{draw(labels)}@{draw(domains)}",
        "order": draw(numbers),
        "invoice": f"INV-{draw(numbers)}",
        "phone": f"+49 30 {draw(st.integers(1_000_000, 9_999_999))}",
        "date": f"{draw(st.integers(2019, 2024))}-{draw(st.integers(1, 12)):02}-{draw(st.integers(1, 28)):02}",
    }


SENTENCES = (
    "your domain {domain} points to us now.",
    "We have written to {email} about it.",
    "Order #{order} is on its way.",
    "Your order {order} and invoice no. {invoice} are settled.",
    "Invoice {invoice} was paid on {date}.",
    "Thanks for your patience, {name}!",
    "Please open https://{domain}/wp-admin/?user={name} and sign in.",
    "We could not reach you at {phone}.",
    "I moved {name}'s mailbox to the new server.",
    "It was renewed until {date}.",
    "Use {email} as the user name for www.{domain}.",
)
GREETINGS = ("Hi {name},", "Hello {name}!", "Dear Ms. {name},", "hi {name}, ", "Hey {name} -", "@user Hi {name}.")
QUESTIONS = (
    "My site {domain} is down, order {order}, mail {email}, see invoice {invoice} of {date}. Regards, {name}",
    "It does not work.\nThanks\n{name}",
    "",
)


@settings(max_examples=200)
@given(
    customers(),
    st.sampled_from(GREETINGS),
    st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=5, unique=True),
    st.sampled_from(QUESTIONS),
    st.booleans(),
)
def test_nothing_of_the_examples_customer_survives(
    planted: dict[str, str], greeting: str, sentences: list[str], question: str, known: bool
) -> None:
    answer = "\n".join([greeting, *sentences]).format(**planted)
    ticket = TicketFacts(
        subject="Help",
        body="My shop kunde-neu.example is slow, order 424242",
        customer_name="Zoe Quist" if known else "",
        customer_email="zoe@kunde-neu.example" if known else "",
    )

    draft = SlotFiller(ticket, [], []).fill(ApprovedAnswer(question.format(**planted), answer))

    for literal in planted.values():
        assert re.search(rf"(?<!\w){re.escape(literal)}(?!\w)", draft, re.IGNORECASE) is None, draft
    assert planted["domain"].partition("-")[0] not in re.split(r"[^a-z]+", draft)


@settings(max_examples=200)
@given(customers(), st.sampled_from(GREETINGS), st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=5))
def test_two_tickets_of_one_customer_do_not_vouch_for_each_other(
    planted: dict[str, str], greeting: str, sentences: list[str]
) -> None:
    answer = "\n".join([greeting, *sentences]).format(**planted)
    first, second = ApprovedAnswer("It is slow", answer), ApprovedAnswer("Slow again", f"{answer} As before.")

    draft = SlotFiller(TicketFacts("Slow", "It is slow"), [first, second], []).fill(first)

    assert not [value for value in planted.values() if value.casefold() in re.split(r"[\s,!?]+", draft.casefold())]


def test_this_tickets_particulars_take_their_place() -> None:
    example = ApprovedAnswer(
        "My site anna-shop.de is down, order 48213",
        "Hi Anna, anna-shop.de is up again, order #48213 is settled and anna@anna-shop.de works. Sorry, Anna.",
    )
    ticket = TicketFacts("Down", "mueller.example, order 999, is down", "Jane Doe", "jane@mueller.example")

    draft = SlotFiller(ticket, [], []).fill(example)

    assert draft == "Hi Jane, mueller.example is up again, order 999 is settled and jane@mueller.example works. Sorry."


def test_what_belongs_to_the_answer_stays() -> None:
    answer = (
        "1. Open View > Message Body As.\n2. Set port 993 and TLS 1.2, error 0x800CCC0E goes away.\n"
        "The plan costs 12.50 EUR for 30 days with 250000 inodes, see https://help.example.com/article/4711 "
        "and php.ini on 127.0.0.1 in version 102.6.1."
    )

    assert SlotFiller(TicketFacts("Help", "Please help"), [], []).fill(ApprovedAnswer("How?", answer)) == answer


def test_a_literal_that_several_customers_were_told_belongs_to_the_answer() -> None:
    answers = [ApprovedAnswer(f"Question {at}", f"Write to help@host.example, case {at}.") for at in range(4)]

    draft = SlotFiller(TicketFacts("Help", "Please"), answers, []).fill(
        ApprovedAnswer("Q", "Write to help@host.example.")
    )

    assert draft == "Write to help@host.example."


def test_a_literal_of_the_knowledge_base_belongs_to_the_answer() -> None:
    filler = SlotFiller(TicketFacts("Help", "Please"), [], ["Our name servers are ns1.host.example and 203.0.113.7."])

    assert filler.fill(ApprovedAnswer("Q", "Use ns1.host.example.")) == "Use ns1.host.example."


def test_a_date_the_desk_had_stated_is_not_exchanged_for_another() -> None:
    ticket = TicketFacts("Renewal", "I ordered on 2024-06-01, was it renewed?")

    draft = SlotFiller(ticket, [], []).fill(ApprovedAnswer("Was it renewed?", "It was renewed on 2023-01-05."))

    assert draft == "It was renewed."


def test_a_staff_signature_and_a_greeting_without_a_name_stay() -> None:
    answer = "Hello there,\n\nplease restart it.\n\nBest regards,\nKartika"

    assert SlotFiller(TicketFacts("Help", "Please"), [], []).fill(ApprovedAnswer("It hangs", answer)) == answer


def test_a_name_that_is_also_a_word_goes_only_where_it_is_a_name() -> None:
    answer = "Hi Mark, thanks for asking, Mark. Mark the sender as trusted and mark the folder. We wrote to Mark."
    example = ApprovedAnswer("Spam. Thanks, Mark", answer, customer_name="Mark Will")

    draft = SlotFiller(TicketFacts("Spam", "More spam"), [], []).fill(example)

    assert draft == "Hi, thanks for asking. Mark the sender as trusted and mark the folder. We wrote to."


def test_only_what_a_removed_name_left_is_tidied() -> None:
    answer = (
        "Hi Anna ,\n\nA .com transfer takes  five days; phpinfo() shows more, as root (Anna) in ./repair of ..\n"
        "Ask Anna. Merci !"
    )

    draft = SlotFiller(TicketFacts("Help", "Please"), [], []).fill(ApprovedAnswer("Q", answer))

    assert draft == (
        "Hi,\n\nA .com transfer takes  five days; phpinfo() shows more, as root in ./repair of ..\nAsk. Merci !"
    )


@pytest.mark.parametrize(
    "opening",
    [
        "thank you for writing, and sorry for the delay.",
        "Thanks for getting back, we have looked.",
        "Thank you kindly, it works now.",
        "Welcome back, please read on.",
        "Good morning from Berlin, we have looked.",
        "Hi just checking, is it up?",
        "Hallo und danke, wir sehen nach.",
        "Bonjour et merci, nous regardons.",
        "Bitte neu starten.\n\nLiebe Grüße, Kartika",
    ],
)
def test_a_phrase_after_a_greeting_is_no_name(opening: str) -> None:
    ticket = TicketFacts("Help", "Please help", "Hannes Vogel")

    assert SlotFiller(ticket, [], []).fill(ApprovedAnswer("How?", opening)) == opening


@pytest.mark.parametrize("greeting", ["Thanks Anna", "thank you Anna Maria Weber", "thanks anna", "Sorry Mrs. Weber"])
def test_a_name_after_thanks_is_exchanged(greeting: str) -> None:
    draft = SlotFiller(TicketFacts("Help", "Please help", "Hannes"), [], []).fill(
        ApprovedAnswer("How?", f"{greeting}, that is settled.")
    )

    assert draft.endswith(" Hannes, that is settled.")


@pytest.mark.parametrize(
    ("answer", "fitted", "language"),
    [
        ("See https://qx-a.de/wp-admin/ https://qx-b.de/login", "See your website", "en"),
        ("Point qx-a.de (https://qx-a.de) to us.", "Point your domain to us.", "en"),
        ("I moved qx-a.de, qx-b.de and qx-c.de for you.", "I moved your domain for you.", "en"),
        ("Open the domain qx-a.de first.", "Open your domain first.", "en"),
        ("qx-a.de is up. qx-a.de had no disk left.", "Your domain is up. Your domain had no disk left.", "en"),
        ("In Ihrer Domain qx-a.de (https://qx-a.de) fehlt etwas.", "In Ihrer Domain fehlt etwas.", "de"),
        ("Bitte öffnen Sie qx-a.de.", "Bitte öffnen Sie Ihre Domain.", "de"),
        ("Votre domaine qx-a.fr est prêt.", "Votre domaine est prêt.", "fr"),
        ("Hemos movido qx-a.es.", "Hemos movido su dominio.", "es"),
    ],
)
def test_neutral_words_fit_the_sentence(answer: str, fitted: str, language: str) -> None:
    ticket = TicketFacts("Help", "Please help")

    assert SlotFiller(ticket, [], []).fill(ApprovedAnswer("It is down", answer, language=language)) == fitted


@pytest.mark.parametrize(
    "answer",
    [
        "Set smtp.office365.com (http://smtp.office365.com), port 587, for Office365.",
        "Make a key: https://www.att.com/support/article/dsl-high-speed/KM1010523/",
        "This works in version 102/W10:\n#tree { background: #87CEFA !important; color: #112233 }",
    ],
)
def test_providers_versions_and_colours_belong_to_no_customer(answer: str) -> None:
    question = "My mail anna@att.com at smtp.office365.com does not work"

    assert SlotFiller(TicketFacts("Help", "Please"), [], []).fill(ApprovedAnswer(question, answer)) == answer


def test_a_mailbox_at_a_provider_is_still_a_customers() -> None:
    answer = "I wrote to qxanna@gmail.com, see https://mail.google.com/mail/?authuser=qxanna@gmail.com"

    draft = SlotFiller(TicketFacts("Help", "Please"), [], []).fill(ApprovedAnswer("No mail", answer))

    assert "qxanna" not in draft
