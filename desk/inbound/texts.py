"""The words of an inbound message as they are stored."""

from __future__ import annotations

from desk.intake import LONGEST_BODY
from desk.plain_text import clean_line, clean_text
from desk.ports import InboundMessage

WITHOUT_WORDS = "(This message has no text.)"
CUT = "\n\n(The rest was left out here: the message is longer than the desk shows.)"
LONGEST_NAME = 200


def body_of(message: InboundMessage) -> str:
    body = clean_text(message.body).strip() or WITHOUT_WORDS
    return body if len(body) <= LONGEST_BODY else body[:LONGEST_BODY] + CUT


def name_of(message: InboundMessage) -> str:
    return clean_line(message.sender.name)[:LONGEST_NAME] or message.sender.address


def shown_quote(message: InboundMessage) -> str:
    return clean_text(message.quoted)[:LONGEST_BODY]
