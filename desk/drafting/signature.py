"""Puts the tenant's signature under a reply that has none yet."""

from __future__ import annotations

import re

from desk.plain_text import fold

_SIGN_OFF = re.compile(
    r"(?:(?:many |kind |best |warm |with )*(?:thanks|thank you|regards|wishes|cheers|best|sincerely|respectfully)"
    r"(?: (?:in advance|so much|very much|a lot|again|and regards|and best regards))*|yours(?: (?:sincerely|faithfully|"
    r"truly))?|(?:mit )?(?:freundliche[nm]?|beste[nm]?|herzliche[nm]?|viele[nm]?|liebe[nm]?|schone[nm]?) gruss"
    r"e?n?(?: aus [^\W\d_]+)?|mfg|(?:bien )?cordialement|(?:tres |bien )?a vous|sinceres salutations|"
    r"(?:un )?(?:cordial )?saludos?(?: cordial(?:es)?)?|atentamente|(?:un )?abrazo|cordiali saluti|distinti saluti|"
    r"atenciosamente|met vriendelijke groet(?:en)?|groeten)"
)
"""Folded: lower case, no accents."""
_DELIMITER = re.compile(r"--|__|\u2014")
_MOST_LINES = 5
"""Name, role, company, telephone, site under a sign-off; more lines are text again."""
_LONGEST_LINE = 60


def with_signature(body: str, signature: str) -> str:
    """The body with the signature under it, once.

    An approved answer may carry the signature already, or that of whoever wrote it; a sign-off without a name waits
    for the signature and is not said twice.
    """
    body, signature = body.rstrip(), signature.strip()
    if not signature or _plain(body).endswith(_plain(signature)):
        return body
    lines = body.split("\n")
    at = _sign_off_line(lines)
    if at is None:
        return f"{body}\n\n{signature}"
    if any(line.strip() for line in lines[at + 1 :]) or _inline_name(lines[at]):
        return body
    if _is_sign_off(signature.split("\n")[0]):
        return "\n".join([*lines[:at], signature])
    return f"{body}\n{signature}"


def parted(body: str) -> tuple[str, str]:
    """The text and what it is signed with, "" without a sign-off."""
    lines = body.rstrip().split("\n")
    at = _sign_off_line(lines)
    if not at:
        return body.rstrip(), ""
    return "\n".join(lines[:at]).rstrip(), "\n".join(lines[at:])


def _sign_off_line(lines: list[str]) -> int | None:
    """Index of the line that begins the signature at the end of a text; None without one."""
    seen = 0
    for at in range(len(lines) - 1, -1, -1):
        line = lines[at].strip()
        if not line:
            continue
        if _is_sign_off(line) or _inline_name(line) or _DELIMITER.fullmatch(line):
            return at
        seen += 1
        if seen > _MOST_LINES or not _is_signature_line(line):
            return None
    return None


def _is_sign_off(line: str) -> bool:
    return _SIGN_OFF.fullmatch(fold(line).strip(" \t,.!-\u2013\u2014")) is not None


def _inline_name(line: str) -> bool:
    """ "Best regards, Kartika" on a line of its own."""
    sign_off, comma, name = line.strip().partition(",")
    words = name.split()
    return bool(comma and words) and len(words) <= 5 and words[0][0].isupper() and _is_sign_off(sign_off)


def _is_signature_line(line: str) -> bool:
    """A name, a company such as "Acme Inc.", an address or a number; not "please restart it."."""
    words = line.split()
    return (
        len(line) <= _LONGEST_LINE
        and line[-1] not in "?!:;,"
        and not (line.endswith(".") and len(words) > 4)
        and (not line[0].islower() or len(words) == 1)
    )


def _plain(text: str) -> str:
    return " ".join(fold(text).split())
