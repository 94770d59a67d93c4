"""An answer that goes out by itself, shown word by word while the visitor looks on.

Only what is in the thread is ever told, and a machine's answer is in the thread after all checks and the policy have
passed on the whole of it: nothing that a model writes is shown while it is being written.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from uuid import UUID

import msgspec

from desk.widget.visible import VisibleMessage

MOST_PARTS = 24
PART_SECONDS = 0.04
"""At most a second for the longest answer: it is there already, and nobody should be kept waiting for show."""
_WORD = re.compile(r"\S+\s*")


class Part(msgspec.Struct, frozen=True):
    """The beginning of a message that follows whole."""

    id: UUID
    seq: int
    text: str


async def parts_of(message: VisibleMessage) -> AsyncGenerator[Part]:
    """Growing beginnings, cut between words, none of them the whole."""
    ends = [found.end() for found in _WORD.finditer(message.body)]
    step = max(1, -(-len(ends) // MOST_PARTS))
    for end in ends[step - 1 : -1 : step]:
        yield Part(message.id, message.seq, message.body[:end].rstrip())
        await asyncio.sleep(PART_SECONDS)
