"""Checks on a finished draft."""

from __future__ import annotations

import pytest

from desk.drafting.checks import run_checks


@pytest.mark.parametrize(
    ("draft", "customer", "passed"),
    [
        ("en", "de", False),
        ("de", "de", True),
        ("pt-BR", "pt", True),
        ("", "de", True),
        ("en", "", True),
        ("English", "de", True),
    ],
)
def test_an_answer_in_another_language_than_the_customers_fails(draft: str, customer: str, *, passed: bool) -> None:
    checks = run_checks("Hello.", sources=(), customer_words="", allowed_hosts=(), languages=(draft, customer))

    (language,) = [check for check in checks if check.name == "language"]
    assert language.passed is passed
    if not passed:
        assert language.detail == "the answer is in English, the customer wrote in German"
