"""A cross-encoder behind `POST {base}/rerank`, as Cohere, Jina, Voyage, vLLM and others speak it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import msgspec

from desk.egress import Caps, EgressRules, guarded_client
from desk.errors import ModelUnavailableError, RefusedAddressError, SettingMissingError
from desk.secret import Secret

_RESPONSE_BYTES = 2_000_000
_SECONDS = 10.0
_NEEDED_HEADERS = frozenset({"accept", "authorization", "content-length", "content-type", "host"})


@dataclass(frozen=True, slots=True)
class RerankEndpoint:
    base_url: str
    api_key: Secret
    """Empty for servers without keys."""
    model: str


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Answer(msgspec.Struct):
    """Most call the list `results`, Voyage calls it `data`."""

    results: list[_Result] = []
    data: list[_Result] = []


def rerank_endpoint(settings: Mapping[str, str]) -> RerankEndpoint:
    """From DESK_RERANK_BASE_URL, _API_KEY and _MODEL. Raises SettingMissingError naming the one that is missing."""
    base_url, model = (settings.get(f"DESK_RERANK_{part}", "").strip() for part in ("BASE_URL", "MODEL"))
    for name, value in (("DESK_RERANK_BASE_URL", base_url), ("DESK_RERANK_MODEL", model)):
        if not value:
            msg = f"{name} is missing: reranking by an endpoint needs it."
            raise SettingMissingError(msg)
    return RerankEndpoint(base_url.rstrip("/"), Secret(settings.get("DESK_RERANK_API_KEY", "").strip()), model)


class EndpointReranker:
    """Fulfils `desk.ports.Reranker`; the caller closes it.

    Scores in [0, 1] are taken as they are. A server that answers with logits gets the logistic function over
    all of them, which keeps their order.
    """

    def __init__(self, endpoint: RerankEndpoint, rules: EgressRules, seconds: float = _SECONDS) -> None:
        """Raises RefusedAddressError when the address cannot be used."""
        rules.check_url(endpoint.base_url)
        self._endpoint = endpoint
        self._client = guarded_client(rules, Caps(seconds, _RESPONSE_BYTES), _NEEDED_HEADERS)

    @property
    def name(self) -> str:
        return f"{urlsplit(self._endpoint.base_url).hostname}/{self._endpoint.model}"

    async def relevance(self, tenant_id: UUID, question: str, passages: Sequence[str]) -> Sequence[float]:
        del tenant_id
        key = self._endpoint.api_key.reveal()
        try:
            response = await self._client.post(
                f"{self._endpoint.base_url}/rerank",
                json={
                    "model": self._endpoint.model,
                    "query": question,
                    "documents": list(passages),
                    "top_n": len(passages),
                },
                headers={"Authorization": f"Bearer {key}"} if key else None,
            )
        except (httpx.HTTPError, RefusedAddressError) as error:
            msg = f"{self.name} could not be reached ({type(error).__name__})"
            raise ModelUnavailableError(msg) from error
        if not response.is_success:
            msg = f"{self.name} answered with status {response.status_code}"
            raise ModelUnavailableError(msg)
        return self._read(response.content, len(passages))

    async def close(self) -> None:
        await self._client.aclose()

    def _read(self, body: bytes, passages: int) -> list[float]:
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except msgspec.DecodeError as error:
            msg = f"{self.name} answered with something that is no ranking"
            raise ModelUnavailableError(msg) from error
        scores = {one.index: one.relevance_score for one in (*answer.results, *answer.data)}
        if set(scores) != set(range(passages)) or not all(map(math.isfinite, scores.values())):
            msg = f"{self.name} scored {len(scores)} of {passages} passages"
            raise ModelUnavailableError(msg)
        if all(0 <= score <= 1 for score in scores.values()):
            return [scores[at] for at in range(passages)]
        return [_logistic(scores[at]) for at in range(passages)]


def _logistic(score: float) -> float:
    return 1 / (1 + math.exp(-score)) if score >= 0 else math.exp(score) / (1 + math.exp(score))
