"""A reply is signed once: by the tenant, or by whoever wrote the approved answer."""

from __future__ import annotations

import pytest

from desk.drafting.signature import with_signature

TENANT = "Best regards,\nAcme Hosting Support"


@pytest.mark.parametrize(
    "body",
    [
        "Please restart it.\n\nBest regards,\nAcme Hosting Support",
        "Please restart it.\n\nBest   Regards,\n\nACME Hosting Support\n",
        "Please restart it.\n\nKind regards\nKartika",
        "Please restart it.\n\nThanks,\n\nKartika Weber\nAcme Inc.\n+49 30 123456\nsupport@acme.example",
        "Bitte neu starten.\n\nMit freundlichen Grüßen\nKartika Weber",
        "Merci de redémarrer.\n\nBien cordialement,\nAnne",
        "Por favor, reinicie.\n\nUn saludo,\nEl equipo de Acme",
        "Please restart it.\n\nBest regards, Kartika",
        "Please restart it.\n\n--\nKartika\nAcme Hosting",
    ],
)
def test_a_signed_reply_is_not_signed_again(body: str) -> None:
    assert with_signature(body, TENANT) == body.rstrip()


@pytest.mark.parametrize(
    "body",
    [
        "Please restart it.",
        "Thanks,\nplease restart it.",
        "Thanks\n\nThe backup from last night has everything, so we put it back for you.",
        "If this does not answer your question, please reply.",
        "1. Open Settings\n2. Press Save",
    ],
)
def test_an_unsigned_reply_gets_the_signature(body: str) -> None:
    assert with_signature(body, TENANT) == f"{body}\n\n{TENANT}"


def test_a_sign_off_that_waits_for_a_name_is_not_said_twice() -> None:
    assert with_signature("Please restart it.\n\nKind regards,", TENANT) == f"Please restart it.\n\n{TENANT}"
    assert with_signature("Please restart it.\n\nKind regards,", "Acme") == "Please restart it.\n\nKind regards,\nAcme"


def test_without_a_signature_nothing_is_added() -> None:
    assert with_signature("Please restart it.", " \n") == "Please restart it."
