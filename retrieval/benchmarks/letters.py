"""Measures what cleaning a message is worth: the same questions in letters, in replies and in threads.

FOLDER holds `faq.jsonl` with {"id", "question"} and `queries.jsonl` with {"query", "faq_id"}, as for
`retrieval.benchmarks.faq`. Every query is asked as it is, then inside what mail programs and polite people put around
it; each of these once as written and once as `retrieval.query.clean_question` leaves it. In a thread the customer has
had an answer to another question before: what the desk searches with are the words since that answer.

    python -m retrieval.benchmarks.letters FOLDER [--json]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from retrieval.benchmarks.faq import read_questions
from retrieval.benchmarks.ranking import Task, embed_with_progress, measure, report
from retrieval.query import clean_question

_GREETINGS = ("Dear support team,", "Hi there,", "Good morning!", "Hello,", "To whom it may concern,")
_CLOSINGS = (
    "Thank you very much in advance.\n\nBest regards,\nMargaret Thornbury\nHead of Purchasing\nThornbury & Sons Ltd",
    "Many thanks\nJoe\n\nSent from my iPhone",
    "Kind regards\n\n--\nDr. Anneke Visser\nTel. +31 20 555 0142\nKeizersgracht 12, Amsterdam",
    "Cheers\nPriya",
    "Sincerely,\nC. Mendes\n\nThis e-mail and any attachments are confidential and intended for the addressee only.",
)
_ANSWER = (
    "thank you for your patience. I have looked into it and changed the setting for you. Please try it once more and "
    "write again if it does not work as you expect."
)
Wrapped = Callable[[int, str, str], str]
"""Number of the question, the question, and another customer question that has nothing to do with it."""


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def main(folder: Path, *, as_json: bool) -> None:
    """Search the FAQ questions in FOLDER with the queries beside them, bare and wrapped."""
    faqs, queries = read_questions(folder)
    vectors = embed_with_progress(faqs.texts, f"Embedding {len(faqs.texts)} questions")
    others = _others(queries.texts, queries.faqs)
    asked: dict[str, Sequence[str]] = {"as asked": queries.texts}
    for name, wrapped in (("letter", _letter), ("reply", _reply), ("thread", _thread)):
        written = [wrapped(at, one, others[at]) for at, one in enumerate(queries.texts)]
        # Of a thread the desk knows where the last answer ended; of a mail it has only the text.
        known = [_letter(at, one, "") for at, one in enumerate(queries.texts)] if name == "thread" else written
        asked[f"{name}, as written"] = written
        asked[f"{name}, cleaned"] = [clean_question("", one) for one in known]
    for name, texts in asked.items():
        task = Task(name, faqs.texts, faqs.faqs, texts, queries.faqs)
        report(measure(task, vectors, embed_with_progress(texts, name)), as_json=as_json)


def _others(texts: Sequence[str], faqs: Sequence[int]) -> list[str]:
    """For every query one of another FAQ, far from it in the file."""
    half = len(texts) // 2
    found: list[str] = []
    for at in range(len(texts)):
        later = ((at + half + step) % len(texts) for step in range(len(texts)))
        found.append(next((texts[one] for one in later if faqs[one] != faqs[at]), ""))
    return found


def _letter(number: int, question: str, _: str) -> str:
    return f"{_GREETINGS[number % len(_GREETINGS)]}\n\n{question}\n\n{_CLOSINGS[number % len(_CLOSINGS)]}"


def _reply(number: int, question: str, other: str) -> str:
    quoted = "\n".join(f"> {line}" for line in f"Dear customer,\n{_ANSWER}\n\nYou asked: {other}".splitlines())
    return f"{_letter(number, question, '')}\n\nOn Tue, 4 Mar 2025 at 10:12, Support wrote:\n{quoted}"


def _thread(number: int, question: str, other: str) -> str:
    """All that was said, in the order it was."""
    return f"{_letter(number + 1, other, '')}\n\nDear customer,\n{_ANSWER}\n\n{_letter(number, question, '')}"


if __name__ == "__main__":
    main()
