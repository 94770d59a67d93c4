"""What a file is, by its first bytes: names and declared types are wishes (WHATWG "MIME Sniffing" for texts)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import puremagic
from puremagic import PureError

BINARY = "application/octet-stream"
SHOWN_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Pictures that carry no script; everything else is only ever saved."""
_NAMED_TYPES = SHOWN_TYPES | {"application/pdf", "application/zip", "text/plain"}
_HEAD = 4096
_MARKS = (
    ("image/png", 0, b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", 0, b"\xff\xd8\xff"),
    ("image/gif", 0, b"GIF87a"),
    ("image/gif", 0, b"GIF89a"),
    ("image/webp", 8, b"WEBPVP"),
    ("application/pdf", 0, b"%PDF-"),
)
_MARKUP = (
    (b"<svg", "image/svg+xml"),
    (b"<!doctype html", "text/html"),
    (b"<html", "text/html"),
    (b"<head", "text/html"),
    (b"<body", "text/html"),
    (b"<script", "text/html"),
    (b"<iframe", "text/html"),
    (b"<img", "text/html"),
    (b"<?xml", "text/xml"),
)
_PROGRAM = "this is a program; programs are not taken, send it in another way"


@dataclass(frozen=True, slots=True)
class Sniffed:
    media_type: str
    refusal: str = ""
    """Why it is not taken; empty for what is."""


def sniff(content: bytes) -> Sniffed:
    """The type of the bytes alone."""
    head = content[:_HEAD]
    if not head:
        return Sniffed(BINARY, "the file is empty")
    for media_type, offset, mark in _MARKS:
        if head.startswith(mark, offset):
            return Sniffed(media_type)
    if head.startswith(b"\x7fELF") or (head.startswith(b"MZ") and b"PE\0\0" in head):
        return Sniffed("application/x-executable", _PROGRAM)
    if _is_text(head):
        lowered = head.lower()
        return Sniffed(next((media_type for mark, media_type in _MARKUP if mark in lowered), "text/plain"))
    return Sniffed(_by_signature(head))


def served_type(media_type: str) -> str:
    """What it may be called when it is handed out: nothing that a browser would run or render as a page."""
    return media_type if media_type in _NAMED_TYPES else BINARY


def is_picture(media_type: str) -> bool:
    return media_type in SHOWN_TYPES


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if any(byte < 0x20 and byte not in b"\t\n\f\r\x1b" for byte in head):
        return False
    try:
        # The last letter may be cut in two.
        head.decode("utf-8", errors="strict" if len(head) < _HEAD else "ignore")
    except UnicodeDecodeError:
        return False
    return True


def _by_signature(head: bytes) -> str:
    """Never one of the shown types: those have been looked for already, byte by byte."""
    try:
        found: list[Any] = puremagic.magic_string(head)  # pyright: ignore[reportUnknownMemberType] - half typed
    except (PureError, ValueError):
        return BINARY
    named: str = next((one.mime_type for one in found if one.mime_type), BINARY)
    return BINARY if is_picture(named) or named.startswith(("text/", "image/svg")) else named
