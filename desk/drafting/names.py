"""Finds the names of customers: whom an answer addresses, and how the writer of a question signs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from desk.drafting.particulars import word_set

_NAME_REST = r"[^\W\d_]*(?:[.'\u2019-][^\W\d_]+)*"
_NAME = rf"[^\W\d_]{_NAME_REST}"
_TITLE = r"(?:mr|mrs|ms|miss|mx|dr|prof|herr|frau|monsieur|madame|mme|señora?|sra?|signora?)\b\.?"
_SALUTATION = re.compile(
    rf"^(?P<before>[ \t]*(?:@\w+[ ,]+)*(?:hi|hello|hey|dear|greetings|good[ ](?:morning|afternoon|evening|day)|hallo|"
    rf"guten[ ](?:tag|morgen|abend)|moin|liebe[rs]?|sehr[ ]geehrte[rs]?|bonjour|bonsoir|salut|cher|chère|hola|"
    rf"estimad[oa]|buen[oa]s[ ](?:d[ií]as|tardes|noches)|ciao)\b)"
    rf"(?P<gap>[ \t]*,?[ \t]+)(?P<name>(?:{_TITLE}[ ]+)?{_NAME}(?:[ ]{_NAME}){{0,3}})"
    r"(?=[ \t]*(?:[,!.:;\u2013\u2014-]|\n|$))",
    re.IGNORECASE | re.MULTILINE,
)
_CAPITALISED = rf"[^\W\d_a-z]{_NAME_REST}"
_THANKS = re.compile(
    rf"^(?P<before>[ \t]*(?:@\w+[ ,]+)*(?i:thanks|thank[ ]you|welcome|sorry)\b)"
    rf"(?P<gap>[ \t]*,?[ \t]+)(?P<name>(?:(?i:{_TITLE})[ ]+)?(?:{_CAPITALISED}(?:[ ]{_CAPITALISED}){{0,3}}|{_NAME}))"
    r"(?=[ \t]*(?:[,!.:;\u2013\u2014-]|\n|$))",
    re.MULTILINE,
)
"""After thanks several words are a name only where they are written as one: "thank you for writing, ..." is none."""
_SALUTATION_OPEN = re.compile(
    rf"^(?P<before>[ \t]*(?:@\w+[ ,]+)*(?i:hi|hello|hey|dear|hallo|bonjour|hola)\b)"
    rf"(?P<gap>[ \t]*,?[ \t]+)(?P<name>[A-Z\u00c0-\u00de]{_NAME_REST})(?=[ ][^\W\d_])",
    re.MULTILINE,
)
"""A greeting that runs on without a comma, "Hi Anna thanks for ..."."""
_TITLED = re.compile(rf"(?i:\b{_TITLE})[ ]+(?P<name>[^\W\d_a-z]{_NAME_REST})")
_COURTESY = re.compile(
    rf"\b(?i:thanks?|thank you|sorry|apologi[sz]e|welcome|glad|happy|appreciate|understand|hear|frustration|patience|"
    rf"inconvenience|day|help|yes|no|sure|okay|ok|absolutely|danke|entschuldigung|merci|gracias)[^.!?\n]{{0,60}}?,[ ]+"
    rf"(?P<name>[^\W\d_a-z]{_NAME_REST})(?=[ \t]*(?:[,.!?]|\n|$))"
)
_INTRODUCTION = re.compile(
    rf"\b(?i:my name is|my name's|name:|i am|i'm|this is|mein name ist|ich bin|je m'appelle|me llamo|soy)[ ]+"
    rf"(?P<name>[^\W\d_a-z]{_NAME_REST}(?:[ ][^\W\d_a-z]{_NAME_REST}){{0,2}})"
)
_SIGNED = re.compile(
    rf"(?:^|\n|[,.!?][ ])[ \t]*(?i:(?:many |kind |best |warm |with )*(?:thanks|thank you|regards|wishes|cheers|best|"
    rf"sincerely|thx|yours(?: \w+)?|gr[uü](?:ss|ß)en?|gr[uü](?:ss|ß)e|mfg|danke|merci|gracias|saludos)"
    rf"(?: in advance| so much| very much| a lot| again)?)[ \t]*[,.!:-]*[ \t]*[\n,~-]*[ \t]*"
    rf"(?P<name>[^\W\d_a-z]{_NAME_REST}(?:[ ]{_NAME}){{0,2}})[ \t.!]*(?:\n|$)"
)
_LAST_LINE = re.compile(
    rf"\n[ \t]*[~-]{{0,2}}[ \t]*(?P<name>[^\W\d_a-z]{_NAME_REST}(?:[ ][^\W\d_a-z]{_NAME_REST}){{0,2}})"
    rf"(?:[ ]from[ ][\w ]+)?[ \t.!]*$"
)
NO_NAME = word_set(
    "there all everyone everybody team support guys folks sir sirs madam ma'am friend friends customer "
    "customers again and or user users sorry thanks thank yes no please for the to we i it this that you your "
    "so much very we're i'm it's that's zusammen damen herren tous todos valued client member staff in "
    "advance if when what how our my a an is are have can could will would do did not be welcome hello hi hey "
    "dear community agent help desk service mr mrs ms miss mx dr prof herr frau monsieur madame mme señor "
    "señora sr sra signor signora und y et danke merci gracias grüße grüsse grüßen grüssen gruß gruss"
)
_OPENS_PHRASE = word_set(
    "for to from with by of on at about in as and or so very just back only still also again kindly indeed already "
    "i we you it this that our my your it's that's i'm we're if when what how please und für mit aus zu et pour avec "
    "dans y para"
)
"""Words that may follow a greeting and begin no name: "Hello from Berlin", "Thanks for writing"."""

ALSO_WORDS = word_set(
    "mark will may rose grace hope faith joy frank bill rob drew sue art jack chase pat gene dean guy max "
    "grant ray rich sandy dawn april june august summer autumn chance wade miles lance earnest major page "
    "cliff angel christian iris ivy olive pearl ruby victor stone brook brooks king young long short black "
    "white brown green gray good best more read reed reader field fields hill wood woods banks bush rice price "
    "cook baker carter mason porter"
)
"""Names that an answer may well use as words: "Mark the sender as trusted"."""


def greeted_names(answer: str) -> Iterator[re.Match[str]]:
    """Matches of whom an answer addresses, group `name`; the strongest sign of whose answer it was."""
    for pattern in (_SALUTATION, _THANKS, _SALUTATION_OPEN):
        for match in pattern.finditer(answer):
            if name_words(match.group("name")):
                yield match


def addressed_names(answer: str) -> set[str]:
    """Casefolded words by which an answer addresses or titles its reader."""
    found = {word for match in greeted_names(answer) for word in name_words(match.group("name"))}
    for pattern in (_TITLED, _COURTESY):
        for match in pattern.finditer(answer):
            found.update(name_words(match.group("name")))
    return found


def signed_names(question: str) -> set[str]:
    """Casefolded words by which the writer of a question names themselves."""
    text = question.strip()
    found: set[str] = set()
    for pattern in (_INTRODUCTION, _SIGNED, _LAST_LINE):
        for match in pattern.finditer(text):
            found.update(name_words(match.group("name")))
    return found


def name_words(name: str) -> tuple[str, ...]:
    """The words of a name that can be searched for; empty when it is no name but "there" or "team"."""
    words = [word.strip(".'\u2019-").casefold() for word in name.split()]
    if (words and words[0] in _OPENS_PHRASE) or any(word in NO_NAME for word in words[1:]):
        return ()
    return tuple(word for word in words if len(word) >= 2 and word not in NO_NAME)
