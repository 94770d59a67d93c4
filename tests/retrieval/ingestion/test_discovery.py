"""Which files `discover` finds, in which order, and that it tells what it leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk.errors import InvalidInputError
from retrieval.ingestion.discovery import discover


def test_walks_in_a_stable_order_and_tells_what_it_skips(tmp_path: Path) -> None:
    for name in ("b.md", "a/z.txt", "a/Y.HTML", "a/.git/x.md", ".hidden.md", "photo.png", "a/LICENSE"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    (tmp_path / "loop").symlink_to(tmp_path)
    skipped: dict[str, str] = {}
    found = discover([tmp_path / "b.md", tmp_path], lambda path, why: skipped.update({path.name: why}))
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["b.md", "a/Y.HTML", "a/z.txt"]
    assert skipped == {
        ".hidden.md": "hidden",
        ".git": "hidden",
        "loop": "a symbolic link",
        "photo.png": "of a type that cannot be read (.png)",
        "LICENSE": "of a type that cannot be read (no ending)",
        "b.md": "named twice",
    }


def test_gives_a_named_file_whatever_it_is_and_refuses_a_missing_path_at_once(tmp_path: Path) -> None:
    odd = tmp_path / "odd.xyz"
    odd.write_text("text")
    assert list(discover([odd], lambda *_: None)) == [odd]
    with pytest.raises(InvalidInputError, match="missing"):
        discover([odd, tmp_path / "missing"], lambda *_: None)
