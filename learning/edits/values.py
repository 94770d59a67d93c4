"""Numbers, dates, amounts, durations, links and telephone numbers: tokens with one normal form per meaning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable
from decimal import Decimal, InvalidOperation

from .tokens import Token
from .vocabulary import Vocabulary, vocabulary

_SECONDS = {"second": 1, "minute": 60, "half hour": 1800, "hour": 3600, "day": 86400, "week": 604800}
_RANGE = frozenset({"-", "\u2013", "\u2014", "to", "bis", "à", "a"})
_ORDINALS = frozenset({"st", "nd", "rd", "th", "er", "ère", "º", "ª"})
_DATE_JOINERS = frozenset({"of", "de", "del", ",", "."})
Joined = tuple[Token, int]
"""A value, and the position after the tokens it was made of."""
_HALVES = frozenset({"am", "pm"})
_ARTICLES = frozenset({"a", "an"})
_LONGEST_IDEOGRAPHS = 4


def readings(number: str) -> frozenset[Decimal]:
    """What a written number may mean: "1.000" is 1000 or 1, "1.000,50" only 1000.50.

    Empty for what is no single number, such as a version or an IP address.
    """
    plain = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in number)
    plain = re.sub(r"[\s'\u2019\u066c]", "", plain).replace("\u066b", ".")
    dots, commas = plain.count("."), plain.count(",")
    if dots and commas:
        decimal = "." if plain.rfind(".") > plain.rfind(",") else ","
        thousands = "," if decimal == "." else "."
        if plain.count(decimal) > 1 or not _grouped(plain.split(decimal)[0], thousands):
            return frozenset()
        return _decimals(plain.replace(thousands, "").replace(decimal, "."))
    if dots + commas > 1:
        sign = "." if dots else ","
        return _decimals(plain.replace(sign, "")) if _grouped(plain, sign) else frozenset()
    if dots + commas == 1:
        sign = "." if dots else ","
        whole = _decimals(plain.replace(sign, "")) if _grouped(plain, sign) else frozenset[Decimal]()
        return whole | _decimals(plain.replace(sign, "."))
    return _decimals(plain)


def _grouped(number: str, sign: str) -> bool:
    groups = number.split(sign)
    return 1 <= len(groups[0]) <= 3 and groups[0][:1] != "0" and all(len(group) == 3 for group in groups[1:])


def _decimals(number: str) -> frozenset[Decimal]:
    try:
        value = Decimal(number)
    except InvalidOperation:
        return frozenset()
    return frozenset({value.normalize()})


def number_key(number: str) -> Hashable:
    """The likeliest reading: three digits after a lone separator are a group of thousands."""
    found = readings(number)
    return max(found) if found else number


def compose(tokens: list[Token]) -> list[Token]:
    """Join numbers with units, currencies, months and weekdays, and give every value its normal form."""
    words = vocabulary()
    composed: list[Token] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if token.kind == "word":
            joined = _from_word(tokens, position, words) if token.key in words.value_starters else None
        elif token.kind == "sign" and token.text not in words.currencies:
            joined = None
        else:
            joined = _from_sign(tokens, position, words)
        if joined is None:
            composed.append(token)
            position += 1
        else:
            value, position = joined
            composed.append(value)
    return composed


def _join(tokens: list[Token], first: int, after: int, kind: str, key: Hashable) -> Joined:
    start, end = tokens[first].start, tokens[after - 1].end
    text = tokens[first].text if after == first + 1 else " ".join(token.text for token in tokens[first:after])
    return Token(start, end, (kind, key), kind, text), after


def _key(tokens: list[Token], position: int) -> Hashable:
    return tokens[position].key if position < len(tokens) else ""


def _from_word(tokens: list[Token], at: int, words: Vocabulary) -> Joined | None:
    word = tokens[at].word
    if word in words.numbers or word in words.numbers_before_units:
        return _number_word(tokens, at, words)
    if word in words.months and at + 1 < len(tokens):
        return _month_first(tokens, at, words)
    if word in words.weekdays and (len(word) > 3):
        return _join(tokens, at, at + 1, "date", ("weekday", words.weekdays[word]))
    if word in words.relative_days:
        return _join(tokens, at, at + 1, "date", ("relative", words.relative_days[word]))
    if word in words.currencies and _is_number(tokens, at + 1):
        return _join(tokens, at, at + 2, "amount", (words.currencies[word], number_key(tokens[at + 1].text)))
    return None


def _is_number(tokens: list[Token], at: int) -> bool:
    return at < len(tokens) and tokens[at].kind == "number"


def _number_word(tokens: list[Token], at: int, words: Vocabulary) -> Joined | None:
    word = tokens[at].key
    value, after = words.numbers.get(str(word)), at + 1
    if value is None:
        return _few_units(tokens, at, words)
    while (
        after < len(tokens)
        and (more := words.numbers.get(str(tokens[after].key))) is not None
        and tokens[after].kind == "word"
    ):
        value = value * more if more >= 100 else value + more
        after += 1
    return _with_unit(tokens, at, after, Decimal(value).normalize(), words)


def _few_units(tokens: list[Token], at: int, words: Vocabulary) -> Joined | None:
    """ "one day", "half an hour", "eine halbe Stunde"; without a unit these words are no numbers."""
    value, after = Decimal(str(words.numbers_before_units[str(tokens[at].key)])), at + 1
    if value < 1 and _key(tokens, after) in _ARTICLES:
        after += 1
    elif (more := words.numbers_before_units.get(str(_key(tokens, after)))) is not None:
        value, after = value * Decimal(str(more)), after + 1
    following = _unit(tokens, after, words)
    if following is None or following[0] == "clock":
        return None
    return _join(tokens, at, following[1], "duration", _duration(value, value, following[0]))


def _unit(tokens: list[Token], at: int, words: Vocabulary) -> tuple[str, int] | None:
    """The unit that starts here, "business" before or after it included, and where it ends."""
    if _key(tokens, at) == "-":
        at += 1
    working = _key(tokens, at) in words.working
    if working:
        at += 1
    unit = words.units.get(str(_key(tokens, at))) if at < len(tokens) and tokens[at].kind == "word" else None
    if unit is None:
        return None
    at += 1
    if _key(tokens, at) in words.working:
        working, at = True, at + 1
    return ("business " + unit if working and unit in ("day", "hour") else unit), at


def _duration(low: Decimal, high: Decimal, unit: str) -> Hashable:
    if unit in _SECONDS:
        return ("seconds", low * _SECONDS[unit], high * _SECONDS[unit])
    if unit in ("month", "year"):
        months = 12 if unit == "year" else 1
        return ("months", low * months, high * months)
    return (unit, low, high)


def _with_unit(tokens: list[Token], first: int, after: int, value: Hashable, words: Vocabulary) -> Joined:
    """A number and what follows it: a range, a unit, a currency, a month, a percent sign, half of the day."""
    if not isinstance(value, Decimal):
        return _join(tokens, first, after, "number", value)
    measured = (
        _measured(tokens, first, after, value, words)
        or _day_first(tokens, first, after, value, words)
        or _before_ideographs(tokens, first, after, value, words)
    )
    if measured is not None:
        return measured
    following = _key(tokens, after)
    if following in words.percent or following in words.size_units:
        unit = "%" if following in words.percent else following
        return _join(tokens, first, after + 1, "number", (unit, value))
    if following in _HALVES and value == int(value):
        hour = int(value) % 12 + (12 if following == "pm" else 0)
        return _join(tokens, first, after + 1, "date", ("time", hour, 0))
    return _join(tokens, first, after, "number", value)


def _measured(tokens: list[Token], first: int, after: int, value: Decimal, words: Vocabulary) -> Joined | None:
    """A number or a range of numbers with a unit of time or a currency."""
    high, stop = value, after
    if _key(tokens, after) in _RANGE and after + 1 < len(tokens):
        other = _plain_value(tokens[after + 1], words)
        if other is not None:
            high, stop = other, after + 2
    unit = _unit(tokens, stop, words)
    if unit is not None and unit[0] == "clock":
        return _join(tokens, first, unit[1], "date", ("time", int(value), 0))
    if unit is not None:
        return _join(tokens, first, unit[1], "duration", _duration(value, high, unit[0]))
    currency = words.currencies.get(str(_key(tokens, stop)))
    if currency is None:
        return None
    return _join(tokens, first, stop + 1, "amount", (currency, value, high) if stop > after else (currency, value))


def _before_ideographs(tokens: list[Token], first: int, after: int, value: Decimal, words: Vocabulary) -> Joined | None:
    """ "3時間", "1,200円", "5月3日", "2025年5月3日"."""
    known = words.ideographs
    if after == len(tokens) or tokens[after].kind != "ideograph":
        return None
    for length in range(min(_LONGEST_IDEOGRAPHS, len(tokens) - after), 0, -1):
        signs = "".join(token.text for token in tokens[after : after + length])
        if signs in known.units:
            unit = known.units[signs]
            if unit == "clock":
                return _join(tokens, first, after + length, "date", ("time", int(value), 0))
            return _join(tokens, first, after + length, "duration", _duration(value, value, unit))
        if signs in known.currencies:
            return _join(tokens, first, after + length, "amount", (known.currencies[signs], value))
    return _ideograph_date(tokens, first, words)


def _ideograph_date(tokens: list[Token], first: int, words: Vocabulary) -> Joined | None:
    known, parts, at = words.ideographs, dict[str, int](), first
    while _is_number(tokens, at) and at + 1 < len(tokens):
        value, sign = _small(number_key(tokens[at].text), 2999), tokens[at + 1].text
        name = "year" if sign == known.year else "month" if sign == known.month else "day" if sign in known.day else ""
        if value is None or not name or name in parts:
            break
        parts[name], at = value, at + 2
    if not parts:
        return None
    return _join(tokens, first, at, "date", (parts.get("year"), parts.get("month"), parts.get("day")))


def _plain_value(token: Token, words: Vocabulary) -> Decimal | None:
    if token.kind == "number":
        value = number_key(token.text)
        return value if isinstance(value, Decimal) else None
    found = words.numbers.get(token.word)
    return None if found is None else Decimal(found)


def _small(value: object, limit: int) -> int | None:
    if not isinstance(value, Decimal) or value != int(value) or not 0 < value <= limit:
        return None
    return int(value)


def _day_first(tokens: list[Token], first: int, after: int, value: Decimal, words: Vocabulary) -> Joined | None:
    """ "1 May 2024", "1. Mai 2024", "1st of May", "1 de mayo de 2024"."""
    day, at = _small(value, 31), after
    if day is None:
        return None
    if _key(tokens, at) in _ORDINALS:
        at += 1
    if _key(tokens, at) in _DATE_JOINERS and _key(tokens, at) != ",":
        at += 1
    month = words.months.get(str(_key(tokens, at)))
    if month is None:
        return None
    year, at = _year(tokens, at + 1)
    return _join(tokens, first, at, "date", (year, month, day))


def _month_first(tokens: list[Token], at: int, words: Vocabulary) -> Joined | None:
    month, position = words.months[str(tokens[at].key)], at + 1
    if _key(tokens, position) == ".":
        position += 1
    day = _small(number_key(tokens[position].text), 31) if _is_number(tokens, position) else None
    if day is None:
        year, after = _year(tokens, at + 1)
        return _join(tokens, at, after, "date", (year, month, None)) if year is not None else None
    position += 1
    if _key(tokens, position) in _ORDINALS:
        position += 1
    year, position = _year(tokens, position)
    return _join(tokens, at, position, "date", (year, month, day))


def _year(tokens: list[Token], at: int) -> tuple[int | None, int]:
    position = at + 1 if _key(tokens, at) in _DATE_JOINERS else at
    if _is_number(tokens, position) and len(tokens[position].text) == 4:
        year = _small(number_key(tokens[position].text), 2999)
        if year is not None and year >= 1900:
            return year, position + 1
    return None, at


def _from_sign(tokens: list[Token], at: int, words: Vocabulary) -> Joined | None:
    token = tokens[at]
    match token.kind:
        case "number":
            joined = _with_unit(tokens, at, at + 1, number_key(token.text), words)
        case "sign":
            joined = _currency_first(tokens, at, words)
        case "date":
            joined = _numeric_date(tokens, at)
        case "time":
            joined = _time(tokens, at, words)
        case "phone":
            joined = _join(tokens, at, at + 1, "phone", _digits(token.text).removeprefix("00"))
        case "email":
            joined = _join(tokens, at, at + 1, "email", token.text.casefold())
        case "path":
            joined = _join(tokens, at, at + 1, "entity", token.text)
        case _:
            kind = "entity" if token.kind == "name" and "/" not in token.text else "url"
            joined = _join(tokens, at, at + 1, kind, address(token.text))
    return joined


def _digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(c)) for c in text if c.isdecimal())


def _currency_first(tokens: list[Token], at: int, words: Vocabulary) -> Joined | None:
    """ "$25", "$25 USD"."""
    if not _is_number(tokens, at + 1):
        return None
    value, currency, after = number_key(tokens[at + 1].text), words.currencies[tokens[at].text], at + 2
    if after < len(tokens) and tokens[after].kind == "word" and tokens[after].key in words.currencies:
        currency, after = words.currencies[str(tokens[after].key)], after + 1
    return _join(tokens, at, after, "amount", (currency, value))


def _time(tokens: list[Token], at: int, words: Vocabulary) -> Joined:
    hour, minute = (int(part) for part in tokens[at].text.split(":")[:2])
    after = at + 1
    if _key(tokens, after) in _HALVES:
        hour = hour % 12 + (12 if _key(tokens, after) == "pm" else 0)
        after += 1
    elif words.units.get(str(_key(tokens, after))) == "clock":
        after += 1
    return _join(tokens, at, after, "date", ("time", hour, minute))


def address(text: str) -> str:
    """Host and path without scheme and closing slash; "www." is kept apart only where a path follows."""
    rest = re.sub(r"^https?://", "", text, flags=re.IGNORECASE)
    host, slash, path = rest.partition("/")
    return (host.casefold() + slash + path).rstrip("/")


def _numeric_date(tokens: list[Token], at: int) -> Joined:
    """Year first is plain; dots put the day first; slashes do so only where the first part cannot be a month."""
    text = tokens[at].text.rstrip(".")
    parts = [int(part) for part in re.split(r"[-/.]", text)]
    if len(parts) == 2:
        return _join(tokens, at, at + 1, "date", (None, parts[1], parts[0]))
    if parts[0] > 31:
        return _join(tokens, at, at + 1, "date", (parts[0], parts[1], parts[2]))
    year = parts[2] + 2000 if parts[2] < 100 else parts[2]
    day_first = "." in text or parts[0] > 12
    day, month = (parts[0], parts[1]) if day_first else (parts[1], parts[0])
    return _join(tokens, at, at + 1, "date", (year, month, day))
