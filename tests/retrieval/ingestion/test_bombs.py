"""Files that are meant to harm: each ends refused with the true reason, and the next file is read as if nothing was."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from desk.errors import RefusedDocumentError
from retrieval.ingestion.isolation.limits import ReadingLimits
from retrieval.ingestion.isolation.reader import IsolatedReader
from retrieval.ingestion.zip_entries import MOST_ENTRIES

from .made_files import encrypted_pdf, open_document, pdf, slides, text_pdf, with_parts, word, zipped

LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;">]>
<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>&lol2;</w:t>
</w:r></w:p></w:body></w:document>"""
WIDE_LAUGHS = LAUGHS.decode().encode("utf-16")
OUTSIDE = LAUGHS.replace(b'<!ENTITY lol "lol">', b'<!ENTITY lol SYSTEM "file:///etc/passwd">')

MANY_PARTS = b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 2000 + b"--b--"


@pytest.fixture(scope="module")
def reader() -> Iterator[IsolatedReader]:
    limits = ReadingLimits(wall_seconds=2, cpu_seconds=1)
    made = IsolatedReader(limits, host="tests.retrieval.ingestion.hostile_host")
    yield made
    made.close()


def refusal(reader: IsolatedReader, name: str, raw: bytes) -> str:
    with pytest.raises(RefusedDocumentError) as refused:
        reader.read_measured(name, raw)
    check_alive(reader)
    return refused.value.detail


def check_alive(reader: IsolatedReader) -> None:
    result, _ = reader.read_measured("after.md", b"Still reading.")
    assert result.document is not None
    assert result.document.text == "Still reading."


def bomb(size: int) -> bytes:
    return zipped({"zeros.txt": b"0" * size})


def nested(depth: int) -> bytes:
    raw = b"Deep"
    for level in range(depth):
        raw = zipped({f"{level}.zip" if level else "deep.txt": raw})
    return raw


def locked_zip() -> bytes:
    raw = bytearray(zipped({"a.txt": b"words"}))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + place] |= 1
    return bytes(raw)


def lying_zip() -> bytes:
    """Says of a large entry that it is small."""
    raw = bytearray(bomb(30_000_000))
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = raw.index(signature) + place
        raw[at : at + 4] = (1000).to_bytes(4, "little")
    return bytes(raw)


@pytest.mark.parametrize(
    ("name", "raw", "reason"),
    [
        ("a.zip", bomb(50_000_000), "grows more than"),
        ("a.zip", lying_zip(), "damaged"),
        ("a.zip", nested(6), "nested more than 3 deep"),
        ("a.zip", zipped({"../../etc/cron.d/x.md": b"# x"}), "leads out of it"),
        ("a.zip", zipped({"C:\\x.md": b"# x"}), "leads out of it"),
        ("a.zip", zipped({f"{at}.md": b"x" for at in range(MOST_ENTRIES + 1)}), "too many entries"),
        ("a.zip", zipped({f"{'d/' * 30}a.md": b"x"}), "path that is too long"),
        ("a.zip", locked_zip(), "encrypted"),
        ("a.zip", zipped({"a.txt": b"words"})[:-30], "damaged"),
        ("a.zip", zipped({"a.exe": b"MZ", "b.png": b"\x89PNG"}), "no file in the archive that can be read"),
        ("a.docx", with_parts(word(("Normal", "x")), {"word/document.xml": LAUGHS}), "entities"),
        ("a.docx", with_parts(word(("Normal", "x")), {"word/styles.xml": OUTSIDE}), "entities"),
        ("a.pptx", with_parts(slides(("T", ["p"], "")), {"ppt/slides/slide1.xml": WIDE_LAUGHS}), "entities"),
        ("a.odt", with_parts(open_document(), {"content.xml": OUTSIDE}), "entities"),
        ("a.docx", with_parts(word(("Normal", "x")), {"word/document.xml": b"<a>" * 5000 + b"</a>" * 5000}), "nested"),
        ("a.docx", with_parts(word(("Normal", "x")), {"word/z.xml": b"<a>" + b" " * 60_000_000}), "grows"),
        ("a.html", b"<div>" * 100_000, "nested"),
        ("a.eml", MANY_PARTS, "parts"),
        ("a.pdf", pdf([[(72, 700, 11, "x")]], count=1_000_000), "too many pages"),
        ("a.pdf", encrypted_pdf("secret"), "encrypted"),
        ("a.pdf", text_pdf("Cut short")[:60], "damaged"),
        ("a.pdf", pdf([[]]), "blank"),
        ("hog", b"x", "memory"),
        ("sleeper", b"x", "too long"),
        ("spinner", b"x", "too long"),
        ("crash", b"x", "damaged"),
        ("bug", b"x", "damaged"),
    ],
    ids=lambda value: "file" if isinstance(value, bytes) else str(value),  # archives hold the time they were made
)  # fmt: skip
def test_what_is_meant_to_harm_is_refused_with_the_reason(
    reader: IsolatedReader, name: str, raw: bytes, reason: str
) -> None:
    assert reason in refusal(reader, name, raw)


def test_the_child_can_write_no_file(reader: IsolatedReader, tmp_path: Path) -> None:
    refusal(reader, "writer", str(tmp_path / "out").encode())
    assert not (tmp_path / "out").exists() or (tmp_path / "out").read_bytes() == b""


def test_a_hog_never_gets_more_than_its_memory(reader: IsolatedReader) -> None:
    answer = reader.answer("hog", b"x")
    assert answer.result is None
    assert answer.peak_bytes <= ReadingLimits().memory_bytes


def test_a_host_that_was_killed_is_started_again(reader: IsolatedReader) -> None:
    check_alive(reader)
    host = reader._host
    assert host is not None
    host.kill()
    host.wait()
    check_alive(reader)


def test_the_host_ends_with_its_worker_however_that_ends(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from retrieval.ingestion.isolation.reader import IsolatedReader\n"
        "reader = IsolatedReader()\n"
        "reader.answer('a.md', b'words')\n"
        "print(reader._host.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    worker = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    host = int(worker.stdout.readline())
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    until = time.monotonic() + 10
    while _runs(host):
        assert time.monotonic() < until
        time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not (status.exists() and status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z")


WHOLE = {
    "a.pdf": text_pdf("Opening hours\nMonday to Friday", "Second page"),
    "a.docx": word(("Heading 1", "Hours"), ("Normal", "Monday to Friday")),
    "a.pptx": slides(("Hours", ["Monday"], "Say it slowly")),
    "a.odt": open_document(),
    "a.eml": b"From: a@example.com\nSubject: Hours\nContent-Type: text/plain\n\nMonday to Friday\n",
    "a.zip": zipped({"a.md": b"# Hours\n\nMonday to Friday"}),
}


@pytest.mark.parametrize("name", WHOLE)
def test_broken_files_are_read_or_refused_and_never_end_the_host(reader: IsolatedReader, name: str) -> None:
    chance = random.Random(name)  # noqa: S311 - to break files the same way every time
    check_alive(reader)
    host = reader._host
    for _ in range(12):
        raw = bytearray(WHOLE[name])
        for _ in range(chance.randint(1, 12)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        cut = chance.randrange(len(raw)) if chance.random() < 0.3 else len(raw)
        with suppress(RefusedDocumentError):
            reader.read_measured(name, bytes(raw[:cut]))
    assert reader._host is host
    check_alive(reader)


def test_an_archive_gives_its_files_and_says_what_it_left_out(reader: IsolatedReader) -> None:
    inner = zipped({"deep/b.md": b"Inner"})
    result, _ = reader.read_measured(
        "a.zip",
        zipped(
            {"docs/a.txt": b"Outer", "inner.zip": inner, "logo.png": b"\x89PNG", "__MACOSX/._a.txt": b"x", "d/": b""}
        ),
    )
    assert result.parts is not None
    assert {part.path: part.raw for part in result.parts} == {"docs/a.txt": b"Outer", "inner.zip/deep/b.md": b"Inner"}
    assert result.remarks == ["Left out: logo.png (files ending in .png cannot be read)."]


def test_budget_counts_over_nested_archives() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for at in range(3):
            archive.writestr(f"{at}.zip", zipped({f"{at}-{one}.md": b"x" for one in range(MOST_ENTRIES // 2)}))
    reader = IsolatedReader()
    try:
        assert "too many entries" in refusal(reader, "a.zip", out.getvalue())
    finally:
        reader.close()
