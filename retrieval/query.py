"""Turns a customer's message into what is searched for: the problem, without the letter around it."""

from __future__ import annotations

import re

_LONGEST = 2_000
"""Characters that are searched with; beyond some 200 words more text blurs the embedding."""
_LONGEST_READ = 50_000
"""Characters that are looked at; what follows in a longer message is an attachment pasted as text."""
_HEAD = 1_600
"""Characters kept from the start of a long message; the rest of `_LONGEST` is for its machine output."""

_SUBJECT_PREFIX = re.compile(
    r"^(?:\s*(?:re|fw|fwd|aw|wg|sv|vs|tr|rv|antw|ref)\s*(?:\[\d+\])?:|\s*\[[^\]\n]{0,40}#[^\]\n]{0,40}\])+",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"^(?:hi|hello|hey|dear|greetings|good (?:morning|afternoon|evening|day)|hallo|guten (?:tag|morgen|abend)|"
    r"moin|servus|liebes|bonjour|bonsoir|salut|hola|buen[oa]s (?:d[ií]as|tardes|noches)|ciao|buongiorno|buonasera|"
    r"ol[aá]|bom dia|boa tarde|hej|dag|beste)\b",
    re.IGNORECASE,
)
_FORMAL_GREETING = re.compile(
    r"^(?:sehr geehrte[rs]?|liebe[rs]?|estimad[oa]s?|apreciad[oa]s?|ch[eè]re?s?|madame|monsieur|mesdames|messieurs|"
    r"to whom it may concern|a quien corresponda)\b[^.?\n]{0,60}[,:!]$",
    re.IGNORECASE,
)
"""A line of its own, as letters have it."""
_ADDRESSEE = re.compile(
    r"^[ \t]+(?:there|all|team|everyone|everybody|support|guys|folks|sirs?|madam|ma'am|friends?|and|or|customer|"
    r"service|staff|zusammen|tous|todos|tutti|[A-Z\u00c0-\u00de][\w'.-]{0,30})(?![\w'-])"
)
_MOST_ADDRESSEES = 5
_GREETING_END = re.compile(r"^[ \t]*(?:[,!.:;\u2013\u2014-]+[ \t]*|$)")
_SIGN_OFF = re.compile(
    r"^(?:(?:many |kind |best |warm |with )*(?:thanks|thank you|regards|wishes|cheers|best|sincerely|respectfully|thx|"
    r"yours(?: (?:sincerely|faithfully|truly))?)(?: (?:in advance|so much|very much|a lot|again|and regards|"
    r"and best regards|for your (?:help|time|support)))*|"
    r"(?:mit )?(?:freundliche[nm]?|beste[nm]?|viele|liebe|sch[oö]ne) gr[uü](?:ss|ß)en?|mfg|lg|vg|"
    r"(?:vielen |herzlichen )?dank(?: (?:im voraus|und gr[uü](?:ss|ß)e))?|danke|"
    r"(?:bien |très )?cordialement|bien à vous|salutations(?: distinguées)?|merci(?: beaucoup)?(?: d'avance)?|"
    r"(?:un (?:cordial )?|muchos )?saludos?(?: cordial(?:es)?)?|atentamente|(?:muchas )?gracias(?: de antemano)?|"
    r"cordiali saluti|grazie|atenciosamente|obrigad[oa]|met vriendelijke groet(?:en)?|groeten)[ \t]*[,.!]*$",
    re.IGNORECASE,
)
_LONGEST_SIGNATURE = 12
_LONGEST_SIGNATURE_LINE = 60
_LINES_AFTER_SIGN_OFF = 6
_CLIENT_FOOTER = re.compile(
    r"^(?:sent from (?:my|mail|yahoo|outlook|proton)|get outlook for|von meinem \S+ gesendet|"
    r"gesendet (?:von|mit) (?:meinem|der|outlook)|envoyé (?:de|depuis) (?:mon|ma|outlook)|enviado desde (?:mi|outlook)|"
    r"(?:the information contained in )?this (?:e-?mail|message)(?: and (?:any|its) (?:attachments?|files?))? "
    r"(?:is|are|may be|may contain|contains) (?:confidential|privileged|intended)|confidentiality notice|"
    r"diese e-?mail (?:und|enthält|ist|kann)\b.{0,60}vertraulich|"
    r"ce (?:message|courriel|mail|e-mail)\b.{0,60}\bconfidentiel|"
    r"este (?:mensaje|correo|e-?mail)\b.{0,60}\bconfidencial|"
    r"(?:please consider the environment|bitte denken sie an die umwelt|pensez à l'environnement|"
    r"por favor,? piense en el medio ?ambiente))",
    re.IGNORECASE,
)
_QUOTE_INTRODUCTION = re.compile(
    r"^(?:on\b.{4,200}\bwrote|am\b.{4,200}\bschrieb\b.{0,100}|le\b.{4,200}\ba écrit|el\b.{4,200}\bescribió|"
    r"il\b.{4,200}\bha scritto|op\b.{4,200}\bschreef\b.{0,100}|em\b.{4,200}\bescreveu)[ \t]*:[ \t]*$",
    re.IGNORECASE,
)
_OPENS_INTRODUCTION = re.compile(r"^(?:on|am|le|el|il|op|em)\b", re.IGNORECASE)
_FORWARDED = re.compile(
    r"^(?:-{2,}[ \t]*(?:original message|forwarded message|original-nachricht|"
    r"(?:ursprüngliche|weitergeleitete) nachricht|"
    r"message (?:d'origine|original|transféré)|mensaje (?:original|reenviado))[ \t]*-{2,}|"
    r"begin forwarded message:|anfang der weitergeleiteten nachricht:|début du message (?:réexpédié|transféré)[ \t]*:|"
    r"inicio del mensaje reenviado:|_{20,})[ \t]*$",
    re.IGNORECASE,
)
_HEADER_FIRST = re.compile(r"^\*?(?:from|von|de|da)\*?[ \t]*:.*@", re.IGNORECASE)
_HEADER_NEXT = re.compile(
    r"^\*?(?:sent|date|to|subject|gesendet|an|betreff|envoyé|objet|enviado|para)\*?[ \t]*:", re.IGNORECASE
)
_QUOTED = re.compile(r"^[ \t]*>")
_MACHINE_OUTPUT = re.compile(
    r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\b\d\d:\d\d:\d\d\b|"
    r"\b(?:ERROR|FATAL|WARN(?:ING)?|CRITICAL|Exception|Traceback|SQLSTATE|Fatal error|Parse error)\b|"
    r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]{3,}\b|\b0x[0-9A-Fa-f]{4,}\b|\b[45]\d\d[ -][45]\.\d{1,3}\.\d{1,3}\b|"
    r"\b[A-Z]{2,6}-\d{3,6}\b|(?:^|[ \t\"'`(])/(?:[\w.-]+/)+[\w.-]+|\b(?:HTTP|error|code)[/ ][\d.#: ]*\d{3,5}\b"
)
_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u2060\ufeff\x00-\x08\x0b\x0c\x0e-\x1f]")
_SPACES = re.compile(r"[^\S\n]+")
_LETTER = re.compile(r"[^\W\d_]")


def clean_question(subject: str, body: str) -> str:
    """The subject and the customer's own words, at most 2,000 characters.

    Greeting, signature, quoted mail and mail-client footers go; error codes and log lines stay, quoted ones
    and those far down a long message included. A text that is nothing but letter keeps its words, so the
    result has letters whenever the input has. Cleaning a cleaned question changes nothing.
    """
    subject, body = _bounded(subject, _LONGEST), _bounded(body, _LONGEST_READ)
    topic = _squeeze(_SUBJECT_PREFIX.sub("", subject)) or _squeeze(subject)
    message = _clean_until_stable(_squeeze(body))
    if topic and topic.casefold() not in message.casefold():
        message = f"{topic}\n{message}".strip()
    return _clean_until_stable(message)


def _clean_until_stable(text: str) -> str:
    """Every step only takes away, so this ends."""
    while (cleaned := _clean_once(text)) != text:
        text = cleaned
    return text


def _clean_once(text: str) -> str:
    lines = _without_quotes(text.split("\n"))
    lines = _without_signature(lines)
    if lines:
        lines[0] = _without_greeting(lines[0])
    stripped = _squeeze("\n".join(lines))
    if not _LETTER.search(stripped):
        stripped = text
    return _shorten(stripped)


def _squeeze(text: str) -> str:
    """One space between words, no blank lines, nothing invisible."""
    text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = (_SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line)


def _without_quotes(lines: list[str]) -> list[str]:
    kept: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if _FORWARDED.match(line) or _opens_header_block(lines, at):
            break
        taken = _introduction_length(lines, at)
        if taken:
            at += taken
            if at < len(lines) and not _QUOTED.match(lines[at]):
                break
            continue
        if not _QUOTED.match(line) or _MACHINE_OUTPUT.search(line):
            kept.append(line)
        at += 1
    return kept


def _introduction_length(lines: list[str], at: int) -> int:
    """How many lines "On ... wrote:" takes here; mail clients break it once when it is long."""
    if not _OPENS_INTRODUCTION.match(lines[at]):
        return 0
    if _QUOTE_INTRODUCTION.match(lines[at]):
        return 1
    if at + 1 < len(lines) and _QUOTE_INTRODUCTION.match(f"{lines[at]} {lines[at + 1]}"):
        return 2
    return 0


def _opens_header_block(lines: list[str], at: int) -> bool:
    return bool(_HEADER_FIRST.match(lines[at])) and any(_HEADER_NEXT.match(line) for line in lines[at + 1 : at + 3])


def _without_signature(lines: list[str]) -> list[str]:
    for at, line in enumerate(lines):
        if _CLIENT_FOOTER.match(line):
            return lines[:at]
        left = len(lines) - at - 1
        if line in {"--", "__", "---"} and left <= _LONGEST_SIGNATURE:
            return lines[:at] + _machine_output(lines[at + 1 :])
        if left <= _LINES_AFTER_SIGN_OFF and _SIGN_OFF.match(line) and _is_signature(lines[at + 1 :]):
            return lines[:at]
    return lines


def _is_signature(lines: list[str]) -> bool:
    return not any(
        len(line) > _LONGEST_SIGNATURE_LINE or line.endswith("?") or _MACHINE_OUTPUT.search(line) for line in lines
    )


def _machine_output(lines: list[str]) -> list[str]:
    return [line for line in lines if _MACHINE_OUTPUT.search(line)]


def _without_greeting(line: str) -> str:
    """Names and "team" are part of a greeting, other words are not: "Hi website down" stays whole."""
    if _FORMAL_GREETING.match(line):
        return ""
    greeting = _GREETING.match(line)
    if greeting is None:
        return line
    rest = line[greeting.end() :]
    for _ in range(_MOST_ADDRESSEES):
        addressee = _ADDRESSEE.match(rest)
        if addressee is None:
            break
        rest = rest[addressee.end() :]
    end = _GREETING_END.match(rest)
    return line if end is None else rest[end.end() :]


def _shorten(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    kept = _bounded(text, _HEAD)
    rest_from = text.index(kept) + len(kept)
    whole_lines = kept[: kept.rfind("\n", _HEAD // 2) + 1]
    if _LETTER.search(whole_lines):
        rest_from -= len(kept) - len(whole_lines)
        kept = whole_lines.rstrip()
    for line in _machine_output(text[rest_from:].split("\n")):
        if len(kept) + 1 + len(line) > _LONGEST:
            break
        kept = f"{kept}\n{line}"
    return kept.strip()


def _bounded(text: str, longest: int) -> str:
    """The first `longest` characters, or as many from the first letter on where those have none."""
    head = text[:longest]
    if len(text) > longest and not _LETTER.search(head) and (letter := _LETTER.search(text)):
        return text[letter.start() : letter.start() + longest]
    return head


def question_text(question: str) -> str:
    """The searchable form of a stored question: its first paragraph is the subject, the rest what was written."""
    subject, _, body = question.partition("\n\n")
    return clean_question(subject, body)
