"""How long web and worker take to start and what memory they hold, beside a process that only loads libraries."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from desk.errors import ServiceUnavailableError
from desk.measuring.figures import Figure

_ROUNDS = 3
_LONGEST_START_SECONDS = 60.0
_LIBRARIES = "import litestar, sqlalchemy.ext.asyncio, asyncpg, numpy"
_YARDSTICK = "a Python process that only loads Litestar, SQLAlchemy, asyncpg and numpy"


@dataclass(frozen=True, slots=True)
class _Started:
    seconds: float
    megabytes: float
    """Resident memory of the process and its children."""


def measure_processes(environment: Mapping[str, str]) -> list[Figure]:
    """`environment` names the database; the processes are ended again."""
    settings = {**os.environ, **environment, "DESK_LOG_FORMAT": "json", "DESK_LOG_LEVEL": "info"}
    bare, web, worker = list[_Started](), list[_Started](), list[_Started]()
    for _ in range(_ROUNDS):
        bare.append(
            _start(
                [sys.executable, "-c", f"{_LIBRARIES}; print('ready', flush=True); input()"],
                settings,
                partial(_said, b"ready"),
            )
        )
        port = _free_port()
        web.append(_start([_desk(), "serve"], {**settings, "DESK_PORT": str(port)}, partial(_answers, port)))
        worker.append(_start([_desk(), "worker"], settings, partial(_said, b"worker_started")))
    figures: list[Figure] = []
    for name, started in (("web process", web), ("worker process", worker)):
        for what, unit, read in (("start", "s", _seconds), ("memory", "MB", _megabytes)):
            value = statistics.median(read(one) for one in started)
            yardstick = statistics.median(read(one) for one in bare)
            figures.append(Figure(f"{what} of a {name}", unit, value, _YARDSTICK, yardstick, _ROUNDS))
    return figures


def _seconds(started: _Started) -> float:
    return started.seconds


def _megabytes(started: _Started) -> float:
    return started.megabytes


def _desk() -> str:
    return str(Path(sys.executable).with_name("desk"))


def _start(
    command: list[str], environment: Mapping[str, str], ready: Callable[[subprocess.Popen[bytes]], bool]
) -> _Started:
    """Raises ServiceUnavailableError when the process is not ready in time."""
    started = time.monotonic()
    process = subprocess.Popen(  # noqa: S603 - our own commands
        command,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        while not ready(process):
            if process.poll() is not None or time.monotonic() - started > _LONGEST_START_SECONDS:
                msg = f"`{' '.join(command[:2])}` did not start"
                raise ServiceUnavailableError(msg)
            time.sleep(0.01)
        seconds = time.monotonic() - started
        return _Started(seconds, sum(_resident_bytes(pid) for pid in _family(process.pid)) / 1e6)
    finally:
        process.terminate()
        process.communicate()


def _said(word: bytes, process: subprocess.Popen[bytes]) -> bool:
    """Waits for the process's next line, and tells whether that was the one."""
    return process.stdout is not None and word in process.stdout.readline()


def _answers(port: int, _: subprocess.Popen[bytes]) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=1) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _family(pid: int) -> list[int]:
    """The process and all its descendants, by /proc."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
