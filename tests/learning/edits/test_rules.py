"""Rules every analysis keeps, whatever the texts."""

from __future__ import annotations

import string
import sys
from collections.abc import Callable
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desk.ports import EditAnalysis
from learning.edits import analyse, to_json

SENTENCES = [
    "Open the control panel and click Domains.",
    "Please restart the service.",
    "The refund takes 5 days.",
    "You can find it at https://docs.acme.example/dns.",
    "We cannot move the site before 2024-05-01.",
    "1. Download the backup.",
    "- Delete the cache folder.",
    "Thank you for your patience!",
    "I am sorry for the trouble.",
    "Das kostet 12,50 € im Monat.",
    "Vous devez changer le mot de passe.",
    "No puede borrar el buzón info@acme.example.",
    "It's not possible, e.g. on the PHP 8.1.12 plan.",
    "Call +1 555 010 2000",
]
GREETINGS = [
    "Hi Anna,\n\n",
    "Hello,\n",
    "Dear Mr Jones,\n\n",
    "Guten Tag Frau Weber,\n\n",
    "Bonjour,\n\n",
    "Hola María,\n",
]
SIGNATURES = [
    "\n\nBest regards,\nTom",
    "\n-- \nAcme Hosting\nSupport",
    "\n\nMit freundlichen Grüßen\nEva",
    "\n\nCordialement,\nLuc",
]

odd = st.text(alphabet=st.characters(), max_size=60)
replies = st.lists(st.sampled_from(SENTENCES), max_size=7).flatmap(
    lambda sentences: st.sampled_from([" ", "\n", "\n\n"]).map(lambda joint: joint.join(sentences))
)
mixed = st.lists(st.one_of(st.sampled_from(SENTENCES), odd, st.text(string.printable, max_size=20)), max_size=6).map(
    " ".join
)
texts = st.one_of(replies, mixed, odd)


def kinds_and_sides(analysis: EditAnalysis, *kinds: str) -> list[tuple[str, str, str]]:
    return sorted((c.kind, c.before, c.after) for c in analysis.changes if c.kind in kinds)


@given(texts)
def test_an_unchanged_text_is_an_example(text: str) -> None:
    analysis = analyse(text, text)
    assert (analysis.similarity, analysis.changes, analysis.verdict) == (1.0, (), "example")


@given(texts, texts)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_every_analysis_is_consistent(draft: str, sent: str) -> None:
    analysis = analyse(draft, sent)
    assert 0.0 <= analysis.similarity <= 1.0
    for change in analysis.changes:
        assert draft[slice(*change.span_before)] == change.before
        assert sent[slice(*change.span_after)] == change.after
        assert change.before != change.after or change.span_before != change.span_after
    assert analysis.meaning_changed == any(change.meaning for change in analysis.changes)
    assert not (analysis.meaning_changed and analysis.verdict == "example")
    assert analysis.notes.strip()
    assert analysis == analyse(draft, sent)
    assert to_json(analysis)["verdict"] == analysis.verdict


@given(texts, texts)
def test_swapping_the_texts_swaps_both_sides_of_every_change(draft: str, sent: str) -> None:
    there, back = analyse(draft, sent), analyse(sent, draft)
    assert there.similarity == back.similarity
    assert there.meaning_changed == back.meaning_changed
    values = ("number", "date", "url", "amount", "duration", "email", "phone", "entity", "negation", "modality")
    turned = sorted((kind, after, before) for kind, before, after in kinds_and_sides(back, *values))
    assert kinds_and_sides(there, *values) == turned


@given(replies, st.sampled_from(["", *GREETINGS]), st.sampled_from(["", *SIGNATURES]))
def test_a_greeting_or_a_signature_never_makes_a_correction(reply: str, greeting: str, signature: str) -> None:
    analysis = analyse(reply, greeting + reply + signature)
    assert analysis.verdict == "example"
    assert analysis.similarity == 1.0 or not reply.strip()
    assert {change.kind for change in analysis.changes} <= {"greeting"}


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(["{} GB", "port {}", "{} days", "${}", "{} %"]))
def test_another_number_is_always_a_correction_and_the_same_never(one: int, other: int, form: str) -> None:
    draft, sent = (f"You have {form.format(n)} on this plan, as we said." for n in (one, other))
    assert analyse(draft, sent).verdict == ("example" if one == other else "correction")


@given(st.text(alphabet="😀👍🏽\u202e\u200d\u0301é؀ \n>-*.0", max_size=40), st.text(max_size=20))
def test_strange_characters_are_only_characters(draft: str, sent: str) -> None:
    assert analyse(draft, sent).verdict in ("example", "correction")


def test_a_lone_surrogate_is_only_a_character() -> None:
    assert analyse("broken \ud800 text", "broken text \udfff here").verdict in ("example", "correction")


@pytest.mark.parametrize("size", [2_000, 10_000])
def test_long_texts_keep_their_spans(size: int) -> None:
    draft = " ".join(f"Step {n} opens the panel of server node{n}." for n in range(size // 40))
    sent = draft.replace("node7 ", "node8 ").replace("Step 9 opens", "Step 9 never opens")
    analysis = analyse(draft, sent)
    assert analysis.verdict == "correction"
    assert all(draft[slice(*c.span_before)] == c.before for c in analysis.changes)


def test_how_lines_end_is_no_change() -> None:
    text = "Hi Anna,\n\nYou can return it,\nif you like.\n\n1. Pack it.\n2. Send it.\n\nBest,\nTom\n"
    for one, other in ((text, text.replace("\n", "\r\n")), (text.replace("\n", "\r\n"), text)):
        assert (analyse(one, other).similarity, analyse(one, other).changes) == (1.0, ())


def test_files_far_beyond_a_reply_take_time_by_their_length_only() -> None:
    """Ten times the length, about ten times the work: nothing looks at every statement for every other."""
    few, many = (
        calls_of(lambda count=count: analyse("".join(f"The box {n} is here. " for n in range(count)), "Within 5 days."))
        for count in (500, 5_000)
    )
    assert many < 15 * few


def calls_of(work: Callable[[], EditAnalysis]) -> int:
    """How many functions are called; unlike seconds, the same on a busy machine."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        assert work().verdict == "correction"
    finally:
        sys.setprofile(None)
    return calls
