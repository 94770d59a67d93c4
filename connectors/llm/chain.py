"""The fallback chain: asks the providers in order until one gives a usable answer in time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from connectors.llm.answer import Answer, Spent
from connectors.llm.breaker import Breaker, Breakers
from connectors.llm.configuration import ProviderConfiguration
from connectors.llm.failures import Failure
from connectors.llm.provider import Provider
from connectors.llm.schema import check_schema
from desk.egress import EgressRules
from desk.errors import ModelUnavailableError
from desk.ports import ChatReply, ChatRequest, Clock, ModelAttempt


@dataclass(frozen=True, slots=True)
class RetryRules:
    tries_alone: int = 4
    """Calls to one provider when no other is left to ask."""
    tries_with_others: int = 2
    tries_invalid: int = 2
    """Calls whose answer is unusable are paid for: fewer of them."""
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 8.0
    patience_seconds: float = 2.0
    """A longer Retry-After is not waited for while another provider can be asked."""
    share_of_deadline: float = 0.6
    """What one try may take of the time left while another provider could still be asked."""


@dataclass(frozen=True, slots=True)
class ProviderState:
    """For the health page: what a person has to know about one link of the chain."""

    name: str
    model: str
    available: bool
    reason: str
    """Why it is not asked; empty when it is."""
    until: datetime | None


@dataclass(slots=True)
class _Link:
    provider: Provider
    breaker: Breaker

    def attempt(self, outcome: Answer | Failure, spent: Spent, milliseconds: float) -> ModelAttempt:
        return ModelAttempt(
            provider=self.provider.configuration.name,
            model=self.provider.configuration.model,
            outcome="answered" if isinstance(outcome, Answer) else outcome.outcome,
            detail="" if isinstance(outcome, Answer) else outcome.detail,
            tokens_in=spent.tokens_in,
            tokens_out=spent.tokens_out,
            usd=spent.usd,
            milliseconds=milliseconds,
            estimated=spent.estimated,
        )

    def skipped(self, detail: str) -> ModelAttempt:
        configuration = self.provider.configuration
        return ModelAttempt(configuration.name, configuration.model, "skipped", detail, 0, 0, Decimal(0), 0.0)


class FallbackChain:
    """`desk.ports.ChatModel` over several providers. Made by `build_chat_model`."""

    def __init__(self, links: Sequence[_Link], rules: RetryRules) -> None:
        self._links = tuple(links)
        self._rules = rules

    async def complete(self, request: ChatRequest) -> ChatReply:
        check_schema(request.json_schema)
        deadline = asyncio.get_running_loop().time() + request.deadline_seconds
        attempts: list[ModelAttempt] = []
        for position, link in enumerate(self._links):
            others = any(not later.breaker.blocked() for later in self._links[position + 1 :])
            answer = await self._ask(link, request, deadline, attempts, others=others)
            if answer is not None:
                configuration = link.provider.configuration
                return ChatReply(answer.data, configuration.name, configuration.model, tuple(attempts))
        raise ModelUnavailableError(_summary(attempts), tuple(attempts))

    async def close(self) -> None:
        for link in self._links:
            await link.provider.close()

    def states(self) -> tuple[ProviderState, ...]:
        """In the order of the chain."""
        return tuple(
            ProviderState(
                link.provider.configuration.name,
                link.provider.configuration.model,
                available=link.breaker.open_until is None,
                reason=link.breaker.reason,
                until=link.breaker.open_until,
            )
            for link in self._links
        )

    async def _ask(
        self, link: _Link, request: ChatRequest, deadline: float, attempts: list[ModelAttempt], *, others: bool
    ) -> Answer | None:
        """Ask one provider as often as makes sense; every call leaves its attempt."""
        if not link.breaker.enter():
            attempts.append(link.skipped(f"left alone for now: {link.breaker.reason}"))
            return None
        try:
            tries = 0
            while True:
                tries += 1
                outcome = await self._call(link, request, deadline, attempts, others=others)
                if outcome is None or isinstance(outcome, Answer):
                    return outcome
                if outcome.verdict == "adapted":  # what it refused is given up once each: this ends
                    tries -= 1
                    continue
                wait = self._wait(outcome, tries, deadline - _now(), others=others)
                if wait is None or link.breaker.open_until is not None:
                    _rest(link.breaker, outcome)
                    return None
                await asyncio.sleep(wait)
        finally:
            link.breaker.leave()

    async def _call(
        self, link: _Link, request: ChatRequest, deadline: float, attempts: list[ModelAttempt], *, others: bool
    ) -> Answer | Failure | None:
        started = _now()
        remaining = deadline - started
        if remaining <= 0:
            attempts.append(link.skipped("no time left for this draft"))
            return None
        limit = remaining * self._rules.share_of_deadline if others else remaining
        limit = min(limit, link.provider.configuration.timeout_seconds)
        outcome, spent = await link.provider.ask(request, limit)
        attempts.append(link.attempt(outcome, spent, (_now() - started) * 1000))
        if isinstance(outcome, Answer):
            link.breaker.succeeded()
        elif outcome.verdict == "aside":
            link.breaker.put_aside(outcome.detail)
        elif outcome.strike:
            link.breaker.failed(outcome.detail)
        return outcome

    def _wait(self, failure: Failure, tries: int, remaining: float, *, others: bool) -> float | None:
        """Seconds until the next try at the same provider; None: no further try."""
        rules = self._rules
        most = rules.tries_with_others if others else rules.tries_alone
        if failure.outcome == "invalid":
            most = min(most, rules.tries_invalid)
        if failure.verdict != "again" or tries >= most or (failure.outcome == "timeout" and others):
            return None
        wait = failure.retry_after
        if wait is None:
            longest = min(rules.first_wait_seconds * 2 ** (tries - 1), rules.longest_wait_seconds)
            wait = random.uniform(longest / 2, longest)  # noqa: S311 - spreads retries, guards nothing
        if wait >= remaining or (others and wait > rules.patience_seconds):
            return None
        return wait


def build_chat_model(
    providers: Sequence[ProviderConfiguration],
    rules: EgressRules,
    clock: Clock,
    breakers: Breakers | None = None,
    retries: RetryRules | None = None,
) -> FallbackChain:
    """A chain over `providers` in order. Give all chains of a process the same `breakers`.

    The clients live until `close()`; make one chain per configuration, not per draft.
    """
    shared = breakers or Breakers(clock)
    links = [_Link(Provider(one, rules, clock), shared.of(one.fingerprint)) for one in providers]
    return FallbackChain(links, retries or RetryRules())


def _rest(breaker: Breaker, failure: Failure) -> None:
    """Take a provider at its word when it named a time that nobody waited for."""
    if failure.retry_after is not None and breaker.open_until is None:
        breaker.pause(failure.retry_after, failure.detail)


def _summary(attempts: Sequence[ModelAttempt]) -> str:
    if not attempts:
        return "No language model is configured."
    lines = (f"{one.provider} ({one.model}): {one.detail or one.outcome}" for one in attempts)
    return "No language model gave a usable answer. " + "; ".join(dict.fromkeys(lines))


def _now() -> float:
    return asyncio.get_running_loop().time()
