"""Which language a text is in, told by py3langid (Lui & Baldwin 2012, with a newer model)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from py3langid.langid import MODEL_FILE, LanguageIdentifier

LANGUAGES: Final = (
    *("bg", "cs", "da", "de", "el", "en", "es", "fi", "fr", "hr", "hu", "it"),
    *("nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sv", "tr", "uk"),
)
"""Those told apart. The model knows 140, but among so many a short question is easily taken for a small relative of
its own: Spanish for Galician, Dutch for Afrikaans."""
_LEAST_PROBABILITY = 0.7
"""Below it nothing is said: a wrong language puts a good draft behind a key, none only leaves a check out."""
_LEAST_LETTERS = 6
_SAMPLE_CHARACTERS = 2_000
_WORD = re.compile(r"(?<![\w.@/-])[^\W\d_]+(?:['-][^\W\d_]+)*(?![\w/@]|\.\w)")
"""Not the parts of addresses and file names: `com` and `e` are words somewhere."""


def detect_language(text: str) -> str:
    """ISO 639-1 of one of `LANGUAGES`; empty when there is too little to go by.

    The first call in a process loads the model, which takes about half a second and 57 MB. Measured with
    `retrieval.benchmarks.languages`.
    """
    words = _WORD.findall(text[: 10 * _SAMPLE_CHARACTERS].lower().replace("\u2019", "'"))
    # Single letters are columns and list marks; no language is told by them alone.
    if sum(len(word) for word in words if len(word) > 1) < _LEAST_LETTERS:
        return ""
    language, probability = _identifier().classify(" ".join(words)[:_SAMPLE_CHARACTERS])
    return language if probability >= _LEAST_PROBABILITY else ""


@lru_cache(maxsize=1)
def _identifier() -> Any:
    # Made anew over the columns of these languages, so that the rest of the model's table is let go.
    identifier: Any = LanguageIdentifier
    model = identifier.from_model_file(MODEL_FILE)
    model.set_languages(LANGUAGES)
    return identifier(
        model.nb_ptc,
        model.nb_pc,
        model.nb_classes,
        model.tk_nextmove,
        model.tk_output,
        norm_probs=True,
        tk_row=model.tk_row,
    )
