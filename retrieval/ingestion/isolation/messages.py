"""What goes between the worker, the reading host and its children: length-prefixed MessagePack."""

from __future__ import annotations

import os
import select
import struct
import time
from typing import Literal

import msgspec

from retrieval.ingestion.read import ReadResult
from retrieval.ingestion.sitemap import Sitemap
from retrieval.ingestion.web_page import WebPage

Purpose = Literal["file", "page", "sitemap"]
"""Read it as a file, or look at what a crawler needs of it: `name` is its address then."""

_LENGTH = struct.Struct(">Q")
_PART = 1 << 20


class ReadRequest(msgspec.Struct):
    name: str
    media_type: str
    raw: bytes
    memory_bytes: int
    wall_seconds: float
    cpu_seconds: int
    answer_bytes: int
    purpose: Purpose = "file"


class ReadAnswer(msgspec.Struct):
    result: ReadResult | None = None
    page: WebPage | None = None
    sitemap: Sitemap | None = None
    refusal: str = ""
    """Why the file cannot be read; the sentence is shown to the person who added it."""
    defect: str = ""
    """An exception of ours or of a library, for the log."""
    out_of_memory: bool = False
    peak_bytes: int = 0
    seconds: float = 0.0


def send(descriptor: int, message: bytes) -> None:
    """Raises BrokenPipeError when nobody reads any more."""
    left = memoryview(_LENGTH.pack(len(message)) + message)
    while left:
        left = left[os.write(descriptor, left[:_PART]) :]


def receive(descriptor: int, *, most_bytes: int, until: float | None = None) -> bytes:
    """One message. `until`, by the monotonic clock: raises TimeoutError then.

    Raises EOFError when the other side is gone before the message is whole, ValueError when it is too long.
    """
    (length,) = _LENGTH.unpack(_exactly(descriptor, _LENGTH.size, until))
    if length > most_bytes:
        msg = f"a message of {length} bytes"
        raise ValueError(msg)
    return _exactly(descriptor, length, until)


def _exactly(descriptor: int, size: int, until: float | None) -> bytes:
    received = bytearray()
    while len(received) < size:
        if until is not None and not select.select([descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TimeoutError
        part = os.read(descriptor, min(_PART, size - len(received)))
        if not part:
            raise EOFError
        received += part
    return bytes(received)
