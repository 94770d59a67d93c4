"""The running text of one paragraph, heading or table cell, gathered from HTML nodes."""

from __future__ import annotations

import re

_WHITE_SPACE = re.compile(r"\s+")
_SPACES = re.compile(r" {2,}")
_AROUND_BREAK = re.compile(r" *\n *")
_SPACE_BEFORE_SEPARATOR = re.compile(r" +([;,] )")
_REACHABLE = re.compile(r"(?:https?://|mailto:|tel:)", re.I)
_STRUCK = "~~"
_MAXIMUM_LINK = 200
_MAXIMUM_ALTERNATIVE = 60
"""Characters; a longer description of a picture is no word of the sentence it stands in."""


class InlineText:
    """White space as a browser shows it; links as `text (address)` when the address works outside its site."""

    def __init__(self, *, with_addresses: bool = True) -> None:
        self._fragments: list[str] = []
        self._worded = False
        self._struck = 0
        self._with_addresses = with_addresses
        self._link: tuple[str, int] | None = None
        self._shown: set[str] = set()

    def add(self, text: str) -> None:
        text = _WHITE_SPACE.sub(" ", text)
        if text:
            self._fragments.append(text)
            self._worded = self._worded or text != " "

    def line_break(self) -> None:
        self._fragments.append("\n")

    def separate(self, separator: str) -> None:
        """Put `separator` between what came and what may come; several in a row count once."""
        if not self._worded:
            return
        if self._fragments[-1] == ", ":
            self._fragments[-1] = separator
        elif self._fragments[-1] != "; ":
            self._fragments.append(separator)

    def picture(self, alternative: str) -> None:
        """A picture inside a sentence stands for a word and one inside a link is its words; one alone says nothing."""
        if len(alternative) <= _MAXIMUM_ALTERNATIVE:
            self._fragments.append(_WHITE_SPACE.sub(" ", alternative))
            self._worded = self._worded or (self._link is not None and bool(alternative.strip()))

    def strike(self, *, opening: bool) -> None:
        """Struck out from here, or up to here; marks inside marks and around nothing are left out."""
        self._struck += 1 if opening else -1
        if self._struck != (1 if opening else 0):
            return
        if not opening and self._fragments and self._fragments[-1] == _STRUCK:
            self._fragments.pop()
        else:
            self._fragments.append(_STRUCK)

    def open_link(self, address: str) -> None:
        self._link = (_WHITE_SPACE.sub("", address), len(self._fragments))

    def close_link(self) -> None:
        if self._link is None:
            return
        address, start = self._link
        self._link = None
        text = "".join(self._fragments[start:]).strip()
        if not (text and self._with_addresses and self._worded):
            return
        if not _REACHABLE.match(address) or len(address) > _MAXIMUM_LINK:
            return
        shown = address.split(":", 1)[1] if address[:1].lower() in "mt" else address
        if _bare(shown) != _bare(text) and shown not in self._shown:
            self._shown.add(shown)
            self._fragments.append(f" ({shown})")

    def take(self, *, keep_pictures: bool = False) -> str:
        """The text so far, then start anew; empty when there were only pictures, unless they are kept."""
        text = "".join(self._fragments) if self._worded or keep_pictures else ""
        self._fragments.clear()
        self._worded = False
        self._shown.clear()
        if self._link is not None:
            self._link = (self._link[0], 0)
        text = _SPACE_BEFORE_SEPARATOR.sub(r"\1", _SPACES.sub(" ", text))
        return _AROUND_BREAK.sub("\n", text).strip()


def _bare(address: str) -> str:
    return address.lower().removeprefix("https://").removeprefix("http://").removeprefix("www.").rstrip("/")
