"""The widget's settings as their page shows them, and read from the form of that page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import msgspec

from desk.errors import InvalidInputError
from desk.models import Connection
from desk.widget.configuration import (
    FALLBACK_LANGUAGE,
    Opening,
    WidgetConfiguration,
    read_configuration,
    standard_texts,
    texts_for,
)
from ui.presenting.settings import listed
from ui.presenting.words import Choices

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
POSITIONS: Choices = (("end", "End of the line (right, in English)"), ("start", "Start of the line"))
FREQUENT_TEXTS = ("title", "greeting", "handed_over", "handed_over_away", "away_form")
"""Those that most tenants put in their own words; all others can be set by the API."""
TEXT_TITLES = {
    "title": "Title",
    "greeting": "Greeting",
    "handed_over": "When a person will answer",
    "handed_over_away": "The same, outside of business hours",
    "away_form": "Asking for an address outside of business hours",
}
_SPAN = re.compile(r"\s*(\d{1,2}:\d{2})\s*(?:-|\u2013|to)\s*(\d{1,2}:\d{2})\s*")


class WidgetForm(msgspec.Struct):
    """As the browser sends it; every field is text."""

    active: str = ""
    allowed_origins: str = ""
    colour: str = ""
    text_colour: str = ""
    position: Literal["end", "start"] = "end"
    logo_url: str = ""
    default_language: str = ""
    ask_name: str = ""
    ask_email: str = ""
    form_required: str = ""
    time_zone: str = ""
    show_sources: str = ""
    show_agent_names: str = ""
    suggest_faqs: str = ""
    answer_seconds: str = ""
    email_after_minutes: str = ""
    signed_tokens_only: str = ""


@dataclass(frozen=True, slots=True)
class ShownText:
    name: str
    title: str
    value: str
    standard: str


@dataclass(frozen=True, slots=True)
class ShownDay:
    number: int
    title: str
    spans: str


@dataclass(frozen=True, slots=True)
class ShownWidget:
    id: UUID
    is_active: bool
    key: str
    embed_code: str
    identify_code: str
    origins: str
    configuration: WidgetConfiguration
    language: str
    languages: Choices
    texts: list[ShownText]
    days: list[ShownDay]
    has_secret: bool


def shown_widget(row: Connection, public_url: str, language: str) -> ShownWidget:
    """`language`: whose texts are shown."""
    configuration, key = read_configuration(row.configuration), row.public_key or ""
    spoken, _ = texts_for(configuration, language or configuration.default_language)
    own = configuration.texts.get(spoken, {})
    standard = texts_for(WidgetConfiguration(), spoken)[1]
    known = sorted(standard_texts().keys() | configuration.texts.keys())
    return ShownWidget(
        id=row.id,
        is_active=row.is_active,
        key=key,
        embed_code=f'<script src="{public_url}/widget/v1/embed.js?key={key}" async></script>',
        identify_code=_identify_code(public_url, key),
        origins="\n".join(configuration.allowed_origins),
        configuration=configuration,
        language=spoken,
        languages=tuple((one, one) for one in known),
        texts=[ShownText(name, TEXT_TITLES[name], own.get(name, ""), standard[name]) for name in FREQUENT_TEXTS],
        days=[ShownDay(number, day, _spans(configuration, number)) for number, day in enumerate(DAYS)],
        has_secret=row.secrets not in {"", "{}"},
    )


def configuration_from(
    before: WidgetConfiguration, form: WidgetForm, days: Mapping[int, str], language: str, texts: Mapping[str, str]
) -> WidgetConfiguration:
    """What the form says over what was set before; texts that the page does not show stay. Raises InvalidInputError."""
    return msgspec.structs.replace(
        before,
        allowed_origins=listed(form.allowed_origins),
        colour=form.colour.strip(),
        text_colour=form.text_colour.strip(),
        position=form.position,
        logo_url=form.logo_url.strip(),
        default_language=form.default_language.strip() or FALLBACK_LANGUAGE,
        ask_name=bool(form.ask_name),
        ask_email=bool(form.ask_email),
        form_required=bool(form.form_required),
        time_zone=form.time_zone.strip() or "UTC",
        openings=tuple(opening for day, spans in sorted(days.items()) for opening in _openings(day, spans)),
        show_sources=bool(form.show_sources),
        show_agent_names=bool(form.show_agent_names),
        suggest_faqs=bool(form.suggest_faqs),
        answer_seconds=_number(form.answer_seconds, "the seconds to wait for an answer"),
        email_after_minutes=_number(form.email_after_minutes, "the minutes until an e-mail"),
        signed_tokens_only=bool(form.signed_tokens_only),
        texts=_texts(before, language, texts),
    )


def _texts(before: WidgetConfiguration, language: str, given: Mapping[str, str]) -> dict[str, dict[str, str]]:
    own = {name: words for name, words in before.texts.get(language, {}).items() if name not in FREQUENT_TEXTS}
    own |= {name: words.strip() for name, words in given.items() if name in FREQUENT_TEXTS and words.strip()}
    others = {spoken: texts for spoken, texts in before.texts.items() if spoken != language}
    return {**others, language: own} if own else others


def _spans(configuration: WidgetConfiguration, day: int) -> str:
    return ", ".join(f"{each.opens}-{each.closes}" for each in configuration.openings if each.day == day)


def _openings(day: int, spans: str) -> list[Opening]:
    """`9:00-12:00, 13:00-17:00`; empty when nobody is there."""
    found: list[Opening] = []
    for part in listed(spans):
        matched = _SPAN.fullmatch(part)
        if matched is None:
            msg = f"{DAYS[day]}: '{part}' is no time such as 09:00-17:00"
            raise InvalidInputError(msg)
        found.append(Opening(day, matched[1].zfill(5), matched[2].zfill(5)))
    return found


def _number(given: str, what: str) -> float:
    try:
        return float(given)
    except ValueError as error:
        msg = f"{what} must be a number"
        raise InvalidInputError(msg) from error


def _identify_code(public_url: str, key: str) -> str:
    return (
        "# On your server, for a signed-in user (Python):\n"
        f'claims = {{"sub": user_id, "aud": "{key}", "iat": now, "exp": now + 300, "name": name, "email": email}}\n'
        'token = jwt.encode(claims, SIGNING_SECRET, algorithm="HS256")\n\n'
        "<!-- In the page: -->\n"
        f'<script src="{public_url}/widget/v1/embed.js?key={key}"\n'
        '        data-user-token="..." async></script>'
    )
