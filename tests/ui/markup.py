"""What every rendered page must keep to: nothing inline, everything labelled, headings in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from selectolax.lexbor import LexborHTMLParser as HTMLParser
from selectolax.lexbor import LexborNode as Node

_FIELDS = "input:not([type=hidden]), select, textarea:not([hidden])"


def faults(page: HTMLParser, *, is_whole: bool = True) -> list[str]:
    found = [*_inline(page), *_labels(page), *_ids(page)]
    return found + ([*_headings(page), *_landmarks(page)] if is_whole else [])


def _inline(page: HTMLParser) -> Iterator[str]:
    for node in page.css("*"):
        for name in node.attributes:
            if name == "style" or name.startswith(("on", "hx-on", "hx-vars")):
                yield f"attribute {name} on <{node.tag}>"
        for value in (node.attributes.get("href"), node.attributes.get("src")):
            if value and value.strip().lower().startswith(("javascript:", "data:", "//")):
                yield f"address {value[:40]} on <{node.tag}>"
        if (node.attributes.get("hx-vals") or "").strip().startswith("js:"):
            yield "hx-vals is evaluated"
    yield from ("inline <style>" for _ in page.css("style"))
    yield from ("inline <script>" for node in page.css("script") if not node.attributes.get("src"))
    for node in page.css("script[src], link[href], img[src]"):
        address = node.attributes.get("src") or node.attributes.get("href") or ""
        if not address.startswith("/"):
            yield f"loads {address}"


def _labels(page: HTMLParser) -> Iterator[str]:
    targets = {label.attributes.get("for") for label in page.css("label[for]")}
    for node in page.css(_FIELDS):
        is_wrapped = any(parent.tag == "label" for parent in _parents(node))
        if not (node.attributes.get("aria-label") or node.attributes.get("id") in targets or is_wrapped):
            yield f"field {node.attributes.get('name')} has no label"
    for node in page.css("button, a[href]"):
        if not (node.text(strip=True) or node.attributes.get("aria-label")):
            yield f"<{node.tag}> without words: {node.html}"
    for node in page.css("nav, dialog, [role=region]"):
        if not (node.attributes.get("aria-label") or node.attributes.get("aria-labelledby")):
            yield f"<{node.tag}> without a name"


def _ids(page: HTMLParser) -> Iterator[str]:
    ids = Counter(node.attributes["id"] for node in page.css("[id]"))
    yield from (f"id {name} stands {count} times" for name, count in ids.items() if count > 1)
    for name in ("aria-labelledby", "aria-controls", "aria-describedby"):
        for node in page.css(f"[{name}]"):
            if node.attributes[name] not in ids:
                yield f"{name} points at nothing: {node.attributes[name]}"


def _headings(page: HTMLParser) -> Iterator[str]:
    levels = [
        int(node.tag[1])
        for node in page.css("h1, h2, h3, h4")
        if not any(parent.tag in {"dialog", "aside"} for parent in _parents(node))
    ]
    if levels.count(1) < 1:
        yield "no <h1>"
    yield from (f"h{after} after h{before}" for before, after in pairwise(levels) if after > before + 1)


def _landmarks(page: HTMLParser) -> Iterator[str]:
    if len(page.css("main")) != 1:
        yield "not one <main>"
    if page.css_first("html").attributes.get("lang") != "en":
        yield "no language"
    title = page.css_first("title")
    if title is None or not title.text(strip=True):
        yield "no title"


def _parents(node: Node) -> Iterator[Node]:
    above = node.parent
    while above is not None:
        yield above
        above = above.parent
