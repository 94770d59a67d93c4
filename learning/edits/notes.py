"""The edit notes: one plain sentence on what to say next time."""

from __future__ import annotations

import re
from collections.abc import Sequence

from desk.ports import EditChange, Span

_END = re.compile(r"[.!?]+(?:\s|$)|\n")
MOST = 4
"""Changes the sentence names; more would not be read."""
LONGEST = 120


def notes_of(changes: Sequence[EditChange], sent: str, *, rewritten: bool) -> str:
    """E.g. "Say 15 business days, not 5 days." """
    if rewritten:
        return "The draft was rewritten: use the sent text as the model."
    telling = [change for change in changes if change.meaning]
    if telling:
        parts = list(dict.fromkeys(_part(change, sent) for change in telling))
        shown = "; ".join(parts[:MOST])
        more = f"; and {len(parts) - MOST} more" if len(parts) > MOST else ""
        sentence = shown + more
        return sentence[:1].upper() + sentence[1:] + "."
    if not changes:
        return "Sent as drafted."
    kinds = sorted({change.kind for change in changes})
    return f"Only {_listed(kinds)} changed; the answer stayed the same."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _part(change: EditChange, sent: str) -> str:
    before, after = _short(change.before), _short(change.after)
    if change.kind in ("negation", "modality") and not (before and after):
        return f"say {_quoted(_short(_sentence(sent, change.span_after)))}"
    if change.kind == "step_added" or (change.kind == "promise" and not before):
        return f"also say: {_quoted(after)}"
    if change.kind == "step_removed" or (change.kind == "promise" and not after):
        return f"leave out: {_quoted(before)}"
    if not (before and after):
        return f"say {after}" if after else f"do not say {_quoted(before)}"
    quote = _quoted if change.kind in ("negation", "modality", "promise", "wording") else str
    return f"say {quote(after)}, not {quote(before)}"


def _sentence(text: str, span: Span) -> str:
    """The sentence this place is in: a bare "not" tells nobody what to say."""
    begins = [match.end() for match in _END.finditer(text, 0, span[0])]
    end = _END.search(text, span[1])
    return text[begins[-1] if begins else 0 : end.start() if end else len(text)]


def _quoted(text: str) -> str:
    return f'"{text}"'


def _short(text: str) -> str:
    plain = " ".join(text.split()).rstrip(".;")
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1].rstrip() + "…"
