"""What a customer's account fills in a draft, and what it never does."""

from __future__ import annotations

from desk.drafting.checks import run_checks
from desk.drafting.customer_slots import fact_lines, fact_phrases, fill_slots
from desk.drafting.slots import ApprovedAnswer, SlotFiller, TicketFacts
from desk.ports import CustomerFact

FACTS = (
    CustomerFact("Invoice", "4711", slot="invoice number"),
    CustomerFact("Amount", "12.00 EUR", slot="invoice amount"),
    CustomerFact("Domain", "marta.example", slot="service domain"),
    CustomerFact("Domain", "shop.example", slot="service domain"),
    CustomerFact("Notes", "pays late"),
)


def test_a_slot_is_filled_only_where_there_is_one_value() -> None:
    text = "Invoice {invoice number} ({Invoice_Amount}) for {service domain}. In PHP write {name}."
    filled = fill_slots(text, FACTS)
    assert filled == "Invoice 4711 (12.00 EUR) for {service domain}. In PHP write {name}."
    assert fill_slots("{client name}", (CustomerFact("N", "{invoice number}", slot="client name"), *FACTS)) == (
        "{invoice number}"
    )
    checks = run_checks(filled, sources=(), record=fact_lines(FACTS), customer_words="", allowed_hosts=())
    assert [(each.name, each.detail) for each in checks if not each.passed] == [
        ("slots", "'{service domain}' is not known for this customer")
    ], "the figures are in the record, and the open slot is not let out"
    assert not any("late" in line for line in fact_lines(FACTS)), "what has no slot stays out of drafts"


def test_an_approved_answer_takes_the_customers_own_figures_and_prefers_their_words() -> None:
    example = ApprovedAnswer("Is invoice 4600 due?", "Yes, please pay invoice 4600 in your account.")
    account = fact_phrases(FACTS)
    ticket = TicketFacts("Bill", "Must I pay?", account=account)
    assert SlotFiller(ticket, [example], []).fill(example) == "Yes, please pay invoice 4711 in your account."
    asked = TicketFacts("Bill", "Must I pay invoice 4712?", account=account)
    assert SlotFiller(asked, [example], []).fill(example) == "Yes, please pay invoice 4712 in your account."
