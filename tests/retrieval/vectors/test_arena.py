from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from retrieval.vectors import VectorArena
from retrieval.vectors.graph import GraphRows

DIMENSION = 8
LAYOUTS = pytest.mark.parametrize("quantize_above", [None, 0], ids=["float32", "int8"])


def item(number: int) -> UUID:
    return UUID(int=number)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def topical(count: int, dimension: int, seed: int) -> np.ndarray:
    """Vectors with the neighbourhoods of real texts: topics, and texts scattered about them."""
    rng = np.random.default_rng(seed)
    topics = rng.normal(size=(40, dimension))
    return unit(topics[rng.integers(0, 40, count)] + 0.7 * rng.normal(size=(count, dimension)))


def oracle(held: dict[UUID, np.ndarray], query: np.ndarray, k: int) -> list[tuple[UUID, float]]:
    direction = query.astype(np.float64) / np.linalg.norm(query.astype(np.float64))
    scores = {
        item_id: float(vector.astype(np.float64) @ direction / np.linalg.norm(vector.astype(np.float64)))
        for item_id, vector in held.items()
    }
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:k]


numbers = st.lists(st.integers(-6, 6), min_size=DIMENSION, max_size=DIMENSION).filter(any)
vectors = st.builds(lambda values: np.array(values, dtype=np.float32), numbers)


class ArenaAgainstDict(RuleBasedStateMachine):
    """Whatever is put in and taken out, the arena answers like a dict of vectors compared one by one.

    It turns to int8 above 6 vectors and back below 3, so that runs cross the border both ways; with so few
    items every one is rescored, hence nothing may differ but the rounding of a cosine.
    """

    known = Bundle("known")

    def __init__(self) -> None:
        super().__init__()
        self.arena = VectorArena(DIMENSION, quantize_above=6 * DIMENSION)
        self.held: dict[UUID, np.ndarray] = {}

    @rule(target=known, number=st.integers(0, 15), vector=vectors)
    def upsert(self, number, vector):
        self.arena.upsert(item(number), vector)
        self.held[item(number)] = vector
        return item(number)

    @rule(pairs=st.lists(st.tuples(st.integers(0, 15), vectors), max_size=12))
    def upsert_many(self, pairs):
        ids = [item(number) for number, _ in pairs]
        self.arena.upsert_many(ids, np.array([vector for _, vector in pairs]).reshape(-1, DIMENSION))
        self.held.update((item(number), vector) for number, vector in pairs)

    @rule(item_id=known)
    def remove(self, item_id):
        assert self.arena.remove(item_id) == (self.held.pop(item_id, None) is not None)

    @rule(query=vectors, k=st.integers(1, 20))
    def search(self, query, k):
        found = self.arena.search(query, k)
        expected = oracle(self.held, query, k)
        assert len(found) == len(expected)
        np.testing.assert_allclose([score for _, score in found], [score for _, score in expected], atol=1e-4)
        # Near-ties may change places by rounding, so each item is held to its own cosine.
        exact = dict(oracle(self.held, query, len(self.held)))
        assert len({item_id for item_id, _ in found}) == len(found)
        for item_id, score in found:
            assert score == pytest.approx(exact[item_id], abs=1e-4)
        assert found == sorted(found, key=lambda pair: (-pair[1], pair[0]))

    @rule(query=vectors)
    def similarities(self, query):
        asked = [item(number) for number in range(20)]
        expected = dict(oracle(self.held, query, len(self.held)))
        assert self.arena.similarities(query, asked) == pytest.approx(expected, abs=1e-4)

    @invariant()
    def length(self):
        assert len(self.arena) == len(self.held)
        assert all(item_id in self.arena for item_id in self.held)


TestArenaAgainstDict = ArenaAgainstDict.TestCase
TestArenaAgainstDict.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)


@pytest.mark.parametrize("dimension", [384, 1536])
def test_an_int8_arena_finds_what_the_exact_one_finds(dimension):
    rows = topical(3_000, dimension, seed=1)
    queries = topical(60, dimension, seed=2)
    ids = [item(number) for number in range(len(rows))]
    exact, quantized = VectorArena(dimension, quantize_above=None), VectorArena(dimension)
    for arena in (exact, quantized):
        arena.upsert_many(ids, rows)

    for k in (10, 60):
        found = 0
        for query in queries:
            expected = dict(exact.search(query, k))
            got = dict(quantized.search(query, k))
            found += len(expected.keys() & got.keys())
            true = dict(zip(ids, rows @ query, strict=True))
            assert all(abs(score - true[item_id]) < 1e-4 for item_id, score in got.items())
        assert found / (k * len(queries)) >= 0.99
    assert quantized.nbytes <= 0.55 * exact.nbytes


class GraphAgainstDict(RuleBasedStateMachine):
    """The same with a graph from 6 items on, given up below 3; so few are all found, but in bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        self.arena = VectorArena(DIMENSION, quantize_above=4 * DIMENSION, graph_above=6)
        self.held: dict[UUID, np.ndarray] = {}

    @rule(number=st.integers(0, 15), vector=vectors)
    def upsert(self, number, vector):
        self.arena.upsert(item(number), vector)
        self.held[item(number)] = vector

    @rule(number=st.integers(0, 15))
    def remove(self, number):
        assert self.arena.remove(item(number)) == (self.held.pop(item(number), None) is not None)

    @rule()
    def build(self):
        outgrown = self.arena.outgrown
        self.arena.build_graph()
        assert self.arena.is_graph or not outgrown
        assert not self.arena.outgrown

    @rule(query=vectors, k=st.integers(1, 20))
    def search(self, query, k):
        expected = oracle(self.held, query, k)
        found = self.arena.search(query, k)
        np.testing.assert_allclose([score for _, score in found], [score for _, score in expected], atol=6e-3)
        exact = dict(oracle(self.held, query, len(self.held)))
        for item_id, score in found:
            assert score == pytest.approx(exact[item_id], abs=6e-3)

    @invariant()
    def length(self):
        assert len(self.arena) == len(self.held)
        if self.arena.is_graph:
            ids, raw = self.arena.saved()
            again = VectorArena.restored(DIMENSION, ids, raw)
            asked = np.ones(DIMENSION)
            assert again.search(asked, 20) == self.arena.search(asked, 20)


TestGraphAgainstDict = GraphAgainstDict.TestCase
TestGraphAgainstDict.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_a_graph_finds_what_the_exact_search_finds_and_is_half_the_size():
    rows, queries = np.split(topical(4_050, 1536, seed=1), [4_000])
    ids = [item(number) for number in range(len(rows))]
    graph = VectorArena(1536, graph_above=1_000)
    graph.upsert_many(ids, rows)
    assert graph.outgrown
    graph.build_graph()
    assert graph.is_graph
    found = 0
    for query in queries:
        best = {ids[row] for row in np.argsort(-(rows @ query))[:10]}
        got = dict(graph.search(query, 10))
        found += len(best & got.keys())
        assert all(abs(score - float(rows[item_id.int] @ query)) < 1e-3 for item_id, score in got.items())
    assert found / (10 * len(queries)) >= 0.96
    assert len(graph.saved()[1]) <= 0.55 * rows.nbytes


def test_what_changes_while_the_graph_is_built_is_in_it(monkeypatch):
    rows = topical(10_000, 16, seed=8)
    ids = [item(number) for number in range(len(rows))]
    arena = VectorArena(16, graph_above=5_000)
    arena.upsert_many(ids[:9_000], rows[:9_000])
    write, changed = GraphRows.write, []

    def write_and_change(self, indices, vectors):
        write(self, indices, vectors)
        if not changed:
            changed.append(True)
            arena.upsert(ids[5], -rows[5])
            for item_id in ids[8_000:9_000]:
                arena.remove(item_id)
            arena.upsert_many(ids[8_500:], rows[8_500:])
            arena.remove(ids[7])

    monkeypatch.setattr(GraphRows, "write", write_and_change)
    arena.build_graph()
    assert arena.is_graph
    assert len(arena) == 8_000 + 1_500 - 1
    assert ids[7] not in dict(arena.search(rows[7], 20))
    for number in (5, 8_500, 9_999):
        vector = -rows[5] if number == 5 else rows[number]
        assert arena.search(vector, 1) == [(ids[number], pytest.approx(1, abs=1e-2))]


@LAYOUTS
def test_equal_vectors_come_in_the_order_of_their_ids(quantize_above):
    arena = VectorArena(96, quantize_above=quantize_above)
    rows = topical(200, 96, seed=3)
    ids = [item(number) for number in np.random.default_rng(4).permutation(1_000).tolist()]
    arena.upsert_many(ids[:200], rows)
    arena.upsert_many(ids[200:], np.tile(rows[:1], (800, 1)))

    found = arena.search(rows[0], 25)

    assert [item_id for item_id, _ in found] == sorted([ids[0], *ids[200:]])[:25]
    assert {score for _, score in found} == {found[0][1]}
    assert found[0][1] == pytest.approx(1.0, abs=1e-6)


@LAYOUTS
def test_only_the_direction_of_a_vector_counts(quantize_above):
    arena = VectorArena(3, quantize_above=quantize_above)
    arena.upsert(item(1), [0.001, 0.0, 0.0])
    arena.upsert(item(2), [300.0, 300.0, 0.0])

    assert arena.search([0.0, 50.0, 0.0], 5) == [
        (item(2), pytest.approx(0.5**0.5, abs=1e-4)),
        (item(1), pytest.approx(0.0, abs=1e-6)),
    ]


@LAYOUTS
@pytest.mark.parametrize("bad", [[0.0, 0.0], [1.0, float("nan")], [float("inf"), 1.0], [1.0], [1.0, 2.0, 3.0]])
def test_a_vector_without_a_direction_is_refused_and_changes_nothing(quantize_above, bad):
    arena = VectorArena(2, quantize_above=quantize_above)
    arena.upsert(item(1), [1.0, 0.0])

    with pytest.raises(ValueError, match=r"zero or has|expected 1 vectors"):
        arena.upsert(item(2), bad)
    with pytest.raises(ValueError, match=r"zero or has|expected 1 vectors"):
        arena.search(bad, 1)

    assert arena.search([1.0, 0.0], 5) == [(item(1), 1.0)]


@LAYOUTS
def test_asking_for_the_cosines_of_no_rows_gives_none(quantize_above):
    """A question whose words all lie in what the vectors proposed already."""
    arena = VectorArena(96, quantize_above=quantize_above)
    rows = topical(50, 96, seed=3)
    arena.upsert_many([item(number) for number in range(50)], rows)

    assert arena.cosines(rows[0], np.array([], dtype=np.intp)).tolist() == []


@LAYOUTS
def test_an_empty_arena_finds_nothing_and_gives_its_memory_back(quantize_above):
    arena = VectorArena(16, quantize_above=quantize_above)
    assert arena.search(np.ones(16), 3) == []
    ids = [item(number) for number in range(500)]
    arena.upsert_many(ids, topical(500, 16, seed=5))
    full = arena.nbytes

    for item_id in ids:
        assert arena.remove(item_id)

    assert arena.search(np.ones(16), 3) == []
    assert not arena.remove(ids[0])
    assert arena.nbytes < full / 20
    with pytest.raises(ValueError, match="at least one item"):
        arena.search(np.ones(16), 0)


def test_readers_see_whole_items_while_a_writer_adds_and_removes():
    arena = VectorArena(32, quantize_above=32 * 150)
    rows = topical(300, 32, seed=6)
    lasting = [item(number) for number in range(100)]
    arena.upsert_many(lasting, rows[:100])

    def write() -> None:
        for _ in range(10):
            for number in range(100, 300):
                arena.upsert(item(number), rows[number])
            for number in range(100, 300):
                arena.remove(item(number))

    def read(number: int) -> None:
        for step in range(300):
            place = (number + step) % 100
            ((found, score),) = arena.search(rows[place], 1)
            assert (found, score) == (item(place), pytest.approx(1.0, abs=1e-4))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write), *(pool.submit(read, number * 30) for number in range(3))]:
            done.result()
