"""The fallback chain against a real server on loopback, through the real SDKs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from connectors.llm.breaker import BreakerRules, Breakers
from connectors.llm.chain import FallbackChain, RetryRules, build_chat_model
from connectors.llm.configuration import ProviderConfiguration
from connectors.llm.profiles import Capabilities, Price, capabilities_of
from connectors.llm.transport import NEEDED_HEADERS
from desk.egress import EgressRules
from desk.errors import ModelUnavailableError
from desk.ports import ChatRequest, ChatTurn
from desk.secret import Secret
from tests.connectors.llm.scripted_server import ScriptedServer, Step, scripted_server

KEY = "sk-never-to-be-seen-0123456789"
SCHEMA = {
    "type": "object",
    "properties": {
        "reply": {"type": "string", "minLength": 1},
        "sources": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["reply", "sources"],
    "additionalProperties": False,
}
GOOD = {"content": '{"reply": "Hello", "sources": [1]}'}
RULES = EgressRules(allowed_hosts=frozenset({"127.0.0.1"}))
QUICK = RetryRules(first_wait_seconds=0.01, patience_seconds=0.05)


class SetClock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def pass_seconds(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def request(deadline: float = 5.0) -> ChatRequest:
    turns = (ChatTurn("system", "You draft replies."), ChatTurn("user", "When is my invoice due?"))
    return ChatRequest(turns, 0.2, 300, "draft", SCHEMA, "hash-of-somebody", deadline)


def provider(base_url: str, name: str = "first", **changes: Any) -> ProviderConfiguration:
    plain = ProviderConfiguration(
        name,
        base_url,
        Secret(KEY),
        f"model-of-{name}",
        price=Price(Decimal(2), Decimal(8), Decimal(1)),
        timeout_seconds=3,
    )
    return replace(plain, **changes)


@asynccontextmanager
async def chain(
    *configurations: ProviderConfiguration, clock: SetClock | None = None, breakers: Breakers | None = None
) -> AsyncIterator[FallbackChain]:
    model = build_chat_model(configurations, RULES, clock or SetClock(), breakers, QUICK)
    try:
        yield model
    finally:
        await model.close()


@asynccontextmanager
async def pair(
    first: Sequence[Step], second: Sequence[Step] = (), clock: SetClock | None = None
) -> AsyncIterator[tuple[FallbackChain, ScriptedServer]]:
    """A chain of two providers, and the server of the first."""
    async with (
        scripted_server(*first) as (server, url),
        scripted_server(*second) as (_, other),
        chain(provider(url), provider(other, "second"), clock=clock) as model,
    ):
        yield model, server


async def failing(model: FallbackChain, asked: ChatRequest | None = None) -> ModelUnavailableError:
    with pytest.raises(ModelUnavailableError) as caught:
        await model.complete(asked or request())
    return caught.value


def outcomes(attempts: Sequence[Any]) -> list[tuple[str, str]]:
    return [(attempt.provider, attempt.outcome) for attempt in attempts]


async def test_a_good_answer_comes_with_its_tokens_and_cost() -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 400}}
    async with scripted_server(GOOD | {"usage": usage}) as (server, url), chain(provider(url)) as model:
        reply = await model.complete(request())
    assert reply.data == {"reply": "Hello", "sources": [1]}
    assert (reply.provider, reply.model) == ("first", "model-of-first")
    (attempt,) = reply.attempts
    assert (attempt.outcome, attempt.tokens_in, attempt.tokens_out, attempt.estimated) == ("answered", 1000, 50, False)
    assert attempt.usd == Decimal("0.002000")  # 600 x 2 + 400 x 1 + 50 x 8 dollars per million
    assert server.requests[0]["headers"]["authorization"] == f"Bearer {KEY}"


OPENAI_GETS = {
    "store": False,
    "safety_identifier": "hash-of-somebody",
    "temperature": 0.2,
    "max_completion_tokens": 300,
}
JSON_OBJECT = {"response_format": {"type": "json_object"}}


@pytest.mark.parametrize(
    ("vendor", "model", "sent", "absent"),
    [
        ("openai", "gpt-4.1-mini", OPENAI_GETS, {"max_tokens", "user"}),
        ("openai", "gpt-5-mini", {"store": False, "max_completion_tokens": 2300}, {"temperature", "max_tokens"}),
        (
            "openrouter",
            "openai/gpt-4o",
            {"usage": {"include": True}, "max_tokens": 300},
            {"store", "safety_identifier"},
        ),
        ("groq", "llama-3.3-70b-versatile", {"max_completion_tokens": 300} | JSON_OBJECT, {"store"}),
        ("compatible", "qwen", {"max_tokens": 300} | JSON_OBJECT, {"store", "max_completion_tokens"}),
    ],
)
async def test_each_vendor_gets_the_parameters_it_knows(
    vendor: Any, model: str, sent: Mapping[str, Any], absent: set[str]
) -> None:
    async with scripted_server() as (server, url):
        base_url = url.removesuffix("/v1") if vendor == "groq" else url
        configuration = provider(base_url, vendor=vendor, model=model, capabilities=capabilities_of(vendor, model))
        async with chain(configuration) as chat:
            await chat.complete(request())
    (asked,) = server.requests
    assert asked["path"] == ("/openai/v1/chat/completions" if vendor == "groq" else "/v1/chat/completions")
    assert {key: asked["body"][key] for key in sent} == sent
    assert not absent & set(asked["body"])
    told = asked["body"].get("response_format", {}).get("type") == "json_schema"
    assert told or "JSON Schema" in asked["body"]["messages"][0]["content"]


async def test_nothing_of_the_environment_travels_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-operator")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-operator: secret")
    monkeypatch.setenv("GROQ_CUSTOM_HEADERS", "x-operator: secret")
    async with scripted_server() as (server, url):
        both = provider(url), provider(url.removesuffix("/v1"), "second", vendor="groq")
        for configuration in both:
            async with chain(configuration) as model:
                await model.complete(request())
    for asked in server.requests:
        assert set(asked["headers"]) <= NEEDED_HEADERS | {"connection"}


UNUSABLE: list[tuple[Step, str]] = [
    ({"content": ""}, "empty"),
    ({"content": "  \n"}, "empty"),
    ({"content": None}, "empty"),
    ({"content": "Dear customer"}, "not JSON"),
    ({"content": '{"reply": "Hel'}, "not JSON"),
    ({"content": "[]"}, "not"),
    ({"content": '{"reply": 7, "sources": []}'}, "$.reply"),
    ({"content": '{"reply": "", "sources": []}'}, "$.reply"),
    ({"content": '{"reply": "x"}'}, "$.sources"),
    ({"content": '{"reply": "x", "sources": [], "to": "eve@example.com"}'}, "not in the schema"),
    ({"content": '{"reply": "x", "sources": [true]}'}, "$.sources[0]"),
    ({"content": '{"reply": "x", "sources": ' + "[" * 5000}, "not JSON"),
    (GOOD | {"finish_reason": "length"}, "length"),
    (GOOD | {"finish_reason": None}, "finish_reason"),
    (GOOD | {"finish_reason": "tool_calls"}, "finish_reason"),
    ({"json": {"choices": []}}, "no choices"),
    ({"json": {"choices": [{"message": {"content": 3}}]}}, "no chat completion"),
    ({"json": "surprise"}, "no chat completion"),
    ({"text": "<html>It works!</html>"}, "no chat completion"),
    ({"text": ""}, "no chat completion"),
]


@pytest.mark.parametrize(("step", "reason"), UNUSABLE)
async def test_an_unusable_answer_is_a_failed_attempt_and_the_next_provider_answers(step: Step, reason: str) -> None:
    async with pair([step, step], [GOOD]) as (model, _):
        reply = await model.complete(request())
    assert reply.provider == "second"
    assert [attempt.outcome for attempt in reply.attempts[:-1]] == ["invalid"] * (len(reply.attempts) - 1)
    assert reason in reply.attempts[0].detail


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        ({"content": None, "refusal": "I cannot help"}, "refused"),
        ({"finish_reason": "content_filter"}, "refused"),
        ({"finish_reason": "length"}, "invalid"),
    ],
)
async def test_what_would_end_the_same_way_is_not_paid_for_twice(step: Step, outcome: str) -> None:
    async with pair([step], [GOOD]) as (model, server):
        reply = await model.complete(request())
    assert outcomes(reply.attempts) == [("first", outcome), ("second", "answered")]
    assert len(server.requests) == 1


FAILING: list[tuple[Step, str]] = [
    ({"status": 500, "json": {"error": {"message": "boom"}}}, "error"),
    ({"status": 502, "text": "<html>Bad gateway</html>"}, "error"),
    ({"status": 503, "text": ""}, "error"),
    ({"status": 498, "json": {"error": {"message": "no flex capacity"}}}, "error"),
    ({"status": 200, "json": {"error": {"code": 502, "message": "upstream broke"}}}, "error"),
    ({"reset": True}, "unreachable"),
    ({"status": 429, "json": {"error": {"code": "rate_limit_exceeded", "message": "slow down"}}}, "rate_limited"),
]


@pytest.mark.parametrize(("step", "outcome"), FAILING)
@pytest.mark.parametrize("vendor", ["compatible", "groq"])
async def test_a_passing_trouble_is_tried_again(step: Step, outcome: str, vendor: Any) -> None:
    async with scripted_server(step, GOOD) as (_, url):
        base_url = url.removesuffix("/v1") if vendor == "groq" else url
        async with chain(provider(base_url, vendor=vendor)) as model:
            reply = await model.complete(request())
    assert outcomes(reply.attempts) == [("first", outcome), ("first", "answered")]


async def test_when_nobody_answers_every_attempt_is_told() -> None:
    broken: Step = {"status": 500, "json": {"error": {"message": "boom"}}}
    async with pair([broken] * 9, [broken] * 9) as (model, _):
        error = await failing(model)
    assert outcomes(error.attempts) == [("first", "error")] * 2 + [("second", "error")] * 4
    assert "boom" in error.detail


async def test_an_empty_chain_says_so() -> None:
    async with chain() as model:
        assert "configured" in (await failing(model)).detail


async def test_retry_after_is_waited_for_when_short() -> None:
    limited: Step = {"status": 429, "headers": {"retry-after": "0.3"}, "json": {"error": {"message": "slow down"}}}
    async with scripted_server(limited, GOOD) as (_, url), chain(provider(url)) as model:
        started = asyncio.get_running_loop().time()
        await model.complete(request())
        assert 0.3 <= asyncio.get_running_loop().time() - started < 2


async def test_a_long_retry_after_goes_to_the_fallback_and_is_honoured_by_the_next_draft() -> None:
    limited: Step = {"status": 429, "headers": {"retry-after": "20"}, "json": {"error": {"message": "slow down"}}}
    clock = SetClock()
    async with pair([limited], clock=clock) as (model, server):
        assert (await model.complete(request())).provider == "second"
        assert outcomes((await model.complete(request())).attempts)[0] == ("first", "skipped")
        assert len(server.requests) == 1
        clock.pass_seconds(21)
        assert (await model.complete(request())).provider == "first"


async def test_a_retry_after_beyond_the_deadline_ends_at_once() -> None:
    limited: Step = {"status": 429, "headers": {"retry-after": "60"}, "json": {"error": {"message": "slow down"}}}
    async with scripted_server(limited) as (_, url), chain(provider(url)) as model:
        started = asyncio.get_running_loop().time()
        await failing(model, request(deadline=5))
        assert asyncio.get_running_loop().time() - started < 1


@pytest.mark.parametrize("step", [GOOD | {"delay": 30}, GOOD | {"drip": 0.05}])
async def test_a_slow_provider_leaves_time_for_the_next(step: Step) -> None:
    async with pair([step], [GOOD]) as (model, _):
        started = asyncio.get_running_loop().time()
        reply = await model.complete(request(deadline=1.0))
        assert asyncio.get_running_loop().time() - started < 1.0
    assert outcomes(reply.attempts) == [("first", "timeout"), ("second", "answered")]
    assert reply.attempts[0].estimated
    assert reply.attempts[0].tokens_in > 0


async def test_the_deadline_holds_for_the_whole_chain() -> None:
    slow: Step = GOOD | {"delay": 30}
    async with pair([slow] * 9, [slow] * 9) as (model, _):
        started = asyncio.get_running_loop().time()
        error = await failing(model, request(deadline=0.6))
        assert asyncio.get_running_loop().time() - started < 1.0
    assert {outcome for _, outcome in outcomes(error.attempts)} == {"timeout"}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (401, {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}),
        (402, {"message": "Insufficient credits", "code": 402}),
        (403, {"message": "Country not supported"}),
        (404, {"message": "The model does not exist", "code": "model_not_found"}),
        (
            429,
            {"message": "You exceeded your current quota", "code": "insufficient_quota", "type": "insufficient_quota"},
        ),
    ],
)
async def test_what_only_a_person_can_mend_puts_a_provider_aside_with_its_reason(
    status: int, error: Mapping[str, Any]
) -> None:
    clock = SetClock()
    async with pair([{"status": status, "json": {"error": error}}], clock=clock) as (model, server):
        reply = await model.complete(request())
        assert reply.provider == "second"
        assert len(server.requests) == 1  # never retried
        state = model.states()[0]
        assert not state.available
        assert str(status) in state.reason
        assert KEY not in state.reason
        again = await model.complete(request())
        assert again.attempts[0].outcome == "skipped"
        assert str(status) in again.attempts[0].detail
        clock.pass_seconds(901)
        assert (await model.complete(request())).provider == "first"
        assert model.states()[0].available


async def test_a_moderated_request_does_not_put_the_provider_aside() -> None:
    flagged = {"code": 403, "message": "flagged", "metadata": {"reasons": ["violence"], "flagged_input": "..."}}
    async with scripted_server({"status": 403, "json": {"error": flagged}}) as (_, url), chain(provider(url)) as model:
        assert outcomes((await failing(model)).attempts) == [("first", "refused")]
        assert model.states()[0].available


@pytest.mark.parametrize(
    "step",
    [
        {"status": 400, "json": {"error": {"code": "context_length_exceeded", "message": "too long"}}},
        {
            "status": 400,
            "json": {"error": {"message": "This model's maximum context length is 4096; 'max_tokens' unsupported"}},
        },
        {"status": 413, "json": {"error": {"message": "Request too large"}}},
    ],
)
async def test_a_prompt_that_is_too_long_is_told_so_that_the_caller_can_shorten_it(step: Step) -> None:
    async with scripted_server(step) as (_, url), chain(provider(url)) as model:
        (attempt,) = (await failing(model)).attempts
    assert attempt.outcome == "refused"
    assert attempt.detail.startswith("context_length_exceeded")


def unsupported(message: str, parameter: str | None = None) -> Step:
    return {"status": 400, "json": {"error": {"message": message, "param": parameter, "type": "invalid_request_error"}}}


async def test_parameters_a_400_names_are_given_up_and_stay_given_up() -> None:
    complaints = [
        unsupported("'response_format' of type 'json_schema' is not supported with this model", "response_format"),
        unsupported("response_format.type must be 'json_schema' or 'text'", "response_format"),
        unsupported(
            "Unsupported parameter: 'max_completion_tokens'. Use 'max_tokens' instead.", "max_completion_tokens"
        ),
        unsupported("Unsupported value: 'temperature' does not support 0.2 with this model.", "temperature"),
        unsupported("Unrecognized request argument supplied: store"),
        unsupported("extra fields not permitted: safety_identifier"),
    ]
    everything = Capabilities("json_schema", "max_completion_tokens", store=True, safety_identifier=True)
    async with scripted_server(*complaints) as (server, url), chain(provider(url, capabilities=everything)) as model:
        reply = await model.complete(request())
        assert len(reply.attempts) == len(complaints) + 1
        await model.complete(request())
    assert len(server.requests) == len(complaints) + 2
    assert set(server.bodies[-1]) == {"model", "messages", "max_tokens"}
    assert "JSON Schema" in server.bodies[-1]["messages"][0]["content"]


async def test_a_server_that_complains_for_ever_is_not_asked_for_ever() -> None:
    steps = [unsupported("unsupported: max_tokens, max_completion_tokens, temperature")] * 50
    async with scripted_server(*steps) as (server, url), chain(provider(url)) as model:
        await failing(model)
    assert len(server.requests) < 8


async def test_the_breaker_opens_after_failures_in_a_row_and_a_single_probe_closes_it() -> None:
    clock = SetClock()
    breakers = Breakers(clock, BreakerRules(failures=3, first_pause_seconds=30))
    broken: Step = {"status": 500, "json": {"error": {"message": "boom"}}}
    async with (
        scripted_server(*[broken] * 4) as (server, url),
        chain(provider(url), clock=clock, breakers=breakers) as model,
    ):
        await failing(model)
        assert len(server.requests) == 3
        assert outcomes((await failing(model)).attempts) == [("first", "skipped")]
        clock.pass_seconds(31)
        await failing(model)  # the probe fails: open again, for twice as long
        assert len(server.requests) == 4
        clock.pass_seconds(31)
        assert outcomes((await failing(model)).attempts) == [("first", "skipped")]
        clock.pass_seconds(30)
        server.steps = [GOOD | {"delay": 0.1}]
        together = await asyncio.gather(*(model.complete(request()) for _ in range(5)), return_exceptions=True)
        assert sum(not isinstance(one, ModelUnavailableError) for one in together) == 1
        assert len(server.requests) == 5
        assert model.states()[0].available
        await model.complete(request())


async def test_a_breaker_is_shared_by_the_chains_of_a_process_but_not_by_keys() -> None:
    clock = SetClock()
    breakers = Breakers(clock)
    refused: Step = {"status": 401, "json": {"error": {"message": "no"}}}
    async with scripted_server(refused) as (_, url):
        async with chain(provider(url), breakers=breakers, clock=clock) as one:
            await failing(one)
        async with chain(provider(url), breakers=breakers, clock=clock) as same_key:
            assert outcomes((await failing(same_key)).attempts) == [("first", "skipped")]
        async with chain(provider(url, api_key=Secret("another")), breakers=breakers, clock=clock) as other_key:
            await other_key.complete(request())


async def test_a_cancelled_probe_leaves_room_for_the_next_one() -> None:
    clock = SetClock()
    breakers = Breakers(clock, BreakerRules(failures=1))
    steps: list[Step] = [{"status": 500, "text": ""}, GOOD | {"delay": 30}, GOOD]
    one_try = RetryRules(tries_alone=1)
    async with scripted_server(*steps) as (_, url):
        model = build_chat_model([provider(url)], RULES, clock, breakers, one_try)
        await failing(model)
        clock.pass_seconds(31)
        probe = asyncio.create_task(model.complete(request()))
        await asyncio.sleep(0.1)
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        assert (await model.complete(request())).provider == "first"
        await model.close()


async def test_usage_that_nobody_told_is_estimated_and_marked() -> None:
    async with scripted_server(GOOD | {"usage": None}) as (_, url), chain(provider(url)) as model:
        (attempt,) = (await model.complete(request())).attempts
    assert attempt.estimated
    assert attempt.tokens_in > 5
    assert attempt.tokens_out > 5
    assert attempt.usd > 0


async def test_the_cost_that_openrouter_reports_is_taken() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "cost": 0.0012345}
    capable = capabilities_of("openrouter", "x")
    async with (
        scripted_server(GOOD | {"usage": usage}) as (_, url),
        chain(provider(url, capabilities=capable)) as model,
    ):
        (attempt,) = (await model.complete(request())).attempts
    assert attempt.usd == Decimal("0.001234")


@pytest.mark.parametrize("vendor", ["compatible", "groq"])
async def test_redirects_are_not_followed(vendor: Any) -> None:
    async with scripted_server() as (other, elsewhere):
        moved: Step = {"status": 307, "headers": {"location": f"{elsewhere}/chat/completions"}, "text": ""}
        async with scripted_server(moved) as (_, url), chain(provider(url, vendor=vendor)) as model:
            await failing(model)
    assert other.requests == []


@pytest.mark.parametrize("vendor", ["compatible", "groq"])
@pytest.mark.parametrize("base_url", ["http://127.0.0.1:1/v1", "https://169.254.169.254/v1", "https://[::1]/v1"])
async def test_an_address_the_guard_refuses_is_never_asked(base_url: str, vendor: Any) -> None:
    model = build_chat_model([provider(base_url, vendor=vendor)], EgressRules(), SetClock())
    (attempt,) = (await failing(model)).attempts
    assert attempt.outcome == "unreachable"
    assert not model.states()[0].available
    await model.close()


@pytest.mark.parametrize("vendor", ["compatible", "groq"])
async def test_a_name_that_points_inside_is_never_asked(vendor: Any) -> None:
    async def inside(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.216.34", "10.0.0.5"]

    model = build_chat_model(
        [provider("https://models.example/v1", vendor=vendor)], EgressRules(resolver=inside), SetClock()
    )
    (attempt,) = (await failing(model)).attempts
    assert (attempt.outcome, "10.0.0.5" in attempt.detail) == ("unreachable", True)
    await model.close()


@pytest.mark.parametrize("vendor", ["compatible", "groq"])
async def test_the_key_is_in_no_log_record_error_or_repr(vendor: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    echo: Step = {"status": 400, "json": {"error": {"message": f"bad request with Bearer {KEY}", "code": KEY}}}
    async with scripted_server(echo, {"status": 500, "text": KEY}, GOOD | {"content": KEY}, {"reset": True}) as (
        _,
        url,
    ):
        base_url = url.removesuffix("/v1") if vendor == "groq" else url
        configuration = provider(base_url, vendor=vendor)
        async with chain(configuration) as model:
            errors = [await failing(model), await failing(model, request(0.3))]
            seen = [repr(configuration), repr(model.states()), caplog.text]
            seen += [
                f"{error!r} {error} {error.detail} {error.attempts!r} {error.__cause__!r} {error.__context__!r}"
                for error in errors
            ]
            seen += [str(record.__dict__) for record in caplog.records]
    assert len(errors[0].attempts) == 1
    for text in seen:
        assert KEY not in text


async def test_the_answer_may_stand_in_a_code_fence() -> None:
    fenced = {"content": '```json\n{"reply": "Hello", "sources": []}\n```'}
    async with scripted_server(fenced) as (_, url), chain(provider(url)) as model:
        assert (await model.complete(request())).data["reply"] == "Hello"


async def test_a_schema_nobody_can_check_is_refused_before_anyone_is_asked() -> None:
    server: ScriptedServer
    async with scripted_server() as (server, url), chain(provider(url)) as model:
        with pytest.raises(ValueError, match="pattern"):
            await model.complete(replace(request(), json_schema={"type": "string", "pattern": "x"}))
    assert server.requests == []


async def test_a_key_with_a_stray_character_is_named_without_being_shown() -> None:
    async with scripted_server() as (server, url), chain(provider(url, api_key=Secret(f"{KEY}\u2026"))) as model:
        error = await failing(model)
    assert "API key" in error.detail
    assert KEY not in repr(error.attempts)
    assert server.requests == []


async def test_broken_characters_of_a_customer_do_not_stop_the_draft() -> None:
    async with scripted_server() as (_, url), chain(provider(url)) as model:
        broken = replace(request(), turns=(ChatTurn("user", "broken \ud800 and \0"),))
        assert (await model.complete(broken)).provider == "first"
