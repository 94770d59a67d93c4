"""What a tenant sets on its widget: where it may stand, how it looks, what it says and asks, when people are there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from desk.chat.unread import EMAIL_AFTER_MINUTES
from desk.errors import InvalidInputError
from desk.plain_text import clean_text

MOST_ORIGINS = 50
LONGEST_TEXT = 500
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})?", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
FALLBACK_LANGUAGE = "en"


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One span of one weekday; `24:00` is the end of the day."""

    day: int
    """0 is Monday."""
    opens: str
    closes: str


class WidgetConfiguration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    allowed_origins: tuple[str, ...] = ()
    """Scheme, host and port of the pages that may embed the widget, each exactly; none: nowhere."""
    colour: str = "#1d5c8a"
    text_colour: str = "#ffffff"
    """On top of `colour`."""
    position: Literal["end", "start"] = "end"
    """The corner of the page, in the direction of its language."""
    logo_url: str = ""
    default_language: str = FALLBACK_LANGUAGE
    texts: dict[str, dict[str, str]] = {}
    """By language and name; what is not named has the standard text."""
    ask_name: bool = False
    ask_email: bool = False
    form_required: bool = False
    """Whether name and address must be given before the first message."""
    time_zone: str = "UTC"
    openings: tuple[Opening, ...] = ()
    """When people are there; none: always."""
    show_sources: bool = True
    show_agent_names: bool = False
    suggest_faqs: bool = True
    answer_seconds: float = 8.0
    """How long a visitor waits for an answer before a person is promised."""
    messages_per_minute: int = 10
    """From one address."""
    longest_message: int = 4000
    email_after_minutes: float = EMAIL_AFTER_MINUTES
    """How long a person's reply may stay unread before the visitor is told by e-mail; 0 is never."""
    signed_tokens_only: bool = False
    """Refuse the plain signature of a user's id, which is good for ever, and take short-lived tokens alone."""
    token_days: int = 30
    """How long a visitor who stays away is remembered."""


def read_configuration(document: Mapping[str, Any]) -> WidgetConfiguration:
    """Checked. Raises InvalidInputError with the place and the reason."""
    try:
        configuration = msgspec.convert(dict(document), WidgetConfiguration, strict=True)
    except msgspec.ValidationError as error:
        msg = f"the widget's settings cannot be used: {error}"
        raise InvalidInputError(msg) from error
    _check(configuration)
    return configuration


def write_configuration(configuration: WidgetConfiguration) -> dict[str, Any]:
    """As it is stored; origins in the form that browsers send. Raises InvalidInputError."""
    _check(configuration)
    origins = tuple(dict.fromkeys(origin_of(origin) for origin in configuration.allowed_origins))
    document: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(configuration, allowed_origins=origins))
    return document


def origin_of(address: str) -> str:
    """`scheme://host[:port]` as a browser writes it. Raises InvalidInputError for anything with more or less."""
    parts = urlsplit(address.strip())
    try:
        port = parts.port
    except ValueError:
        port = -1
    whole = parts.scheme in _DEFAULT_PORTS and parts.hostname and port != -1
    if not whole or parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        msg = f"'{address.strip()}' is no origin such as https://www.example.com"
        raise InvalidInputError(msg)
    host = parts.hostname or ""
    if "*" in host or any(character.isspace() for character in address.strip()):
        msg = f"'{address.strip()}': name each host in full, such as https://www.example.com"
        raise InvalidInputError(msg)
    shown = f"[{host}]" if ":" in host else host.encode("idna").decode() if not host.isascii() else host
    return f"{parts.scheme}://{shown}" + ("" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}")


def is_open(configuration: WidgetConfiguration, now: datetime) -> bool:
    """Whether people are there at this moment."""
    if not configuration.openings:
        return True
    local = now.astimezone(ZoneInfo(configuration.time_zone))
    clock = f"{local:%H:%M}"
    return any(each.day == local.weekday() and each.opens <= clock < each.closes for each in configuration.openings)


@cache
def standard_texts() -> dict[str, dict[str, str]]:
    return msgspec.toml.decode((files("desk.widget") / "texts.toml").read_bytes(), type=dict[str, dict[str, str]])


def texts_for(configuration: WidgetConfiguration, wanted: str) -> tuple[str, dict[str, str]]:
    """Language and texts: the wanted one, its main language, the tenant's default, else English."""
    known = standard_texts().keys() | configuration.texts.keys()
    main = wanted.partition("-")[0]
    candidates = (wanted, main, configuration.default_language, FALLBACK_LANGUAGE)
    language = next(one for one in candidates if one in known)
    standard = standard_texts()
    base = standard.get(language) or standard.get(language.partition("-")[0]) or standard[FALLBACK_LANGUAGE]
    return language, {**base, **configuration.texts.get(language, {})}


def _check(configuration: WidgetConfiguration) -> None:
    if len(configuration.allowed_origins) > MOST_ORIGINS:
        _refuse(f"at most {MOST_ORIGINS} origins")
    for origin in configuration.allowed_origins:
        origin_of(origin)
    if not (_COLOUR.fullmatch(configuration.colour) and _COLOUR.fullmatch(configuration.text_colour)):
        _refuse("colours are written as #1d5c8a")
    if configuration.logo_url and urlsplit(configuration.logo_url).scheme != "https":
        _refuse("the logo must be an https address")
    if not _LANGUAGE.fullmatch(configuration.default_language):
        _refuse("the language is a code such as en or de")
    _check_texts(configuration.texts)
    _check_hours(configuration)
    for name, lowest, highest in (
        ("answer_seconds", 0, 60),
        ("messages_per_minute", 1, 1000),
        ("longest_message", 100, 20_000),
        ("email_after_minutes", 0, 10_080),
        ("token_days", 1, 365),
    ):
        if not lowest <= getattr(configuration, name) <= highest:
            _refuse(f"{name} must be from {lowest} to {highest:,}")


def _check_texts(texts: Mapping[str, Mapping[str, str]]) -> None:
    names = standard_texts()[FALLBACK_LANGUAGE].keys()
    for language, own in texts.items():
        if not _LANGUAGE.fullmatch(language):
            _refuse(f"'{language}' is no language code such as en or de")
        for name, words in own.items():
            if name not in names:
                _refuse(f"there is no text '{name}'; there is {', '.join(sorted(names))}")
            if not words.strip() or len(words) > LONGEST_TEXT or clean_text(words) != words:
                _refuse(f"the text '{name}' is empty, too long, or has signs that cannot be shown")
            if name == "direction" and words not in {"ltr", "rtl"}:
                _refuse("direction is ltr or rtl")


def _check_hours(configuration: WidgetConfiguration) -> None:
    try:
        ZoneInfo(configuration.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        msg = f"'{configuration.time_zone}' is no time zone such as Europe/Berlin"
        raise InvalidInputError(msg) from error
    for each in configuration.openings:
        times = _TIME.fullmatch(each.opens) and _TIME.fullmatch(each.closes)
        if not 0 <= each.day <= 6 or not times or each.opens >= each.closes:
            _refuse("business hours are a day from 0 (Monday) to 6 and times such as 09:00 and 17:00, in this order")


def _refuse(msg: str) -> None:
    raise InvalidInputError(msg)
