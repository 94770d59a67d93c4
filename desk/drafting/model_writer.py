"""Drafting with a language model: a structured answer with cited sources, or a failure; never loose text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from desk.drafting.context import DraftContext
from desk.drafting.written import WrittenDraft
from desk.errors import ModelUnavailableError
from desk.plain_text import clean_text
from desk.ports import ChatModel, ChatRequest, ChatTurn, Hit

SCHEMA_NAME = "support_reply"


def reply_schema(sources: int) -> dict[str, Any]:
    """The JSON the model must answer with; cited numbers can only be those of sources that were shown."""
    numbers: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": max(sources, 1)}
    return {
        "type": "object",
        "properties": {
            "reply": {"type": "string", "description": "The reply to the customer, as plain text."},
            "cited_sources": {"type": "array", "items": numbers},
            "language": {"type": "string", "description": "Two-letter code of the reply's language."},
            "needs_person": {"type": "boolean", "description": "The sources do not answer the question."},
        },
        "required": ["reply", "cited_sources", "language", "needs_person"],
        "additionalProperties": False,
    }


async def write_with_model(
    model: ChatModel,
    context: DraftContext,
    turns: tuple[ChatTurn, ...],
    hits: tuple[Hit, ...],
    *,
    temperature: float,
    max_tokens: int,
) -> WrittenDraft:
    """Raises ModelUnavailableError, with every attempt, when no provider gave a valid answer."""
    reply = await model.complete(
        ChatRequest(
            turns=turns,
            temperature=temperature,
            max_tokens=max_tokens,
            json_schema_name=SCHEMA_NAME,
            json_schema=reply_schema(len(hits)),
            safety_identifier=hashlib.sha256(f"{context.tenant_id}:{context.customer_id}".encode()).hexdigest()[:32],
        )
    )
    body, numbers = _read(reply.data, len(hits))
    if not body:
        msg = "the model answered with an empty reply"
        raise ModelUnavailableError(msg, reply.attempts)
    return WrittenDraft(
        body=body,
        writer="llm",
        used=tuple(hits[number - 1].item_id for number in numbers),
        model=reply.model,
        language=str(reply.data["language"])[:10].lower(),
        wants_person=bool(reply.data["needs_person"]),
        attempts=reply.attempts,
    )


def _read(data: Mapping[str, Any], sources: int) -> tuple[str, list[int]]:
    """A server without schema support may still cite a source that does not exist: that is no citation at all."""
    numbers = dict.fromkeys(int(number) for number in data["cited_sources"])
    return clean_text(str(data["reply"])).strip(), [number for number in numbers if 1 <= number <= sources]
