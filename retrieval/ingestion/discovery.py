"""Which files a person means when they name files and folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from desk.errors import InvalidInputError

from .recognise import SUPPORTED_EXTENSIONS

Skipped = Callable[[Path, str], None]
"""Is told each path that is left out and why."""


def discover(paths: Iterable[Path], skipped: Skipped) -> Iterator[Path]:
    """Every file to read, each once, folders in the order of their names.

    A file that was named is always given, so that `parse` can say what is wrong with it. Inside folders hidden
    files, unknown file types and symbolic links are left out. Raises InvalidInputError, before anything is read,
    for a path that does not exist.
    """
    given = list(paths)
    for path in given:
        if not path.exists():
            raise InvalidInputError(f"There is no file or folder at {path}.")
    return _each_once(given, skipped)


def _each_once(paths: list[Path], skipped: Skipped) -> Iterator[Path]:
    seen: set[Path] = set()
    for path in paths:
        for file in _files_under(path, skipped) if path.is_dir() else (path,):
            resolved = file.resolve()
            if resolved in seen:
                skipped(file, "named twice")
            else:
                seen.add(resolved)
                yield file


def _files_under(folder: Path, skipped: Skipped) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: (entry.name.casefold(), entry.name))
    except PermissionError:
        skipped(folder, "may not be opened by this user")
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith("."):
            skipped(path, "hidden")
        elif entry.is_symlink():
            skipped(path, "a symbolic link")
        elif entry.is_dir():
            yield from _files_under(path, skipped)
        elif not entry.is_file():
            skipped(path, "not a regular file")
        elif path.suffix.lower() not in SUPPORTED_EXTENSIONS:
            skipped(path, f"of a type that cannot be read ({path.suffix or 'no ending'})")
        else:
            yield path
