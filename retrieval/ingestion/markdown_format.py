"""Markdown as strangers' sites hold it: CommonMark with tables, and leftovers of Hugo, VuePress and MDX.

Rendered to HTML and read as such, so that HTML inside Markdown and Markdown mean the same.
"""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Final, cast

import yaml
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from .decoding import clean, decode
from .document import DocumentBuilder, Metadata
from .html_elements import KNOWN
from .html_format import read_markup
from .shortcodes import expand_shortcodes

_FRONT_MATTER = re.compile(
    r"\A\s*(?P<fence>---|\+\+\+)[ \t]*\n(?P<body>.{0,20000}?)\n(?P=fence)[ \t]*(?:\n|\Z)", re.DOTALL
)
_FENCE = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+){0,9}(?P<fence>`{3,}|~{3,})(?P<info>.*)")
_MAXIMUM_NESTING = 100
"""Of quotes, lists and emphasis; the parser leaves out what is deeper."""
_TAG_NAME = re.compile(r"</?([A-Za-z][\w-]*)")
_COMPONENT = re.compile(r"</?[A-Z][a-z]\w*")

_CONTAINER = re.compile(r"^(?P<indent>[ \t]*):{3,}[ \t]*(?P<kind>[\w-]*)[ \t]*(?P<title>.*)$", re.MULTILINE)
_CONTAINER_LABELS: Final = {
    "info": "Info",
    "note": "Note",
    "tip": "Tip",
    "important": "Important",
    "warning": "Warning",
    "caution": "Caution",
    "danger": "Danger",
    "details": "",
}
_ALERT = re.compile(r"^(?P<quote>[ \t]*>[ \t]*)\[!(?P<kind>\w{3,12})\][ \t]*$", re.MULTILINE)
_FOOTNOTE = re.compile(r"^\[\^([^\]\s]{1,60})\]:[ \t]*", re.MULTILINE)
_REMOVED = re.compile(
    r"""^(?:import\s[^\n]*\sfrom\s+["'][^\n]*      # MDX
        | export\s+(?:const|default|function)\b[^\n]*
        | \[\[toc\]\][ \t]* | \[toc\][ \t]*          # a table of contents made by the site
        | <<<\s*@[^\n]* | @\[code[^\n]*              # VuePress file includes
        | [ \t]*\{:[^}\n]*\}[ \t]*)$                 # kramdown attributes
      | [ \t]*\{\#[\w:.-]+\}[ \t]*$                  # heading anchors
      | \{/\*(?:[^*]|\*(?!/)){0,2000}\*/\}           # MDX comments
    """,
    re.VERBOSE | re.MULTILINE | re.IGNORECASE,
)


def read_markdown(raw: bytes, builder: DocumentBuilder) -> Metadata:
    text, front_matter = _split_front_matter(clean(decode(raw)))
    markup = _renderer().render("".join(_without_leftovers(text)))
    metadata = read_markup(markup, builder)
    return Metadata(front_matter.get("title", "") or metadata.title, front_matter.get("lang", "").split("-")[0].lower())


def _split_front_matter(text: str) -> tuple[str, dict[str, str]]:
    """YAML or TOML at the very top; anything there that is neither stays text."""
    match = _FRONT_MATTER.match(text)
    if match is None:
        return text, {}
    try:
        loaded: object = tomllib.loads(match["body"]) if match["fence"] == "+++" else yaml.safe_load(match["body"])
    except (tomllib.TOMLDecodeError, yaml.YAMLError, ValueError, RecursionError):
        return text, {}
    if not isinstance(loaded, dict):
        return text, {}
    fields = cast("dict[object, object]", loaded)
    return text[match.end() :], {
        str(key): str(value) for key, value in fields.items() if isinstance(value, str | int | float)
    }


def _without_leftovers(text: str) -> Iterator[str]:
    """The text again, code as it is and everything else without what only its site generator understands."""
    footnotes = set(_FOOTNOTE.findall(text))
    marks = re.compile("|".join(re.escape(f"[^{name}]") for name in footnotes)) if footnotes else None
    for piece, is_code in _pieces(text):
        yield piece if is_code else _expanded(piece, marks)


def _expanded(text: str, footnote_marks: re.Pattern[str] | None) -> str:
    text = expand_shortcodes(text)
    text = _CONTAINER.sub(_container, text)
    text = _ALERT.sub(lambda match: f"{match['quote']}**{match['kind'].capitalize()}:**", text)
    text = _REMOVED.sub("", text)
    return footnote_marks.sub("", _FOOTNOTE.sub("", text)) if footnote_marks else text


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """Fenced code blocks and what stands between them."""
    pending: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        match = _FENCE.match(line)
        if fence:
            pending.append(line)
            if match and match["fence"].startswith(fence) and not match["info"].strip():
                yield "".join(pending), True
                pending, fence = [], ""
        elif match and "`" not in match["info"]:
            yield "".join(pending), False
            pending, fence = [line], match["fence"]
        else:
            pending.append(line)
    yield "".join(pending), bool(fence)


def _container(match: re.Match[str]) -> str:
    """A container reads as a paragraph that begins with its title, as its site shows it."""
    title = match["title"].strip() or _CONTAINER_LABELS.get(match["kind"].lower(), "")
    if match["kind"].lower() not in _CONTAINER_LABELS or not title:
        return ""
    title = title if title.endswith(("?", "!", ".", ":")) else f"{title}:"
    return f"\n{match['indent']}**{title}**"


def _renderer() -> MarkdownIt:
    renderer = MarkdownIt("commonmark", {"html": True, "maxNesting": _MAXIMUM_NESTING}).enable(
        ["table", "strikethrough"]
    )
    renderer.add_render_rule("html_inline", _render_inline_html)
    renderer.add_render_rule("html_block", _render_html_block)
    return renderer


def _render_inline_html(
    _self: RendererProtocol, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    return _markup_or_words(tokens[index].content)


def _render_html_block(
    _self: RendererProtocol, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    markup = tokens[index].content
    shown = _markup_or_words(markup)
    return shown if shown == markup else f"<p>{shown}</p>"


def _markup_or_words(markup: str) -> str:
    """A tag is HTML, a component of the site (dropped by name), or a placeholder like `<your-domain>` (kept)."""
    name = _TAG_NAME.match(markup)
    if name is None or name.group(1).lower() in KNOWN or _COMPONENT.match(markup):
        return markup
    return html.escape(markup)
