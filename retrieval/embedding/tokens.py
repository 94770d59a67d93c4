"""The embedding model's own tokenizer: what a text costs in tokens and where each token stands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from tokenizers import Tokenizer

from desk.ports import Span
from retrieval.embedding.model_files import checked_file, model_folder

MAX_TOKENS = 256
"""What the model reads of one text, its two special tokens included (sentence_bert_config.json)."""
CONTENT_TOKENS = MAX_TOKENS - 2
"""Tokens of a text of one's own that fit; a longer text is cut there when it is embedded."""


@cache
def _tokenizer(max_tokens: int | None) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(checked_file(model_folder(), "tokenizer.json")))
    tokenizer.no_padding()
    if max_tokens is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(max_tokens)  # pyright: ignore[reportUnknownMemberType] -- untyped **kwargs
    return tokenizer


def _encodable(text: str) -> str:
    # Lone surrogates have no UTF-8 form; each becomes one "?" so that character offsets stay true.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def token_spans(text: str) -> list[Span]:
    """The half-open character range of every token of the whole text, in order, special tokens left out.

    Raises EmbeddingModelMissingError or EmbeddingModelChangedError.
    """
    return _tokenizer(None).encode(_encodable(text), add_special_tokens=False).offsets


def is_known_word(word: str) -> bool:
    """Whether the model's vocabulary holds this lower-case word whole, as it does the 20,000 commonest English ones."""
    return _tokenizer(None).token_to_id(word) is not None


def model_input(texts: Sequence[str]) -> list[list[int]]:
    """Token ids per text as the model reads them: special tokens added, cut at MAX_TOKENS."""
    encodings = _tokenizer(MAX_TOKENS).encode_batch([_encodable(text) for text in texts])
    return [encoding.ids for encoding in encodings]
