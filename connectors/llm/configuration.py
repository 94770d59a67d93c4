"""Which providers are asked, in which order, read from settings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from connectors.llm.profiles import (
    KNOWN_VENDORS,
    PRICES,
    Capabilities,
    KnownVendor,
    Price,
    Vendor,
    capabilities_of,
)
from desk.errors import InvalidInputError, SettingMissingError
from desk.secret import Secret

FALLBACKS = range(1, 10)


@dataclass(frozen=True, slots=True)
class ProviderConfiguration:
    """One endpoint with one key and one model."""

    name: str
    """Shown in the decision record and in the ledger."""
    base_url: str
    api_key: Secret
    """Empty for servers without keys."""
    model: str
    vendor: Vendor = "compatible"
    capabilities: Capabilities = field(default_factory=Capabilities)
    price: Price | None = None
    """None: costs count as 0 unless the provider reports them."""
    timeout_seconds: float = 30.0
    """Of a single try."""

    @property
    def fingerprint(self) -> str:
        """Names endpoint, key and model without giving the key away."""
        text = f"{self.base_url}\0{self.model}\0{self.api_key.reveal()}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class EmbeddingConfiguration:
    base_url: str
    api_key: Secret
    model: str
    dimension: int
    timeout_seconds: float = 30.0


def configure(
    base_url: str,
    api_key: Secret,
    model: str,
    price: Price | None = None,
    timeout_seconds: float = 30.0,
) -> ProviderConfiguration:
    """Fill in what is known of the vendor behind `base_url`.

    `base_url` as the openai SDK takes it (`https://host/v1`); for Groq with or without its path.
    """
    host = (urlsplit(base_url).hostname or "").lower()
    known = KNOWN_VENDORS.get(host)
    vendor: Vendor = known.vendor if known else "compatible"
    address = known.base_url if known and vendor == "groq" else base_url.rstrip("/")
    return ProviderConfiguration(
        name=vendor if known else host,
        base_url=address,
        api_key=api_key,
        model=model,
        vendor=vendor,
        capabilities=capabilities_of(vendor, model),
        price=price or PRICES.get((vendor, model)),
        timeout_seconds=timeout_seconds,
    )


def providers_from_environment(settings: Mapping[str, str]) -> tuple[ProviderConfiguration, ...]:
    """The chain in order: DESK_LLM_*, then DESK_LLM_FALLBACK_1_* and so on; empty when nothing is set.

    Each takes BASE_URL, API_KEY, MODEL, TIMEOUT_SECONDS, PRICE_IN, PRICE_OUT (US dollars per million tokens).
    Bare OPENAI_API_KEY, GROQ_API_KEY and OPENROUTER_API_KEY make up the head of the chain only while
    DESK_LLM_* is not set: a key lying in the environment must not send customers' words to a company nobody
    chose. They also serve as the key of a base URL of theirs.

    Raises SettingMissingError or InvalidInputError naming the setting.
    """
    prefixes = ["DESK_LLM_", *(f"DESK_LLM_FALLBACK_{number}_" for number in FALLBACKS)]
    chosen = [found for prefix in prefixes if (found := _provider(settings, prefix)) is not None]
    if _is_set(settings, "DESK_LLM_"):
        return tuple(chosen)
    bare = [
        configure(known.base_url, Secret(key), known.default_model)
        for known in KNOWN_VENDORS.values()
        if (key := _text(settings, known.key_setting))
    ]
    return (*bare, *chosen)


def embedding_from_environment(settings: Mapping[str, str]) -> EmbeddingConfiguration | None:
    """DESK_EMBEDDING_BASE_URL, _API_KEY, _MODEL, _DIMENSION; None when none is set (local embeddings).

    Raises SettingMissingError or InvalidInputError naming the setting.
    """
    names = [f"DESK_EMBEDDING_{part}" for part in ("BASE_URL", "API_KEY", "MODEL", "DIMENSION")]
    if not any(_text(settings, name) for name in names):
        return None
    base_url, model, dimension = (_required(settings, name) for name in (names[0], names[2], names[3]))
    if not dimension.isascii() or not dimension.isdigit() or not 1 <= int(dimension) <= 8192:
        msg = f"{names[3]} must be a whole number from 1 to 8192, not {dimension!r}."
        raise InvalidInputError(msg)
    known = _known(base_url)
    if known is not None and known.vendor == "groq":
        msg = f"{names[0]}: Groq offers no embeddings; use another endpoint or leave it out."
        raise InvalidInputError(msg)
    key = _key(settings, names[1], known)
    return EmbeddingConfiguration(base_url.rstrip("/"), key, model, int(dimension))


def _provider(settings: Mapping[str, str], prefix: str) -> ProviderConfiguration | None:
    if not _is_set(settings, prefix):
        return None
    base_url = _required(settings, f"{prefix}BASE_URL")
    known = _known(base_url)
    key = _key(settings, f"{prefix}API_KEY", known)
    given_model = _text(settings, f"{prefix}MODEL")
    model = given_model or (known.default_model if known else _required(settings, f"{prefix}MODEL"))
    timeout = _number(settings, f"{prefix}TIMEOUT_SECONDS")
    return configure(base_url, key, model, _own_price(settings, prefix), float(timeout) if timeout else 30.0)


def _own_price(settings: Mapping[str, str], prefix: str) -> Price | None:
    tokens_in = _number(settings, f"{prefix}PRICE_IN")
    tokens_out = _number(settings, f"{prefix}PRICE_OUT")
    if tokens_in is None and tokens_out is None:
        return None
    if tokens_in is None or tokens_out is None:
        absent = f"{prefix}PRICE_IN" if tokens_in is None else f"{prefix}PRICE_OUT"
        msg = f"{absent} is missing: a price needs both PRICE_IN and PRICE_OUT."
        raise SettingMissingError(msg)
    return Price(tokens_in, tokens_out)


def _known(base_url: str) -> KnownVendor | None:
    return KNOWN_VENDORS.get((urlsplit(base_url).hostname or "").lower())


def _key(settings: Mapping[str, str], name: str, known: KnownVendor | None) -> Secret:
    """The key of its own, or the vendor's usual one; a server nobody knows may do without."""
    given = _text(settings, name)
    if given or known is None:
        return Secret(given)
    usual = _text(settings, known.key_setting)
    if not usual:
        msg = f"{name} (or {known.key_setting}) is missing."
        raise SettingMissingError(msg)
    return Secret(usual)


def _is_set(settings: Mapping[str, str], prefix: str) -> bool:
    return any(_text(settings, prefix + part) for part in ("BASE_URL", "API_KEY", "MODEL"))


def _text(settings: Mapping[str, str], name: str) -> str:
    return settings.get(name, "").strip()


def _required(settings: Mapping[str, str], name: str) -> str:
    value = _text(settings, name)
    if not value:
        msg = f"{name} is missing."
        raise SettingMissingError(msg)
    return value


def _number(settings: Mapping[str, str], name: str) -> Decimal | None:
    text = _text(settings, name)
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        msg = f"{name} must be a number of at least 0, not {text!r}."
        raise InvalidInputError(msg)
    return number
