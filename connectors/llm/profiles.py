"""What each known provider and model can do and costs: data, so that a change is a line and no code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

Vendor = Literal["openai", "groq", "openrouter", "compatible"]
JsonMode = Literal["json_schema", "json_object", "prompt"]
"""Strict schema; any JSON object, schema told in the prompt; the prompt alone."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, from the vendor's list on the day given."""

    tokens_in: Decimal
    tokens_out: Decimal
    cached_in: Decimal | None = None
    """None: cached prompt tokens cost like others."""
    effective: date | None = None
    """None: given by the operator."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Which parameters of the chat completions API an endpoint and model take."""

    json_mode: JsonMode = "json_object"
    limit_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True
    store: bool = False
    """Knows `store`, and is told false."""
    safety_identifier: bool = False
    reports_cost: bool = False
    """Its usage carries `cost` in US dollars (OpenRouter)."""
    reasoning_tokens: int = 0
    """Added to the token limit: a model that thinks first would otherwise be cut before its answer."""


@dataclass(frozen=True, slots=True)
class KnownVendor:
    vendor: Vendor
    base_url: str
    key_setting: str
    default_model: str


KNOWN_VENDORS: Mapping[str, KnownVendor] = {
    "api.openai.com": KnownVendor("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "gpt-4.1-mini"),
    "api.groq.com": KnownVendor("groq", "https://api.groq.com", "GROQ_API_KEY", "openai/gpt-oss-120b"),
    "openrouter.ai": KnownVendor(
        "openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", "openai/gpt-4.1-mini"
    ),
}
"""By host, in the order in which bare keys make a chain."""


def _price(tokens_in: str, cached_in: str | None, tokens_out: str, effective: date) -> Price:
    cached = Decimal(cached_in) if cached_in is not None else None
    return Price(Decimal(tokens_in), Decimal(tokens_out), cached, effective)


PRICES: Mapping[tuple[Vendor, str], Price] = {
    ("openai", "gpt-4o"): _price("2.50", "1.25", "10.00", date(2024, 10, 2)),
    ("openai", "gpt-4o-mini"): _price("0.15", "0.075", "0.60", date(2024, 10, 2)),
    ("openai", "gpt-4.1"): _price("2.00", "0.50", "8.00", date(2025, 4, 14)),
    ("openai", "gpt-4.1-mini"): _price("0.40", "0.10", "1.60", date(2025, 4, 14)),
    ("openai", "gpt-4.1-nano"): _price("0.10", "0.025", "0.40", date(2025, 4, 14)),
    ("openai", "gpt-5"): _price("1.25", "0.125", "10.00", date(2025, 8, 7)),
    ("openai", "gpt-5-mini"): _price("0.25", "0.025", "2.00", date(2025, 8, 7)),
    ("openai", "gpt-5-nano"): _price("0.05", "0.005", "0.40", date(2025, 8, 7)),
    ("groq", "openai/gpt-oss-120b"): _price("0.15", "0.075", "0.60", date(2026, 6, 4)),
    ("groq", "llama-3.3-70b-versatile"): _price("0.59", None, "0.79", date(2025, 1, 1)),
    ("groq", "llama-3.1-8b-instant"): _price("0.05", None, "0.08", date(2025, 1, 1)),
}
"""An operator overrides one with DESK_LLM_PRICE_IN and DESK_LLM_PRICE_OUT. OpenRouter tells its cost itself."""

_REASONING = re.compile(r"(?:o\d|gpt-5(?!-chat)|gpt-oss)")
_REASONING_TOKENS = 2000


def capabilities_of(vendor: Vendor, model: str) -> Capabilities:
    """Best knowledge before the first call; a 400 that names a parameter corrects it at run time."""
    name = model.rsplit("/", 1)[-1].lower()
    reasoning = _REASONING_TOKENS if _REASONING.match(name) else 0
    if vendor == "openai":
        return Capabilities(
            "json_schema",
            "max_completion_tokens",
            temperature=not reasoning,
            store=True,
            safety_identifier=True,
            reasoning_tokens=reasoning,
        )
    if vendor == "groq":
        mode: JsonMode = "json_schema" if name.startswith("gpt-oss") else "json_object"
        return Capabilities(mode, "max_completion_tokens", reasoning_tokens=reasoning)
    if vendor == "openrouter":
        return Capabilities("json_schema", temperature=not reasoning, reports_cost=True, reasoning_tokens=reasoning)
    return Capabilities(reasoning_tokens=reasoning)
