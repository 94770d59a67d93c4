"""One provider: what is sent to it through its SDK, and what it turned out not to understand."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, cast

import groq
import msgspec
import openai

from connectors.llm import transport
from connectors.llm.answer import NOTHING, Answer, Spent, estimate, read_completion
from connectors.llm.configuration import ProviderConfiguration
from connectors.llm.failures import (
    CONTEXT_LENGTH,
    ErrorBody,
    Failure,
    from_connection,
    from_response,
    presentable,
    read_error,
)
from connectors.llm.profiles import Capabilities
from desk import egress
from desk.errors import InvalidInputError, RefusedAddressError
from desk.ports import ChatRequest, ChatTurn, Clock
from desk.secret import Secret

_UNSUPPORTED = (
    "unsupported", "not supported", "not support", "unrecognized", "unknown", "unexpected", "not permitted",
    "not allowed", "extra ", "invalid parameter", "must be", "invalid schema", "not available", "deprecated",
)  # fmt: skip
_NO_KEY = "none"
"""For servers without keys: the SDKs insist on one."""


class _Endpoint(Protocol):
    async def complete(self, parameters: Mapping[str, Any], seconds: float) -> bytes: ...

    async def close(self) -> None: ...


class _RawBody(Protocol):
    @property
    def content(self) -> bytes: ...


class _UnreadBody(Protocol):
    async def read(self) -> bytes: ...


class _OpenAIEndpoint:
    """OpenAI, OpenRouter and everything compatible."""

    def __init__(self, configuration: ProviderConfiguration, rules: egress.EgressRules) -> None:
        self._client = openai.AsyncOpenAI(
            base_url=configuration.base_url,
            api_key=configuration.api_key.reveal() or _NO_KEY,
            max_retries=0,
            timeout=configuration.timeout_seconds,
            http_client=transport.guarded_client(rules, egress.Caps(configuration.timeout_seconds)),
        )

    async def complete(self, parameters: Mapping[str, Any], seconds: float) -> bytes:
        # The raw body, because the SDK builds its models without checking a single type.
        create = self._client.chat.completions.with_raw_response.create
        raw = cast("_RawBody", await create(**parameters, timeout=seconds))
        return raw.content

    async def close(self) -> None:
        await self._client.close()


class _GroqEndpoint:
    def __init__(self, configuration: ProviderConfiguration, rules: egress.EgressRules) -> None:
        caps = egress.Caps(configuration.timeout_seconds)
        self._client = groq.AsyncGroq(
            base_url=configuration.base_url,
            api_key=configuration.api_key.reveal() or _NO_KEY,
            max_retries=0,
            timeout=configuration.timeout_seconds,
            http_client=egress.guarded_client(rules, caps, transport.NEEDED_HEADERS),
        )

    async def complete(self, parameters: Mapping[str, Any], seconds: float) -> bytes:
        create = self._client.chat.completions.with_raw_response.create
        raw = cast("_UnreadBody", await create(**parameters, timeout=seconds))
        return await raw.read()

    async def close(self) -> None:
        await self._client.close()


class Provider:
    """Asks one endpoint with one key for one model; remembers which parameters it refused."""

    def __init__(self, configuration: ProviderConfiguration, rules: egress.EgressRules, clock: Clock) -> None:
        self.configuration = configuration
        self.capabilities = configuration.capabilities
        self._clock = clock
        self._adapted: set[str] = set()
        self._endpoint: _Endpoint | None = None
        self._refusal = ""
        try:
            check_key(configuration.api_key)
            rules.check_url(configuration.base_url)
        except (RefusedAddressError, InvalidInputError) as error:
            self._refusal = presentable(error.detail, configuration.api_key)
        else:
            kind = _GroqEndpoint if configuration.vendor == "groq" else _OpenAIEndpoint
            self._endpoint = kind(configuration, rules)

    async def ask(self, request: ChatRequest, seconds: float) -> tuple[Answer | Failure, Spent]:
        """One call, of at most `seconds`. Never raises for what the other side does."""
        if self._endpoint is None:
            return Failure("unreachable", self._refusal, "aside"), NOTHING
        outcome = await self._exchange(self._endpoint, request, seconds)
        if isinstance(outcome, Failure):
            return outcome, estimate(self.configuration, request) if outcome.may_have_cost else NOTHING
        return read_completion(outcome, self.configuration, request)

    async def _exchange(self, endpoint: _Endpoint, request: ChatRequest, seconds: float) -> bytes | Failure:
        key = self.configuration.api_key
        parameters = parameters_of(request, self.configuration.model, self.capabilities)
        try:
            async with asyncio.timeout(seconds):
                return await endpoint.complete(parameters, seconds)
        except (openai.APIStatusError, groq.APIStatusError) as error:
            failure = from_response(error, key, self._clock.now())
            return self._adapt(error.status_code, read_error(error.body), failure)
        except (openai.APIConnectionError, groq.APIConnectionError) as error:
            return from_connection(error, key)
        except RefusedAddressError as error:  # the openai SDK lets it through, groq's wraps it
            return Failure("unreachable", presentable(error.detail, key), "aside")
        except TimeoutError:
            detail = f"no complete answer within {seconds:.1f} s"
            return Failure("timeout", detail, "again", strike=True, may_have_cost=True)
        except (openai.OpenAIError, groq.GroqError) as error:
            detail = presentable(f"{type(error).__name__}: {error}", key)
            return Failure("error", detail, "next", strike=True, may_have_cost=True)

    async def close(self) -> None:
        if self._endpoint is not None:
            await self._endpoint.close()

    def _adapt(self, status: int, told: ErrorBody, failure: Failure) -> Failure:
        """Give up the parameter a 400 names, once each, for the rest of this provider's life."""
        if status not in (400, 422) or failure.detail.startswith(CONTEXT_LENGTH):
            return failure
        found = _lesser(self.capabilities, told)
        if found is None or found[0] in self._adapted:
            return failure
        what, self.capabilities = found
        self._adapted.add(what)
        detail = presentable(f"does not take {what}: {told.message}", self.configuration.api_key)
        return Failure("error", detail, "adapted")


def check_key(key: Secret) -> None:
    """Raises InvalidInputError for a key no header can carry; the HTTP library's own error would quote it."""
    if any(not "!" <= character <= "~" for character in key.reveal()):
        msg = "The API key holds spaces or characters that no key has: copy it again."
        raise InvalidInputError(msg)


def parameters_of(request: ChatRequest, model: str, capabilities: Capabilities) -> dict[str, Any]:
    """The keyword arguments of `chat.completions.create`, for what this endpoint understands."""
    parameters: dict[str, Any] = {
        "model": model,
        "messages": _messages(request, capabilities),
        capabilities.limit_parameter: request.max_tokens + capabilities.reasoning_tokens,
    }
    if capabilities.temperature:
        parameters["temperature"] = request.temperature
    if capabilities.json_mode == "json_schema":
        schema = {"name": request.json_schema_name, "strict": True, "schema": dict(request.json_schema)}
        parameters["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif capabilities.json_mode == "json_object":
        parameters["response_format"] = {"type": "json_object"}
    if capabilities.store:
        parameters["store"] = False
    if capabilities.safety_identifier:
        parameters["safety_identifier"] = request.safety_identifier
    if capabilities.reports_cost:
        parameters["extra_body"] = {"usage": {"include": True}}
    return parameters


def _messages(request: ChatRequest, capabilities: Capabilities) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": turn.role, "content": _content(turn)} for turn in request.turns]
    if capabilities.json_mode == "json_schema":
        return messages
    schema = msgspec.json.encode(dict(request.json_schema)).decode()
    told = f"Answer with one JSON object and nothing else. It must fit this JSON Schema:\n{schema}"
    # Into the first system turn, because some templates take a single one and only at the start.
    if messages and messages[0]["role"] == "system":
        messages[0]["content"] += f"\n\n{told}"
        return messages
    return [{"role": "system", "content": told}, *messages]


def _content(turn: ChatTurn) -> str | list[dict[str, Any]]:
    # A lone surrogate in a customer's words cannot be sent as UTF-8.
    words = turn.content.encode(errors="replace").decode()
    if not turn.pictures:
        return words
    parts: list[dict[str, Any]] = [{"type": "text", "text": words}]
    for picture in turn.pictures:
        address = f"data:{picture.media_type};base64,{base64.b64encode(picture.content).decode()}"
        parts.append({"type": "image_url", "image_url": {"url": address}})
    return parts


def _lesser(capabilities: Capabilities, told: ErrorBody) -> tuple[str, Capabilities] | None:
    """The parameter that is to go, with its mode where it has several, and what is left."""
    text = f"{told.parameter} {told.message}".lower()
    if not any(word in f"{told.code} {told.type} {text}".lower() for word in _UNSUPPORTED):
        return None
    if any(word in text for word in ("response_format", "response format", "json_schema", "json_object")):
        if capabilities.json_mode == "prompt":
            return None
        lower = "json_object" if capabilities.json_mode == "json_schema" else "prompt"
        what = f"response_format {capabilities.json_mode}"
        return what, replace(capabilities, json_mode=lower)
    if capabilities.limit_parameter in text:
        other = "max_tokens" if capabilities.limit_parameter == "max_completion_tokens" else "max_completion_tokens"
        return capabilities.limit_parameter, replace(capabilities, limit_parameter=other)
    for name in ("temperature", "store", "safety_identifier"):
        if name in text and getattr(capabilities, name):
            return name, replace(capabilities, **cast("dict[str, Any]", {name: False}))
    return None
