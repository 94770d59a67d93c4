"""Looking things up in Office XML by local names: Transitional, Strict and vendors' namespaces alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Final

_etree = import_module("lxml.etree")  # compiled and without stubs
XMLError: Final[type[Exception]] = _etree.LxmlError
_PARSER: Any = _etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
_MOST_CHART_ROWS = 500
_WORDS_OF_KIND: Final = re.compile(r"(?<=[a-z\d])(?=[A-Z])")


def root_of(part: Any) -> Any:
    """The XML of a package part, parsed by its library or, for kinds it does not know, here."""
    element: Any = getattr(part, "_element", None)
    return _etree.fromstring(part.blob, _PARSER) if element is None else element


def local_name(element: Any) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Any, name: str) -> str | None:
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return value
    return None


def child(element: Any, name: str) -> Any | None:
    return next((each for each in element if local_name(each) == name), None)


def children(element: Any, name: str) -> list[Any]:
    return [each for each in element if local_name(each) == name]


def path(element: Any | None, *names: str) -> Any | None:
    """The child of the child, down the names."""
    for name in names:
        if element is None:
            return None
        element = child(element, name)
    return element


def value(element: Any | None) -> str | None:
    """The `val` attribute, which is how Office says most things."""
    return None if element is None else attribute(element, "val")


def is_on(element: Any | None) -> bool:
    """A switch: there and not switched off (ECMA-376, ST_OnOff)."""
    return element is not None and (value(element) or "1") not in {"0", "false", "off"}


def descendants(element: Any, name: str) -> Iterator[Any]:
    return (each for each in element.iter() if local_name(each) == name)


def alternative(element: Any) -> Sequence[Any]:
    """What stands in an `mc:AlternateContent`: of the same thing in two forms, the one that holds text."""
    forms = [each for each in element if local_name(each) in {"Choice", "Fallback"}]
    told = [each for each in forms if any((text.text or "").strip() for text in descendants(each, "t"))]
    return list((told or forms)[0]) if forms else []


def chart(root: Any) -> tuple[str, list[list[str]]]:
    """Title or kind, and numbers of a chart part: a row for each category, a column for each series."""
    titles = list(descendants(root, "title"))[:1]
    title = "".join(text.text or "" for found in titles for text in descendants(found, "t")).strip()
    kind = next((name for each in root.iter() if (name := local_name(each)).endswith("Chart")), "Chart")
    words = _WORDS_OF_KIND.sub(" ", kind).replace("3 D", "").capitalize()
    title = f"{title} ({words.lower()})" if title else words
    series = list(descendants(root, "ser"))
    names = [_cached(child(each, "tx")) for each in series]
    values = [_cached(child(each, "val") if child(each, "val") is not None else child(each, "yVal")) for each in series]
    categories = max((_cached(child(each, "cat")) for each in series), key=len, default=list[str]())
    height = min(max((len(each) for each in (*values, categories)), default=0), _MOST_CHART_ROWS)
    if not height:
        return title, []
    columns = (categories, *values)
    rows = ([column[at] if at < len(column) else "" for column in columns] for at in range(height))
    return title, [["", *(" ".join(name) for name in names)], *rows]


def _cached(element: Any | None) -> list[str]:
    if element is None:
        return []
    return [(found.text or "").strip() for found in descendants(element, "v")][:_MOST_CHART_ROWS]
