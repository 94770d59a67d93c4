"""What the widget's routes read and answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from desk.api.fields import Answer, Asked
from desk.widget.visible import VisibleConversation, VisibleMessage


class AskedIdentity(Asked):
    """Either a token, or an id and its signature."""

    token: str = ""
    """A JWT signed by the host site's server (`desk.widget.identity`)."""
    user_id: str = ""
    signature: str = ""
    """hex(HMAC-SHA256(the widget's signing secret, user_id)), made by the host site's server."""
    name: str = ""
    email: str = ""


class AskedLink(Asked):
    token: str
    """What stands in a mailed link."""


class AskedMessage(Asked):
    client_message_id: UUID
    body: str
    conversation_id: UUID | None = None
    page_url: str = ""
    page_title: str = ""
    name: str = ""
    email: str = ""
    wants_person: bool = False
    attachments: list[UUID] = msgspec.field(default_factory=list[UUID])


class AskedRead(Asked):
    seq: Annotated[int, msgspec.Meta(ge=0, le=2_000_000_000)]


class AskedRating(Asked):
    rating: int
    comment: str = ""


class AskedContact(Asked):
    email: str
    name: str = ""


class Appearance(Answer):
    language: str
    texts: dict[str, str]
    colour: str
    text_colour: str
    position: str
    logo_url: str
    ask_name: bool
    ask_email: bool
    form_required: bool
    suggest_faqs: bool
    longest_message: int
    largest_file: int
    """Bytes."""
    most_files: int
    is_away: bool


class TokenAnswer(Answer):
    token: str
    expires_at: datetime
    identified: bool
    conversation_id: UUID | None = None
    """The one to show, when there is one."""


class TakenAnswer(Answer):
    conversation_id: UUID
    message: VisibleMessage


class ConversationsAnswer(Answer):
    conversations: list[VisibleConversation]


class Suggestion(Answer):
    id: UUID
    question: str
    answer: str


class SuggestionsAnswer(Answer):
    suggestions: list[Suggestion]
