"""What becomes of every file of a folder: outcome, word recall, memory and time in the child; PDF time beside pypdf's.

    python -m retrieval.benchmarks.ingestion FOLDER [--references FOLDER]

A reference is a Markdown file named after the file it belongs to (`report.docx.md`, or `report.md`). Word recall: words
are runs of letters and runs of digits, lower-cased; of all words of the rendered reference, each as often as it stands
there, the share that the document's title and text hold.
"""

from __future__ import annotations

import argparse
import io
import logging
import re
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser

from desk.errors import RefusedDocumentError
from retrieval.ingestion.isolation.limits import ReadingLimits
from retrieval.ingestion.isolation.messages import ReadAnswer
from retrieval.ingestion.isolation.reader import IsolatedReader
from retrieval.ingestion.parse import parse

_WORD = re.compile(r"[^\W\d_]+|\d+")
_ROUNDS = 3
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    name: str
    told: str
    """What it became, or why it was refused."""
    is_read: bool
    recall: float | None
    """None without a reference."""
    peak_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class PdfTimes:
    """Seconds for all PDFs that both can read, median of interleaved rounds."""

    files: int
    ours: float
    pypdf: float


def word_recall(reference: str, text: str) -> float:
    """`reference` in Markdown; 1 when it holds no word."""
    wanted = _words(LexborHTMLParser(_rendered(reference)).text())
    missing = wanted - _words(text)
    total = wanted.total()
    return 1.0 if not total else 1 - missing.total() / total


def measure(files: Sequence[Path], references: Path) -> list[Outcome]:
    """Each file read once in a child, as an upload is."""
    reader = IsolatedReader()
    try:
        return [_outcome(reader, path, references) for path in files]
    finally:
        reader.close()


def measure_pdfs(files: Sequence[Path]) -> PdfTimes:
    """The whole way to sections and paragraphs, beside pypdf's plain text of every page."""
    raws = [raw for path in files if (raw := path.read_bytes()) and _both_read(raw)]
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(_ROUNDS):
        ours.append(_timed(_read_ours, raws))
        theirs.append(_timed(_read_pypdf, raws))
    return PdfTimes(len(raws), median(ours), median(theirs))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--references", type=Path, help="Folder of the reference Markdown; not read as files.")
    given = arguments.parse_args()
    references: Path = given.references or given.folder / "docling_gold"
    files = sorted(path for path in given.folder.rglob("*") if path.is_file() and not path.is_relative_to(references))
    out = sys.stdout.write
    outcomes = measure(files, references)
    for each in outcomes:
        recall = "      " if each.recall is None else f"{each.recall:6.3f}"
        cost = f"{each.peak_bytes / _MEBIBYTE:6.0f} MB {each.seconds:7.3f} s"
        out(f"{recall} {cost}  {each.name}: {each.told}\n")
    _summary(outcomes, out)
    times = measure_pdfs([path for path in files if path.suffix.lower() == ".pdf"])
    ratio = times.pypdf / times.ours
    out(f"{times.files} PDFs: {times.ours:.2f} s, pypdf {times.pypdf:.2f} s, 1/{ratio:.1f} of its time\n")


def _summary(outcomes: Sequence[Outcome], out: Callable[[str], object]) -> None:
    recalls = [each.recall for each in outcomes if each.recall is not None]
    out(f"{len(outcomes)} files: {sum(each.is_read for each in outcomes)} read, ")
    out(f"{sum(not each.is_read for each in outcomes)} refused\n")
    if recalls:
        enough = sum(recall >= 0.95 for recall in recalls)
        out(f"word recall: median {median(recalls):.3f}, least {min(recalls):.3f}, ")
        out(f">= .95 for {enough} of {len(recalls)} files with a reference\n")
    out(f"in the child: median {median(each.seconds for each in outcomes):.3f} s, ")
    out(f"most {max(each.seconds for each in outcomes):.3f} s; ")
    out(f"median {median(each.peak_bytes for each in outcomes) / _MEBIBYTE:.0f} MB, ")
    out(f"most {max(each.peak_bytes for each in outcomes) / _MEBIBYTE:.0f} MB\n")


def _outcome(reader: IsolatedReader, path: Path, references: Path) -> Outcome:
    answer = reader.answer(path.name, path.read_bytes())
    document = answer.result.document if answer.result else None
    if document is None:
        return Outcome(path.name, _told(answer), answer.result is not None, None, answer.peak_bytes, answer.seconds)
    reference = _reference(path, references)
    text = f"{document.title}\n{document.text}"
    recall = None if reference is None else word_recall(reference.read_text(encoding="utf-8"), text)
    told = f"{len(document.text):,} characters, {len(document.sections)} sections"
    return Outcome(path.name, told, is_read=True, recall=recall, peak_bytes=answer.peak_bytes, seconds=answer.seconds)


def _told(answer: ReadAnswer) -> str:
    result = answer.result
    if result is None:
        return f"refused: {answer.refusal or answer.defect or ReadingLimits().out_of_memory}"
    return "FAQs" if result.is_faq_file else f"an archive of {len(result.parts or ())} files"


def _reference(path: Path, folder: Path) -> Path | None:
    """Names may carry the folders a file came from, joined by two underscores."""
    short = path.name.rpartition("__")[2]
    for name in (path.name, path.stem, short, Path(short).stem):
        if (candidate := folder / f"{name}.md").is_file():
            return candidate
    return None


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(unicodedata.normalize("NFC", text).lower()))


def _rendered(reference: str) -> str:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(reference)


def _read_ours(raw: bytes) -> None:
    parse("a.pdf", raw)


def _read_pypdf(raw: bytes) -> None:
    from pypdf import PdfReader  # noqa: PLC0415 - the yardstick is a development dependency

    for page in PdfReader(io.BytesIO(raw)).pages:
        page.extract_text()


def _both_read(raw: bytes) -> bool:
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        _read_ours(raw)
        _read_pypdf(raw)
    except RefusedDocumentError:
        return False
    except Exception:  # noqa: BLE001 - whatever pypdf stumbles over is left out of the comparison
        return False
    return True


def _timed(read: Callable[[bytes], None], raws: Sequence[bytes]) -> float:
    began = time.perf_counter()
    for raw in raws:
        read(raw)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
