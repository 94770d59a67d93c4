"""What of a message's text is new, and what is quoted history or a signature. Nothing is lost: the rest is kept.

Line by line and in linear time: mail is written by strangers, and the patterns of the libraries for this can be kept
busy for minutes by one long line. Bottom-posted and interleaved answers keep what was written between the quotes, and
a forwarded message is content, never history.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_LINE = 400
"""No attribution or header is longer; longer lines are text."""
_SIGNATURE_AFTER_SIGN_OFF = 12

_WROTE = (
    "wrote", "writes", "schrieb", "schreibt", "a écrit", "ha scritto", "escribió", "escreveu", "schreef", "skrev",
    "napisał", "napisała", "napisał(a)", "napsal", "napsal(a)", "napísal", "írta", "a scris", "kirjoitti", "yazdı",  # noqa: RUF001 - Turkish
    "написал", "написала", "пишет", "έγραψε", "写道", "のメール", "님이 작성", "כתב", "كتب",
)  # fmt: skip
_ATTRIBUTION = re.compile(rf"(?:{'|'.join(map(re.escape, _WROTE))})[^:\uff1a]{{0,120}}[:\uff1a]\s*$", re.IGNORECASE)
_ORIGINAL = re.compile(
    r"^\s*[-_*]{2,}\s*(?:original message|ursprüngliche nachricht|original-nachricht|message d'origine|message original"
    r"|mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht|oprindelig meddelelse"
    r"|ursprungligt meddelande|opprinnelig melding|wiadomość oryginalna|původní zpráva|исходное сообщение)"
    r"\s*[-_*]{2,}\s*$",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"^\s*(?:[-_*]{2,}\s*(?:forwarded message|weitergeleitete nachricht|message transféré|mensaje reenviado"
    r"|messaggio inoltrato|doorgestuurd bericht)\s*[-_*]{2,}|begin forwarded message:)\s*$",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"^\s*\*?(?:from|sent|to|cc|date|subject|von|gesendet|an|datum|betreff|de|envoyé|à|objet|enviado|para|asunto|assunto"
    r"|da|inviato|a|oggetto|van|verzonden|aan|onderwerp|fra|sendt|til|emne|från|skickat|till|ämne|od|wysłano|do|temat"
    r"|odesláno|komu|předmět|от|отправлено|кому|тема)\*?\s*[:\uff1a]\*?\s+\S",
    re.IGNORECASE,
)
_RULE = re.compile(r"^\s*[_-]{10,}\s*$")
_DEVICE = re.compile(
    r"^\s*(?:sent from (?:my |outlook|yahoo|mail for|proton)|get outlook for|von meinem .{1,40} gesendet"
    r"|gesendet (?:von|mit) |envoyé de(?:puis)? mon |enviado (?:desde|do) m|inviato da(?:l mio)? |verstuurd vanaf "
    r"|skickat från min|wysłane z )",
    re.IGNORECASE,
)
_SIGN_OFF = re.compile(
    r"^\s*(?:(?:best|kind|warm|many) (?:regards|wishes|thanks)|regards|sincerely|yours (?:sincerely|faithfully|truly)"
    r"|cheers|thanks|thank you|mit freundlichen gr(?:ü|ue)(?:ß|ss)en|(?:viele|beste|liebe) gr(?:ü|ue)(?:ß|ss)e|mfg|lg"
    r"|(?:bien )?cordialement|saludos(?: cordiales)?|un saludo|cordiali saluti|distinti saluti|met vriendelijke groet"
    r"|med venlig hilsen|med vänliga hälsningar|atenciosamente|pozdrawiam|s pozdravem)\s*[,.!]?\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class CutText:
    new: str
    quoted: str
    """What was taken out, in order, attribution lines included."""


def cut(text: str) -> CutText:
    """Separate the newly written words. A message that is nothing but quotes stays whole."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kept, taken = _without_history(lines)
    if not any(line.strip() for line in kept):
        kept, taken = lines, []
    kept, signature = _without_signature(kept)
    rest = "\n".join([*signature, *([""] if signature and taken else []), *taken])
    return CutText("\n".join(kept).strip(), rest.strip("\n"))


def _without_history(lines: list[str]) -> tuple[list[str], list[str]]:
    start = _history_start(lines)
    if start is not None:
        return lines[:start], lines[start:]
    return _without_quote_blocks(lines)


def _history_start(lines: list[str]) -> int | None:
    """Where history begins that runs to the end of the message without `>` marks."""
    for index, line in enumerate(lines):
        if len(line) > LONGEST_LINE:
            continue
        if _FORWARDED.match(line):
            return None
        if _ORIGINAL.match(line) or _header_block(lines, index):
            return _with_rule_above(lines, index)
        if _attribution(lines, index) and not _quotes_follow(lines, index):
            return _attribution_start(lines, index)
    return None


def _header_block(lines: list[str], index: int) -> bool:
    """Three mail headers one under the other, as some programs put them above what they quote."""
    following = [line for line in lines[index : index + 6] if line.strip()]
    return len(following) >= 3 and all(len(each) <= LONGEST_LINE and _HEADER.match(each) for each in following[:3])


def _with_rule_above(lines: list[str], index: int) -> int:
    above = index - 1
    while above >= 0 and not lines[above].strip():
        above -= 1
    return above if above >= 0 and _RULE.match(lines[above]) else index


def _attribution(lines: list[str], index: int) -> bool:
    line = lines[index]
    return len(line) <= LONGEST_LINE and not line.lstrip().startswith(">") and bool(_ATTRIBUTION.search(line.strip()))


def _quotes_follow(lines: list[str], index: int) -> bool:
    """False as well when text without a quotation mark follows that looks like no history: then it is a sentence."""
    for line in lines[index + 1 :]:
        if line.strip():
            return line.lstrip().startswith(">") or not _looks_attributed(lines, index)
    return True


def _looks_attributed(lines: list[str], index: int) -> bool:
    """An attribution names an address or a time; a sentence that ends in "wrote:" does neither."""
    words = " ".join(lines[max(0, index - 2) : index + 1])[-LONGEST_LINE:]
    return "@" in words or bool(re.search(r"\d{1,2}[:.h]\d{2}|\b\d{4}\b", words))


def _attribution_start(lines: list[str], index: int) -> int:
    """Programs break long attributions: the lines above belong to it up to a blank one, two at most."""
    start = index
    while start > 0 and index - start < 2 and lines[start - 1].strip() and not _looks_complete(lines[start]):
        start -= 1
    return start


def _looks_complete(line: str) -> bool:
    return bool(re.match(r"\s*(?:on|am|le|el|il|op|em|w dniu|dne|den|på|a \d|\d{4}|vào)\b", line, re.IGNORECASE))


def _without_quote_blocks(lines: list[str]) -> tuple[list[str], list[str]]:
    """Take the quoted block out where there is one; between several the answers need what they answer."""
    blocks = _quote_blocks(lines)
    if len(blocks) != 1:
        if len(blocks) > 1 and not any(line.strip() for line in lines[blocks[-1][1] :]):
            start, end = blocks[-1]
            if all(not line.strip() for line in lines[end:]) and _attributed_above(lines, start) is not None:
                start = _attributed_above(lines, start) or start
                return lines[:start], lines[start:]
        return lines, []
    start, end = blocks[0]
    above = _attributed_above(lines, start)
    start = start if above is None else above
    return [*lines[:start], *lines[end:]], lines[start:end]


def _quote_blocks(lines: list[str]) -> list[tuple[int, int]]:
    """Runs of lines marked with `>`, blank lines between them included."""
    blocks: list[tuple[int, int]] = []
    for index, line in enumerate(lines):
        if not line.lstrip().startswith(">"):
            continue
        if blocks and all(not each.strip() for each in lines[blocks[-1][1] : index]):
            blocks[-1] = (blocks[-1][0], index + 1)
        else:
            blocks.append((index, index + 1))
    return blocks


def _attributed_above(lines: list[str], start: int) -> int | None:
    above = start - 1
    while above >= 0 and not lines[above].strip():
        above -= 1
    return _attribution_start(lines, above) if above >= 0 and _attribution(lines, above) else None


def _without_signature(lines: list[str]) -> tuple[list[str], list[str]]:
    """By the mark of RFC 3676 section 4.3, a device's advertisement, or what follows the name under a sign-off."""
    for index, line in enumerate(lines):
        if line.rstrip() == "--" and any(each.strip() for each in lines[:index]):
            return lines[:index], lines[index:]
    end = len(lines)
    while end > 0 and not lines[end - 1].strip():
        end -= 1
    if end and _DEVICE.match(lines[end - 1]) and len(lines[end - 1]) <= LONGEST_LINE and end > 1:
        return lines[: end - 1], lines[end - 1 :]
    for index in range(max(1, end - _SIGNATURE_AFTER_SIGN_OFF), end):
        after = [number for number in range(index + 1, end) if lines[number].strip()]
        if _SIGN_OFF.match(lines[index]) and len(after) > 1 and not any("?" in lines[number] for number in after):
            return lines[: after[0] + 1], lines[after[0] + 1 :]
    return lines, []
