"""The worker's side of reading a file in a process of its own."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import cache

import msgspec
import structlog

from desk.errors import RefusedDocumentError
from desk.ports import SitemapFacts, WebPageFacts
from retrieval.ingestion.isolation.limits import ReadingLimits
from retrieval.ingestion.isolation.messages import Purpose, ReadAnswer, ReadRequest, receive, send
from retrieval.ingestion.read import ReadResult

_log = structlog.get_logger(__name__)
_GRACE_SECONDS = 10.0
"""What the host may take on top of the file's own time, on a busy machine."""
_HOST = "retrieval.ingestion.isolation.host"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of reading one file, in the child."""

    peak_bytes: int
    seconds: float


class IsolatedReader:
    """One reading host, started when it is first needed and again whenever it is gone. Files are read one by one.

    `read` may be called from any thread. Nothing it is given makes it raise anything but RefusedDocumentError.
    """

    def __init__(self, limits: ReadingLimits | None = None, host: str = _HOST) -> None:
        self._limits = limits or ReadingLimits()
        self._module = host
        self._host: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()

    async def read(self, name: str, raw: bytes, media_type: str = "") -> ReadResult:
        """Raises RefusedDocumentError with the reason, whatever happened to the child."""
        result, _ = await asyncio.to_thread(self.read_measured, name, raw, media_type)
        return result

    def read_measured(self, name: str, raw: bytes, media_type: str = "") -> tuple[ReadResult, Cost]:
        """Blocking. Raises RefusedDocumentError."""
        answer = self.answer(name, raw, media_type)
        if answer.result is None:
            raise RefusedDocumentError(self._reason(name, answer))
        return answer.result, Cost(answer.peak_bytes, answer.seconds)

    async def read_page(self, raw: bytes, address: str) -> WebPageFacts:
        """Fulfils `desk.ports.WebPageReader`, with `read_sitemap`. Raises RefusedDocumentError."""
        answer = await asyncio.to_thread(self.answer, address, raw, "text/html", "page")
        if answer.page is None:
            raise RefusedDocumentError(self._reason(address, answer))
        return WebPageFacts(**msgspec.structs.asdict(answer.page))

    async def read_sitemap(self, raw: bytes) -> SitemapFacts:
        """Raises RefusedDocumentError."""
        answer = await asyncio.to_thread(self.answer, "sitemap", raw, "", "sitemap")
        if answer.sitemap is None:
            raise RefusedDocumentError(self._reason("sitemap", answer))
        return SitemapFacts(answer.sitemap.pages, answer.sitemap.sitemaps)

    def answer(self, name: str, raw: bytes, media_type: str = "", purpose: Purpose = "file") -> ReadAnswer:
        """What the host said about the file; a host that is gone is a defect as well."""
        limits = self._limits
        request = ReadRequest(
            name,
            media_type,
            raw,
            limits.memory_bytes,
            limits.wall_seconds,
            limits.cpu_seconds,
            limits.answer_bytes,
            purpose,
        )
        with self._turn:
            host = self._running()
            try:
                return self._ask(host, msgspec.msgpack.encode(request))
            except (OSError, EOFError, ValueError, subprocess.TimeoutExpired) as error:
                self._stop()
                return ReadAnswer(defect=f"the reading host is gone: {type(error).__name__}")

    def close(self) -> None:
        with self._turn:
            self._stop()

    def _ask(self, host: subprocess.Popen[bytes], request: bytes) -> ReadAnswer:
        if host.stdin is None or host.stdout is None:
            raise EOFError
        late = threading.Timer(self._limits.wall_seconds + _GRACE_SECONDS, host.kill)
        late.start()
        try:
            send(host.stdin.fileno(), request)
            received = receive(host.stdout.fileno(), most_bytes=self._limits.answer_bytes + 4096)
        finally:
            late.cancel()
        return msgspec.msgpack.decode(received, type=ReadAnswer)

    def _reason(self, name: str, answer: ReadAnswer) -> str:
        if answer.refusal:
            return answer.refusal
        if answer.out_of_memory:
            return self._limits.out_of_memory
        _log.warning("document_not_read", file=name, reason=answer.defect)
        return self._limits.out_of_time if answer.defect == "timeout" else self._limits.crashed

    def _running(self) -> subprocess.Popen[bytes]:
        if self._host is None or self._host.poll() is not None:
            self._stop()
            # One thread for numpy: its threads would not survive a fork, and their stacks count as memory.
            environment = {
                "PATH": os.environ.get("PATH", ""),
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "PYTHONHASHSEED": "0",
                "OPENBLAS_NUM_THREADS": "1",
                "OMP_NUM_THREADS": "1",
                "MALLOC_ARENA_MAX": "1",
            }
            self._host = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-m", self._module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                bufsize=0,
                start_new_session=True,
            )
        return self._host

    def _stop(self) -> None:
        host, self._host = self._host, None
        if host is None:
            return
        if host.poll() is None:
            host.send_signal(signal.SIGKILL)
        host.wait()
        for pipe in (host.stdin, host.stdout):
            if pipe is not None:
                pipe.close()


@cache
def shared_reader() -> IsolatedReader:
    """The one of this process: starting a host takes a second or two."""
    reader = IsolatedReader()
    atexit.register(reader.close)
    return reader
