"""Messages that say hello and nothing else: there is nothing to answer yet, and nothing to hand to a person."""

from __future__ import annotations

import re

from desk.plain_text import fold

LONGEST_GREETING = 60
_WORDS = (
    # In the languages that the widget speaks, folded: no case, no accents.
    "hi hello hey heya hiya howdy yo greetings good morning afternoon evening day there everyone all team support"
    " hallo guten tag morgen abend moin servus gruezi gruss gott zusammen hallochen liebes"
    " bonjour bonsoir salut coucou bonne journee a tous"
    " hola buenas buenos dias tardes noches que tal"
    " ola oi bom boa dia tarde noite"
    " ciao salve buongiorno buonasera buon giorno a tutti"
    " hoi goedemorgen goedemiddag goedenavond goedendag dag goede middag"
    " مرحبا اهلا السلام عليكم صباح مساء الخير وسهلا"
    " שלום היי הי בוקר ערב טוב אהלן"
)
_GREETING_WORDS = frozenset(fold(_WORDS).split())
_OPENERS = frozenset(
    fold(
        "hi hello hey heya hiya howdy yo greetings good hallo guten moin servus gruezi gruss morgen tag bonjour bonsoir"
        " salut coucou hola buenas buenos ola oi bom boa ciao salve buongiorno buonasera buon hoi goedemorgen"
        " goedemiddag goedenavond goedendag dag goede مرحبا اهلا السلام صباح مساء שלום היי הי בוקר ערב אהלן"
    ).split()
)
_WORD = re.compile(r"\w+")


def is_only_greeting(text: str) -> bool:
    """Whether the text greets and asks for nothing: `Hi`, `Guten Tag!`, `hello there`."""
    words = _WORD.findall(fold(text)) if len(text) <= LONGEST_GREETING else []
    return bool(words) and words[0] in _OPENERS and all(word in _GREETING_WORDS for word in words)
