"""Where sentences end, abbreviations and other scripts included."""

from __future__ import annotations

import pytest

from desk.sentences import sentence_spans


@pytest.mark.parametrize(
    "sentences",
    [
        ["It costs 1.50 EUR.", "Use v2.1.3 today!", "Is it ok?", "Yes."],
        ["Ask Dr. Smith, e.g. by mail.", "He answers approx. 10 mails etc. every day."],
        ["Das gilt z. B. am 3. Mai bzw. ab Nr. 400.", "Danach nicht."],
        ["See https://example.com/a.b?c=d. for more.", '"Really?"', "(Yes.)", "Done…", "Next"],
        ["これは文です。", "次の文です。"],
        ["It ended in 2024.", "Then it began."],
    ],
)
def test_sentences_end_where_a_reader_ends_them(sentences: list[str]) -> None:
    joiner = "" if "。" in sentences[0] else " "
    text = joiner.join(sentences)
    assert [text[start:end] for start, end in sentence_spans(text, (0, len(text)))] == sentences
