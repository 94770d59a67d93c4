"""Measures search over a folder of Markdown documents: does a title find its article, a heading its section?

Titles and headings are taken out of the texts that are searched, so the question is never simply there. With
--headings they stay in, as they do when a document is taken in, for every one of the searches. --alternatives adds
other ways to bring words and vectors together, --rerank the embedding reranker.

    python -m retrieval.benchmarks.kb FOLDER [--articles 150] [--headings] [--alternatives] [--rerank] [--json]
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from retrieval.benchmarks.fusions import alternatives
from retrieval.benchmarks.ranking import Task, embed_with_progress, measure, report
from retrieval.benchmarks.second_look import reranked

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)
_FIRST_HEADING = re.compile(r"\A\s*#\s+(.+)\n")
_HEADING = re.compile(r"^#{2,3}\s+(.+)$", re.MULTILINE)
_HEADING_MARKUP = re.compile(r"\{#.*?\}|[`*]")
_SHORTEST_SECTION = 80
_LONGEST_CHUNK = 1_200
_SHORTEST_TITLE = 2
_SHORTEST_HEADING = 3
"""Words; a shorter heading such as "Installation" does not say what it is about."""


@dataclass(frozen=True, slots=True)
class Section:
    article: str
    title: str
    heading: str
    text: str

    @property
    def key(self) -> tuple[str, str]:
        return self.article, self.heading

    @property
    def above(self) -> tuple[str, ...]:
        return tuple(one for one in (self.title, self.heading) if one)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--articles", type=click.IntRange(min=1), help="Read only so many articles, in the order of their paths.")
@click.option("--headings", "with_headings", is_flag=True, help="Leave title and heading above every text.")
@click.option("--alternatives", "with_alternatives", is_flag=True, help="Other fusions beside the product's own.")
@click.option("--rerank", is_flag=True, help="The embedding reranker too; embeds every sentence that is found.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def main(
    folder: Path, articles: int | None, *, with_headings: bool, with_alternatives: bool, rerank: bool, as_json: bool
) -> None:
    """Search the Markdown documents in FOLDER by their titles and headings."""
    paths = sorted(folder.rglob("*.md"))[:articles]
    sections = [section for path in paths for section in _sections(path.relative_to(folder), path)]
    if not sections:
        raise click.ClickException("There is no Markdown document with text in this folder.")
    chunks = [(section, chunk) for section in sections for chunk in _chunks(section.text)]
    above = [section.above if with_headings else () for section, _ in chunks]
    texts = ["\n".join((*headings, chunk)) for headings, (_, chunk) in zip(above, chunks, strict=True)]
    titles = {section.article: section.title for section in sections if _words(section.title) >= _SHORTEST_TITLE}
    times = Counter(section.heading for section in sections)
    headings = {
        section.key: section.heading
        for section in sections
        if _words(section.heading) >= _SHORTEST_HEADING and times[section.heading] == 1
    }
    documents = [section.article for section, _ in chunks]
    keys = [section.key for section, _ in chunks]
    tasks = [
        Task("title to article", texts, documents, [*titles.values()], [*titles], above, documents),
        Task("heading to section", texts, keys, [*headings.values()], [*headings], above, documents),
    ]
    text_vectors = embed_with_progress(texts, f"Embedding {len(texts)} texts")
    for task in tasks:
        if not task.questions:
            continue
        further = alternatives(task, text_vectors, documents) if with_alternatives else {}
        if rerank:
            further["reranked"] = reranked(task, text_vectors)
        report(measure(task, text_vectors, embed_with_progress(task.questions, task.name), further), as_json=as_json)


def _sections(name: Path, path: Path) -> Iterator[Section]:
    text = path.read_text(encoding="utf-8", errors="replace")
    title = ""
    if front := _FRONT_MATTER.match(text):
        text = text[front.end() :]
        if named := _FRONT_TITLE.search(front.group(1)):
            title = named.group(1)
    if first := _FIRST_HEADING.match(text):
        text = text[first.end() :]
        title = title or first.group(1)
    parts = ["", *_HEADING.split(text)]
    for heading, body in zip(parts[0::2], parts[1::2], strict=True):
        if len(body.strip()) >= _SHORTEST_SECTION:
            yield Section(str(name), title.strip(), _HEADING_MARKUP.sub("", heading).strip(), body.strip())


def _chunks(text: str) -> Iterator[str]:
    for start in range(0, len(text), _LONGEST_CHUNK):
        yield text[start : start + _LONGEST_CHUNK]


def _words(text: str) -> int:
    return len(text.split())


if __name__ == "__main__":
    main()
