"""The process that reads files: everything is loaded once, then a child is forked for each file.

It holds one thread and no connection, so forking is safe. It ends when the worker closes its pipe, in whatever way the
worker ended; a child ends by its own alarm, at the latest.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import sys
import time
from typing import NoReturn

import msgspec

from desk.errors import RefusedDocumentError
from retrieval.ingestion.isolation.messages import ReadAnswer, ReadRequest, receive, send
from retrieval.ingestion.read import load_readers, read_file
from retrieval.ingestion.sitemap import read_sitemap
from retrieval.ingestion.web_page import read_web_page

_MOST_REQUEST_BYTES = 2 * 1024**3
_GRACE_SECONDS = 2
"""Between the host's own look at the clock and the child's alarm, should the host be gone."""
_MOST_OPEN_FILES = 32


def main() -> None:
    load_readers()
    gc.freeze()
    requests, answers = sys.stdin.fileno(), os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints must not look like an answer
    while True:
        try:
            request = msgspec.msgpack.decode(receive(requests, most_bytes=_MOST_REQUEST_BYTES), type=ReadRequest)
            send(answers, _answer(request, requests))
        except (EOFError, BrokenPipeError):
            return


def _answer(request: ReadRequest, requests: int) -> bytes:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _read_in_child(request, writing, requests)
    os.close(writing)
    began = time.monotonic()
    answer, timed_out = b"", False
    try:
        answer = _wait(reading, requests, request, began + request.wall_seconds)
    except (TimeoutError, ValueError):
        timed_out = True
    except EOFError:
        pass  # it crashed or was stopped by a limit: its status says which
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
    seconds = time.monotonic() - began
    return _finished(answer, status, usage, seconds, timed_out=timed_out)


def _wait(reading: int, requests: int, request: ReadRequest, until: float) -> bytes:
    """The child's answer. Raises BrokenPipeError when the worker has gone meanwhile."""
    ready, _, _ = select.select([reading, requests], [], [], request.wall_seconds)
    if requests in ready and reading not in ready:
        raise BrokenPipeError  # nothing is asked before an answer came, so this is the end of the pipe
    return receive(reading, most_bytes=request.answer_bytes, until=until)


def _finished(answer: bytes, status: int, usage: resource.struct_rusage, seconds: float, *, timed_out: bool) -> bytes:
    if answer:
        done = msgspec.msgpack.decode(answer, type=ReadAnswer)
    else:
        stopped = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        out_of_time = timed_out or stopped in {signal.SIGXCPU, signal.SIGALRM}
        done = ReadAnswer(defect="timeout" if out_of_time else f"ended by signal {stopped}, status {status}")
    done.peak_bytes, done.seconds = usage.ru_maxrss * 1024, seconds
    return msgspec.msgpack.encode(done)


def _read_in_child(request: ReadRequest, writing: int, requests: int) -> NoReturn:
    """Never comes back: ends the process with the answer written, or without."""
    try:
        os.close(requests)
        _limit(request)
        spare = bytearray(1 << 20)
        try:
            answer = _read(request)
        except RefusedDocumentError as error:
            answer = ReadAnswer(refusal=error.detail)
        except MemoryError:
            answer = ReadAnswer(out_of_memory=True)
        except Exception as error:  # noqa: BLE001 - what a library raises on broken files has no common name
            answer = ReadAnswer(defect=_described(error))
        del spare  # so that saying "out of memory" has memory
        send(writing, msgspec.msgpack.encode(answer))
    finally:
        os._exit(0)


def _read(request: ReadRequest) -> ReadAnswer:
    match request.purpose:
        case "page":
            return ReadAnswer(page=read_web_page(request.raw, request.name))
        case "sitemap":
            return ReadAnswer(sitemap=read_sitemap(request.raw))
        case "file":
            return ReadAnswer(result=read_file(request.name, request.raw, request.media_type))


def _described(error: Exception) -> str:
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}: {str(error)[:300]}"


def _limit(request: ReadRequest) -> None:
    """From here on the child can neither grow, run on, write files nor start processes."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, request.wall_seconds + _GRACE_SECONDS)
    for what, most in (
        (resource.RLIMIT_AS, request.memory_bytes),
        (resource.RLIMIT_CPU, request.cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, _MOST_OPEN_FILES),
    ):
        _, hard = resource.getrlimit(what)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # At the soft limit of processor time comes SIGXCPU, which says why; at the hard one SIGKILL, which does not.
        most_ever = allowed + 1 if what == resource.RLIMIT_CPU and allowed != hard else allowed
        resource.setrlimit(what, (allowed, most_ever))
    sys.setrecursionlimit(3_000)


if __name__ == "__main__":
    main()
