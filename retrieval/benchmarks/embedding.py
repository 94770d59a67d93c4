"""Measures the embedding pass beside plain numpy: the same model as one writes it down, batches padded to one length.

    OPENBLAS_NUM_THREADS=1 python -m retrieval.benchmarks.embedding [--texts 64] [--rounds 3] [--json]

Both embed the same made-up texts of common words, short ones (a question) and long ones (a passage), in turn. The
number of BLAS threads is the caller's choice.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter

import click
import numpy as np
from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType] -- a bare PathLike

from desk.ports import Vectors
from retrieval.embedding.encoder import DIMENSION, HEAD_WIDTH, HEADS, LAYERS, Matrix
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.embedding.model_files import checked_file, model_folder
from retrieval.embedding.tokens import model_input

_WORDS = (
    "account address answer backup billing browser button cache card change click contact control copy customer daily "
    "database delete delivery device domain email error file folder form help image invoice issue language link list "
    "login mail message minute mobile month name network number office open order page panel password payment phone "
    "picture plan please press price printer problem product program question reason record refund remove reply report "
    "request reset restore return review screen search send server service setting ship site space start storage store"
)
_SIZES = {"short": (6, 14), "long": (180, 230)}
"""Fewest and most words of a text."""
_BATCH = 32
"""Texts the plain version pads to one length, in the order of their lengths, as sentence encoders commonly do."""


@dataclass(frozen=True, slots=True)
class Measured:
    texts: str
    tokens: float
    """Of a text, on average."""
    texts_a_second: float
    plain_texts_a_second: float
    rounds: int
    largest_difference: float
    """Between a number of one vector and the plain version's."""


@click.command()
@click.option("--texts", type=click.IntRange(min=2), default=64, show_default=True, help="Of each length.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def main(texts: int, rounds: int, *, as_json: bool) -> None:
    """Embed short and long texts with the desk's encoder and with a plain one, in turn."""
    embedder, plain = MiniLMEmbedder(), PlainEncoder()
    for name, (fewest, most) in _SIZES.items():
        found = _measure(name, _made(texts if name == "long" else 4 * texts, fewest, most), embedder, plain, rounds)
        if as_json:
            click.echo(json.dumps(asdict(found)))
        else:
            ratio = found.texts_a_second / found.plain_texts_a_second
            click.echo(
                f"{name:<6} {found.tokens:5.0f} tokens  {found.texts_a_second:7.1f} texts/s, plain numpy "
                f"{found.plain_texts_a_second:7.1f}: {ratio:.2f} times as many; vectors differ by "
                f"{found.largest_difference:.1e} at most"
            )


def _measure(name: str, texts: Sequence[str], embedder: MiniLMEmbedder, plain: PlainEncoder, rounds: int) -> Measured:
    ours, theirs = embedder.embed_now(texts), plain.embed(texts)
    taken, plain_taken = list[float](), list[float]()
    for _ in range(rounds):
        taken.append(_seconds(embedder.embed_now, texts))
        plain_taken.append(_seconds(plain.embed, texts))
    return Measured(
        texts=name,
        tokens=statistics.fmean(map(len, model_input(texts))),
        texts_a_second=len(texts) / statistics.median(taken),
        plain_texts_a_second=len(texts) / statistics.median(plain_taken),
        rounds=rounds,
        largest_difference=float(np.abs(ours - theirs).max()),
    )


def _seconds(embed: Callable[[Sequence[str]], Vectors], texts: Sequence[str]) -> float:
    started = perf_counter()
    embed(texts)
    return perf_counter() - started


def _made(count: int, fewest: int, most: int) -> list[str]:
    random, words = np.random.default_rng(3), _WORDS.split()
    return [" ".join(random.choice(words, random.integers(fewest, most))) for _ in range(count)]


class PlainEncoder:
    """Devlin et al. 2019 line by line: padded batches, a mask, everything a new array."""

    def __init__(self) -> None:
        self._tensors: Mapping[str, Matrix] = load_file(checked_file(model_folder(), "model.safetensors"))

    def embed(self, texts: Sequence[str]) -> Vectors:
        inputs = model_input(texts)
        order = sorted(range(len(inputs)), key=lambda at: len(inputs[at]))
        vectors = np.empty((len(texts), DIMENSION), dtype=np.float32)
        for start in range(0, len(order), _BATCH):
            some = order[start : start + _BATCH]
            vectors[some] = self._encode([inputs[at] for at in some])
        return vectors

    def _encode(self, inputs: Sequence[Sequence[int]]) -> Vectors:
        length = max(map(len, inputs))
        ids = np.zeros((len(inputs), length), dtype=np.intp)
        mask = np.zeros((len(inputs), length), dtype=np.float32)
        for row, own in enumerate(inputs):
            ids[row, : len(own)], mask[row, : len(own)] = own, 1
        tensors = self._tensors
        states = tensors["embeddings.word_embeddings.weight"][ids]
        states = states + tensors["embeddings.position_embeddings.weight"][:length]
        states = self._normed(states + tensors["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for number in range(LAYERS):
            layer = f"encoder.layer.{number}"
            attended = self._dense(self._attended(states, mask, layer), f"{layer}.attention.output.dense")
            states = self._normed(states + attended, f"{layer}.attention.output.LayerNorm")
            inner = _gelu(self._dense(states, f"{layer}.intermediate.dense"))
            states = self._normed(states + self._dense(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        pooled = (states * mask[..., np.newaxis]).sum(axis=1)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)

    def _attended(self, states: Matrix, mask: Matrix, layer: str) -> Matrix:
        texts, length, _ = states.shape

        def heads(name: str) -> Matrix:
            projected = self._dense(states, f"{layer}.attention.self.{name}")
            return projected.reshape(texts, length, HEADS, HEAD_WIDTH).swapaxes(1, 2)

        scores = heads("query") @ heads("key").swapaxes(2, 3) / np.float32(HEAD_WIDTH**0.5)
        scores = scores + (np.float32(-1e9) * (1 - mask))[:, np.newaxis, np.newaxis]
        shares = np.exp(scores - scores.max(axis=3, keepdims=True))
        shares = shares / shares.sum(axis=3, keepdims=True)
        return (shares @ heads("value")).swapaxes(1, 2).reshape(texts, length, DIMENSION)

    def _dense(self, states: Matrix, name: str) -> Matrix:
        return states @ self._tensors[f"{name}.weight"].T + self._tensors[f"{name}.bias"]

    def _normed(self, states: Matrix, name: str) -> Matrix:
        centred = states - states.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(1e-12))
        return centred / deviation * self._tensors[f"{name}.weight"] + self._tensors[f"{name}.bias"]


def _gelu(states: Matrix) -> Matrix:
    """With erf by Abramowitz and Stegun 7.1.26, as numpy has none."""
    size = np.abs(states) / np.float32(2**0.5)
    t = 1 / (1 + np.float32(0.3275911) * size)
    terms = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    return (states * (1 + np.sign(states) * (1 - terms * np.exp(-(size**2)))) / 2).astype(np.float32, copy=False)


if __name__ == "__main__":
    main()
