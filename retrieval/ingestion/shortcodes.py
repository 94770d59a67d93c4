"""Hugo shortcodes (`{{< note "..." >}}`, `{{% def ... %}}`) in Markdown that is read without its site."""

from __future__ import annotations

import re
from typing import Final

_SHORTCODE = re.compile(
    r"""\{\{[<%]\s*(?P<end>/?)\s*(?P<name>[\w./-]{1,60})
        (?P<arguments>(?:"(?:\\.|[^"\\]){0,5000}"|`[^`]{0,5000}`|[^"`{}]){0,200}?)
        \s*/?\s*[>%]\}\}""",
    re.VERBOSE,
)
_ARGUMENT = re.compile(
    r"""(?:(?P<key>[\w-]+)\s*=\s*)?(?:"(?P<quoted>(?:\\.|[^"\\])*)"|`(?P<raw>[^`]*)`|(?P<bare>[^\s"`]+))"""
)
_ESCAPE = re.compile(r'\\(["\\])')

_TITLE_AND_TEXT: Final = {"note": (1, 0), "alert": (2, 3)}
"""Where a shortcode with positional arguments keeps its title and its text."""
_PROSE_KEYS: Final = ("title", "text", "caption", "content", "message", "summary")
_MINIMUM_WORDS = 3
"""An argument of an unknown shortcode with fewer words is a class, an icon or an anchor."""


def expand_shortcodes(text: str) -> str:
    """Each shortcode replaced by the Markdown a reader of the site would see, as far as its arguments hold it."""
    return _SHORTCODE.sub(_replacement, text)


def _replacement(match: re.Match[str]) -> str:
    if match["end"]:
        return ""
    positional: list[str] = []
    named: dict[str, str] = {}
    for argument in _ARGUMENT.finditer(match["arguments"]):
        value = next((part for part in argument.group("quoted", "raw", "bare") if part is not None), "")
        value = _ESCAPE.sub(r"\1", value)
        if argument["key"]:
            named[argument["key"].lower()] = value
        else:
            positional.append(value)
    return _render(match["name"].lower(), positional, named)


def _render(name: str, positional: list[str], named: dict[str, str]) -> str:
    if name in _TITLE_AND_TEXT and positional:
        title_at, text_at = _TITLE_AND_TEXT[name]
        return _titled(_at(positional, title_at), _at(positional, text_at))
    if name in {"hotkey", "kbd"}:
        return "/".join(positional)
    if name in {"ref", "relref"}:
        return _at(positional, 0) or named.get("path", "")
    if name == "link":
        address, text = _at(positional, 2), _at(positional, 3)
        return f"[{text}]({address})" if text else ""
    if name == "def":
        term = named.get("name") or named.get("english", "")
        short = named.get("abbr", "")
        return _titled(f"{term} ({short})" if term and short else term or short, "")
    prose = [named[key] for key in _PROSE_KEYS if key in named]
    prose += [value for value in positional if _is_prose(value)]
    return " ".join(prose)


def _titled(title: str, text: str) -> str:
    title = title.strip().rstrip(":")
    return f"**{title}:** {text}" if title else text


def _at(values: list[str], index: int) -> str:
    return values[index] if index < len(values) else ""


def _is_prose(value: str) -> bool:
    return "<" not in value and sum(word.strip(".,;:!?").isalpha() for word in value.split()) >= _MINIMUM_WORDS
