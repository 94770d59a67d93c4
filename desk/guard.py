"""A small parent process that keeps one command, and all it started, from outliving the desk.

The desk starts this file as a script in a process of its own, with a `GuardOrder` as its one argument. It
starts the command and stops it as soon as what it watches tells that nobody needs it any more: a pipe whose
other end closes when the owning process dies, or a lock that comes free when the last process using a server
is gone. Both are released by the kernel, so `kill -9` of the owner is noticed at once. The guard adopts
orphans (prctl(2), PR_SET_CHILD_SUBREAPER) and ends whatever the command leaves behind; the command in turn
is signalled by the kernel if the guard itself is killed (PR_SET_PDEATHSIG). Linux only.

Only the standard library is imported: it runs isolated from site-packages and must start in milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_WATCH_FIRED = 0
_STRAGGLER_SECONDS = 1.0


@dataclass(frozen=True)
class GuardOrder:
    """What to run, what to watch, how to stop.

    Steps are pairs of (signal number, seconds to wait); what is still alive after the last one is killed.
    """

    argv: Sequence[str]
    watched_descriptor: int
    watches_lock: bool
    stop_steps: Sequence[tuple[int, float]]
    """Taken when the guard gets SIGTERM. SIGQUIT kills at once."""
    abandoned_steps: Sequence[tuple[int, float]]
    """Taken when the watched pipe closes or the watched lock comes free."""
    death_signal: int
    """Sent to the command by the kernel when the guard dies."""
    inherited_descriptors: Sequence[int] = ()
    directory: str | None = None
    user: int | None = None
    group: int | None = None
    environment: Mapping[str, str] | None = None
    """The command's whole environment; None: the guard's own. Visible in the process list: no secrets."""
    detached: bool = False
    """The guard is to survive the process that started it."""

    def command_line(self) -> list[str]:
        return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), json.dumps(asdict(self))]


def descendants(ancestor: int) -> set[int]:
    """Process ids below `ancestor`, from /proc/*/stat (proc_pid_stat(5)); processes that end meanwhile are left out."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - one listing of plain names, in a process that must stay small
        if entry.isdigit():
            with contextlib.suppress(OSError):
                # The command name in parentheses may itself contain spaces and parentheses.
                fields = Path("/proc", entry, "stat").read_bytes().rpartition(b")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry))
    found: set[int] = set()
    pending = [ancestor]
    while pending:
        for child in children.get(pending.pop(), ()):
            if child not in found:
                found.add(child)
                pending.append(child)
    return found


class _Guard:
    def __init__(self, order: GuardOrder) -> None:
        self._order = order
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._events, self._events_write = os.pipe()
        os.set_blocking(self._events_write, False)
        signal.set_wakeup_fd(self._events_write, warn_on_full_buffer=False)
        # Terminal signals are for the owner to judge. A handler rather than SIG_IGN, which the command would inherit.
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, lambda _number, _frame: None)
        self._libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._status: int | None = None

    def run(self) -> int:
        """Exit code of the command, 128 + n when signal n ended it."""
        order = self._order
        guard = os.getpid()

        def die_with_guard() -> None:
            self._libc.prctl(_PR_SET_PDEATHSIG, order.death_signal, 0, 0, 0)
            if os.getppid() != guard:
                os._exit(1)

        try:
            command = subprocess.Popen(  # noqa: S603 - the desk composes the command line
                list(order.argv),
                cwd=order.directory,
                user=order.user,
                group=order.group,
                extra_groups=[] if order.user is not None else None,
                env=order.environment,
                pass_fds=tuple(order.inherited_descriptors),
                stdin=subprocess.DEVNULL,
                preexec_fn=die_with_guard,  # noqa: PLW1509 - no thread exists yet; PDEATHSIG must be set after setuid
            )
        except (OSError, subprocess.SubprocessError) as error:
            sys.stderr.write(f"{order.argv[0]} cannot be run: {error}\n")
            return 127
        self._main = command.pid
        for descriptor in order.inherited_descriptors:
            os.close(descriptor)
        threading.Thread(target=self._watch, daemon=True).start()
        steps = {int(signal.SIGTERM): order.stop_steps, _WATCH_FIRED: order.abandoned_steps, int(signal.SIGQUIT): ()}
        while self._status is None:
            event = self._next_event(None)
            if event in steps:
                self._stop(steps[event])
                break
        self._end_everything()
        if self._status is None:
            return 128 + signal.SIGKILL
        code = os.waitstatus_to_exitcode(self._status)
        return code if code >= 0 else 128 - code

    def _watch(self) -> None:
        if self._order.watches_lock:
            fcntl.flock(self._order.watched_descriptor, fcntl.LOCK_EX)
        else:
            os.read(self._order.watched_descriptor, 1)
        os.write(self._events_write, bytes([_WATCH_FIRED]))

    def _next_event(self, deadline: float | None) -> int | None:
        """A signal number or `_WATCH_FIRED`; None at the deadline. Ended children are reaped on the way."""
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([self._events], [], [], timeout)[0]:
            return None
        event = os.read(self._events, 1)[0]
        self._reap()
        return event

    def _reap(self) -> bool:
        """False when no child is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._main:
                self._status = status

    def _stop(self, steps: Sequence[tuple[int, float]]) -> None:
        for number, seconds in steps:
            if self._status is not None:
                return
            os.kill(self._main, number)
            deadline = time.monotonic() + seconds
            while self._status is None and time.monotonic() < deadline:
                if self._next_event(deadline) == signal.SIGQUIT:
                    return

    def _end_everything(self) -> None:
        """Wait shortly for what ends by itself (a log writer draining its pipe), then kill until nothing is left."""
        patience = time.monotonic() + (_STRAGGLER_SECONDS if self._status is not None else 0)
        while self._reap():
            if time.monotonic() >= patience:
                for pid in descendants(os.getpid()):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)


def _main() -> int:
    order = GuardOrder(**json.loads(sys.argv[1]))
    if order.detached and os.fork() != 0:
        return 0
    return _Guard(order).run()


if __name__ == "__main__":
    code = _main()
    sys.stdout.flush()
    os._exit(code)  # the watching thread may be blocked in a system call for ever
