"""A completion's body: the JSON object in it, or why it is none, and what it cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, cast

import msgspec

from connectors.llm.configuration import ProviderConfiguration
from connectors.llm.failures import Failure, from_status, presentable, read_error
from connectors.llm.schema import violations
from desk.ports import ChatRequest

_MICRO_USD = Decimal("0.000001")
_MILLION = Decimal(1_000_000)
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL)
_NULL = msgspec.Raw(b"null")
PICTURE_TOKENS = 1_000
"""About what vendors count for one, where nobody told."""


class _Message(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []
    usage: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _PromptDetails | None = None
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    tokens_in: int = 0
    tokens_out: int = 0
    usd: Decimal = Decimal(0)
    """Rounded to a millionth."""
    estimated: bool = False


NOTHING = Spent()


@dataclass(frozen=True, slots=True)
class Answer:
    data: Mapping[str, Any]


def estimated_tokens(text: str) -> int:
    """A quarter of the UTF-8 bytes, rounded up: near enough for a ledger entry marked as estimated."""
    return -(-len(text.encode(errors="replace")) // 4)


def estimate(configuration: ProviderConfiguration, request: ChatRequest, answered: str = "") -> Spent:
    """What a call probably cost whose usage nobody told."""
    tokens_in = sum(estimated_tokens(turn.content) + PICTURE_TOKENS * len(turn.pictures) for turn in request.turns)
    tokens_out = estimated_tokens(answered)
    return Spent(tokens_in, tokens_out, _cost(configuration, tokens_in, tokens_out, 0), estimated=True)


def read_completion(
    body: bytes, configuration: ProviderConfiguration, request: ChatRequest
) -> tuple[Answer | Failure, Spent]:
    """Judge the body of a 200: only a finished, complete answer that fits the schema is one."""
    try:
        completion = msgspec.json.decode(body, type=_Completion)
        error = msgspec.json.decode(completion.error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        failure = Failure("invalid", "the body is no chat completion", "again", strike=True, may_have_cost=True)
        return failure, estimate(configuration, request)
    content = (completion.choices[0].message.content or "") if completion.choices else ""
    spent = _spent(completion, configuration, request, content)
    if error is not None:
        told = read_error(error)
        status = int(told.code) if told.code.isascii() and told.code.isdigit() and len(told.code) == 3 else 502
        return from_status(status, told, None, configuration.api_key), spent
    if not completion.choices:
        return Failure("invalid", "the completion has no choices", "again"), spent
    return _judge(completion.choices[0], content, configuration, request), spent


def _judge(
    choice: _Choice, content: str, configuration: ProviderConfiguration, request: ChatRequest
) -> Answer | Failure:
    reason = choice.finish_reason
    if choice.message.refusal or reason == "content_filter":
        told = presentable(choice.message.refusal or "content filter", configuration.api_key)
        return Failure("refused", f"the model declined: {told}", "next")
    if reason is None:
        return Failure("invalid", "no finish_reason: the answer broke off", "again")
    if reason == "length":
        return Failure("invalid", "cut at the token limit (finish_reason length)", "next")
    if reason != "stop":
        return Failure("invalid", presentable(f"finish_reason {reason}", configuration.api_key), "again")
    if not content.strip():
        return Failure("invalid", "the answer is empty", "again")
    return _parse(content, request)


def _parse(content: str, request: ChatRequest) -> Answer | Failure:
    fenced = _FENCED.fullmatch(content)
    try:
        data: Any = msgspec.json.decode(fenced.group(1) if fenced else content)
        wrong = next(violations(data, request.json_schema), None)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Failure("invalid", "the answer is not JSON", "again")
    if not isinstance(data, dict):
        return Failure("invalid", "the answer is not a JSON object", "again")
    if wrong is not None:
        return Failure("invalid", f"the answer does not fit the schema: {wrong}"[:300], "again")
    return Answer(cast("dict[str, Any]", data))


def _spent(completion: _Completion, configuration: ProviderConfiguration, request: ChatRequest, content: str) -> Spent:
    try:
        usage = msgspec.json.decode(completion.usage, type=_Usage)
    except msgspec.DecodeError:  # null, or a shape of its own
        return estimate(configuration, request, content)
    tokens_in, tokens_out = max(usage.prompt_tokens, 0), max(usage.completion_tokens, 0)
    if configuration.capabilities.reports_cost and usage.cost is not None and usage.cost >= 0:
        return Spent(tokens_in, tokens_out, _rounded(usage.cost))
    cached = (usage.prompt_tokens_details.cached_tokens or 0) if usage.prompt_tokens_details else 0
    cached = min(max(cached, 0), tokens_in)
    return Spent(tokens_in, tokens_out, _cost(configuration, tokens_in, tokens_out, cached))


def _cost(configuration: ProviderConfiguration, tokens_in: int, tokens_out: int, cached: int) -> Decimal:
    price = configuration.price
    if price is None:
        return Decimal(0)
    cached_in = price.tokens_in if price.cached_in is None else price.cached_in
    total = price.tokens_in * (tokens_in - cached) + cached_in * cached + price.tokens_out * tokens_out
    return _rounded(total / _MILLION)


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(_MICRO_USD, ROUND_HALF_EVEN)
