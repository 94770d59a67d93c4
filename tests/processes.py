"""Watching real processes from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def eventually(condition: Callable[[], bool], seconds: float = 8.0) -> bool:
    """True as soon as `condition` holds, False when it did not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    return True


def python(program: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
    """A Python process that runs `program` from the project's root, its output readable line by line."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
        **options,
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def finish(process: subprocess.Popen[str]) -> None:
    """End a process whatever became of it, and close its pipes, which a survivor may still hold at the other end."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def processes_mentioning(text: str) -> set[int]:
    """Ids of living processes with `text` in their command line, this one excepted."""
    found: set[int] = set()
    for pid in _all():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in words:
            found.add(pid)
    return found - {os.getpid()}


def processes_working_in(folder: Path) -> set[int]:
    """Ids of living processes whose working folder is `folder`: every process of a PostgreSQL server is one."""
    wanted = folder.stat()
    found: set[int] = set()
    for pid in _all():
        try:
            status = Path(f"/proc/{pid}/cwd").stat()
        except OSError:
            continue
        if (status.st_dev, status.st_ino) == (wanted.st_dev, wanted.st_ino):
            found.add(pid)
    return found


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_alive(pid: int) -> bool:
    """False for a zombie as well."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _all() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
