"""Which providers come out of which settings."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connectors.llm.configuration import embedding_from_environment, providers_from_environment
from connectors.llm.profiles import KNOWN_VENDORS
from desk.errors import InvalidInputError, SettingMissingError


def chain(**settings: str) -> list[tuple[str, str, str]]:
    return [(one.name, one.base_url, one.model) for one in providers_from_environment(settings)]


def test_nothing_set_is_an_empty_chain() -> None:
    assert chain() == []
    assert chain(DESK_LLM_BASE_URL="", OPENAI_API_KEY=" ") == []


def test_the_chain_follows_the_numbers_of_the_fallbacks() -> None:
    found = chain(
        DESK_LLM_FALLBACK_2_BASE_URL="https://openrouter.ai/api/v1",
        DESK_LLM_FALLBACK_2_API_KEY="c",
        DESK_LLM_BASE_URL="http://ollama.internal:11434/v1/",
        DESK_LLM_MODEL="qwen3",
        DESK_LLM_FALLBACK_1_BASE_URL="https://api.groq.com/openai/v1",
        GROQ_API_KEY="b",
    )
    assert found == [
        ("ollama.internal", "http://ollama.internal:11434/v1", "qwen3"),
        ("groq", "https://api.groq.com", KNOWN_VENDORS["api.groq.com"].default_model),
        ("openrouter", "https://openrouter.ai/api/v1", KNOWN_VENDORS["openrouter.ai"].default_model),
    ]


def test_bare_keys_make_a_chain_of_their_own() -> None:
    names = [name for name, _, _ in chain(OPENROUTER_API_KEY="c", GROQ_API_KEY="b", OPENAI_API_KEY="a")]
    assert names == ["openai", "groq", "openrouter"]


def test_a_bare_key_does_not_join_a_chain_somebody_chose() -> None:
    """Customers' words must not go to a company only because its key lies in the environment."""
    assert len(chain(DESK_LLM_BASE_URL="http://localhost:1/v1", DESK_LLM_MODEL="m", OPENAI_API_KEY="a")) == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"DESK_LLM_API_KEY": "k"}, "DESK_LLM_BASE_URL"),
        ({"DESK_LLM_BASE_URL": "https://llm.example/v1"}, "DESK_LLM_MODEL"),
        ({"DESK_LLM_BASE_URL": "https://api.openai.com/v1"}, "OPENAI_API_KEY"),
        ({"OPENAI_API_KEY": "k", "DESK_LLM_FALLBACK_1_MODEL": "m"}, "DESK_LLM_FALLBACK_1_BASE_URL"),
        ({"DESK_LLM_BASE_URL": "https://x.example", "DESK_LLM_MODEL": "m", "DESK_LLM_PRICE_IN": "1"}, "PRICE_OUT"),
    ],
)
def test_a_missing_setting_is_named(settings: dict[str, str], named: str) -> None:
    with pytest.raises(SettingMissingError, match=named):
        providers_from_environment(settings)


def test_prices_are_known_or_given() -> None:
    base = {"DESK_LLM_BASE_URL": "https://api.openai.com/v1", "DESK_LLM_API_KEY": "k"}
    (known,) = providers_from_environment(base)
    assert known.price is not None
    assert known.price.effective is not None
    (given,) = providers_from_environment(base | {"DESK_LLM_PRICE_IN": "1.5", "DESK_LLM_PRICE_OUT": "3"})
    assert given.price is not None
    assert (given.price.tokens_in, given.price.tokens_out) == (Decimal("1.5"), Decimal(3))
    with pytest.raises(InvalidInputError, match="DESK_LLM_PRICE_IN"):
        providers_from_environment(base | {"DESK_LLM_PRICE_IN": "NaN", "DESK_LLM_PRICE_OUT": "3"})


def test_the_fingerprint_tells_keys_apart_and_gives_none_away() -> None:
    (one,) = providers_from_environment({"OPENAI_API_KEY": "sk-one"})
    (two,) = providers_from_environment({"OPENAI_API_KEY": "sk-two"})
    assert one.fingerprint != two.fingerprint
    assert "sk-one" not in repr(one) + one.fingerprint


def test_embeddings_are_local_until_all_is_said() -> None:
    assert embedding_from_environment({"OPENAI_API_KEY": "k"}) is None
    settings = {
        "DESK_EMBEDDING_BASE_URL": "https://api.openai.com/v1/",
        "DESK_EMBEDDING_MODEL": "text-embedding-3-small",
        "DESK_EMBEDDING_DIMENSION": "1536",
        "OPENAI_API_KEY": "k",
    }
    found = embedding_from_environment(settings)
    assert found is not None
    assert (found.base_url, found.dimension, found.api_key.reveal()) == ("https://api.openai.com/v1", 1536, "k")
    for name in ("DESK_EMBEDDING_BASE_URL", "DESK_EMBEDDING_MODEL", "DESK_EMBEDDING_DIMENSION"):
        with pytest.raises(SettingMissingError, match=name):
            embedding_from_environment({key: value for key, value in settings.items() if key != name})
    for wrong in ("many", "0", "-3", "1e3"):
        with pytest.raises(InvalidInputError, match="DIMENSION"):
            embedding_from_environment(settings | {"DESK_EMBEDDING_DIMENSION": wrong})
