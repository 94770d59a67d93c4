"""Embeddings from OpenAI or a compatible endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, cast
from urllib.parse import urlsplit

import msgspec
import numpy as np
import openai

from connectors.llm import transport
from connectors.llm.configuration import EmbeddingConfiguration
from connectors.llm.failures import Failure, from_connection, from_response, presentable
from connectors.llm.provider import check_key
from desk.egress import Caps, EgressRules
from desk.errors import ModelUnavailableError, RefusedAddressError
from desk.ports import Clock, Vectors

BATCH = 64
"""Texts per call."""
MAX_CHARACTERS = 8000
"""Of one text; what is longer is cut, since endpoints refuse what exceeds their 8,192 tokens."""
_RESPONSE_BYTES = 64_000_000
_TRIES = 3
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 20.0


class _RawBody(Protocol):
    @property
    def content(self) -> bytes: ...


class _Row(msgspec.Struct):
    index: int
    embedding: list[float]


class _Embeddings(msgspec.Struct):
    data: list[_Row]


class RemoteEmbedder:
    """`desk.ports.Embedder` over HTTP. The caller closes it."""

    def __init__(
        self,
        configuration: EmbeddingConfiguration,
        rules: EgressRules,
        clock: Clock,
        first_wait_seconds: float = _FIRST_WAIT_SECONDS,
    ) -> None:
        """Raises RefusedAddressError or InvalidInputError when the address or key cannot be used."""
        check_key(configuration.api_key)
        rules.check_url(configuration.base_url)
        self._configuration = configuration
        self._clock = clock
        self._first_wait_seconds = first_wait_seconds
        self._client = openai.AsyncOpenAI(
            base_url=configuration.base_url,
            api_key=configuration.api_key.reveal() or "none",
            max_retries=0,
            timeout=configuration.timeout_seconds,
            http_client=transport.guarded_client(rules, Caps(configuration.timeout_seconds, _RESPONSE_BYTES)),
        )

    @property
    def model(self) -> str:
        """`host/model`: the same model name at another host may be another model."""
        return f"{urlsplit(self._configuration.base_url).hostname}/{self._configuration.model}"

    @property
    def dimension(self) -> int:
        return self._configuration.dimension

    async def embed(self, texts: Sequence[str]) -> Vectors:
        batches = [await self._batch(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return np.vstack([np.empty((0, self.dimension), dtype=np.float32), *batches])

    async def close(self) -> None:
        await self._client.close()

    async def _batch(self, texts: Sequence[str]) -> Vectors:
        prepared = [_prepared(text) for text in texts]
        failure: Failure | None = None
        for attempt in range(_TRIES):
            outcome = await self._call(prepared)
            if not isinstance(outcome, Failure):
                return outcome
            failure = outcome
            if failure.verdict != "again" or attempt == _TRIES - 1:
                break
            wait = failure.retry_after
            wait = self._first_wait_seconds * 2**attempt if wait is None else wait
            if wait > _LONGEST_WAIT_SECONDS:
                break
            await asyncio.sleep(wait)
        msg = f"{self.model} gave no embeddings: {failure.detail if failure else ''}"
        raise ModelUnavailableError(msg)

    async def _call(self, texts: list[str]) -> Vectors | Failure:
        key = self._configuration.api_key
        model = self._configuration.model
        # Only this family lets the caller choose the dimension; others take the parameter for an error.
        chosen = self.dimension if model.startswith("text-embedding-3") else openai.omit
        create = self._client.embeddings.with_raw_response.create
        try:
            async with asyncio.timeout(self._configuration.timeout_seconds):
                raw = await create(input=texts, model=model, dimensions=chosen, encoding_format="float")
        except openai.APIStatusError as error:
            return from_response(error, key, self._clock.now())
        except openai.APIConnectionError as error:
            return from_connection(error, key)
        except TimeoutError:
            return Failure("timeout", "no complete answer in time", "again")
        except (RefusedAddressError, openai.OpenAIError) as error:
            return Failure("error", presentable(str(error), key), "next")
        return self._read(cast("_RawBody", raw).content, len(texts))

    def _read(self, body: bytes, expected: int) -> Vectors | Failure:
        """Every row once, in the order of the texts, of the right width, finite and of length 1."""
        try:
            rows = msgspec.json.decode(body, type=_Embeddings).data
        except msgspec.DecodeError:
            return Failure("invalid", "the body holds no embeddings", "again")
        rows.sort(key=lambda row: row.index)
        if [row.index for row in rows] != list(range(expected)):
            return Failure("invalid", f"{len(rows)} rows came for {expected} texts", "again")
        widths = {len(row.embedding) for row in rows}
        if widths != {self.dimension}:
            detail = f"rows of {sorted(widths)} numbers came, not {self.dimension}: set DESK_EMBEDDING_DIMENSION"
            return Failure("invalid", detail, "next")
        vectors = np.array([row.embedding for row in rows], dtype=np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.all(np.isfinite(lengths)) or np.any(lengths == 0.0):
            return Failure("invalid", "a row is no direction: all zero or not finite", "again")
        return (vectors / lengths).astype(np.float32)


def _prepared(text: str) -> str:
    """Endpoints refuse an empty text, and UTF-8 cannot carry a lone surrogate."""
    return text[:MAX_CHARACTERS].encode(errors="replace").decode() or " "
