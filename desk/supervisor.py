"""One parent for the processes of a desk: starts them, restarts those that die, and leaves none behind.

Each child runs under a guard of its own (desk/guard.py) in a session of its own: a Ctrl-C or a closing terminal
reaches the supervisor alone, which stops the children in order, and the guard ends what a child has started,
also when the child or the supervisor is killed. Must run in the main thread. Linux only.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from desk.errors import DeskError
from desk.guard import GuardOrder

log = logging.getLogger(__name__)

_QUICK_DEATH_SECONDS = 10.0
_QUICK_DEATHS_ALLOWED = 5
_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 30.0
_ABANDONED_GRACE_SECONDS = 2.0
_IDLE_SECONDS = 1.0
_READY_POLL_SECONDS = 0.1
_STILL_STARTING_SECONDS = 30.0
_DATABASE_POLL_SECONDS = 1.0
_DATABASE_PATIENCE_SECONDS = 15.0
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class SupervisedDatabase(Protocol):
    """What the supervisor needs of the embedded PostgreSQL."""

    def start(self) -> object: ...
    def stop(self) -> None: ...
    def running(self) -> bool: ...


@dataclass(frozen=True)
class ChildSpec:
    """`environment` is added to the supervisor's own; `ready` is polled until it is first true.

    A `ready` that is not there counts as true; it must return soon and not raise.
    `grace` is how many seconds the child may take to end after SIGTERM before it and all it started are killed.
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    ready: Callable[[], bool] | None = None
    grace: float = 10.0


class _Restarts:
    """Exponential backoff over deaths soon after a start; a longer life forgives the earlier ones."""

    def __init__(self) -> None:
        self._quick_deaths = 0

    def delay_after(self, lived: float) -> float | None:
        """Seconds to wait before the next start, None when there is no point in trying again."""
        self._quick_deaths = self._quick_deaths + 1 if lived < _QUICK_DEATH_SECONDS else 1
        if self._quick_deaths >= _QUICK_DEATHS_ALLOWED:
            return None
        return min(_FIRST_DELAY_SECONDS * 2 ** (self._quick_deaths - 1), _LONGEST_DELAY_SECONDS)


class _Child:
    def __init__(self, spec: ChildSpec, life: int) -> None:
        self.spec = spec
        self.ready = False
        self._life = life
        self._restarts = _Restarts()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._start_at: float | None = 0.0
        self._complained = 0.0

    def start(self) -> None:
        order = GuardOrder(
            argv=list(self.spec.argv),
            watched_descriptor=self._life,
            watches_lock=False,
            stop_steps=((signal.SIGTERM, self.spec.grace),),
            abandoned_steps=((signal.SIGTERM, min(self.spec.grace, _ABANDONED_GRACE_SECONDS)),),
            death_signal=signal.SIGKILL,
        )
        self._process = subprocess.Popen(  # noqa: S603 - the desk composes the command line
            order.command_line(),
            env={**os.environ, **self.spec.environment},
            stdin=subprocess.DEVNULL,
            pass_fds=(self._life,),
            start_new_session=True,
        )
        self._started = self._complained = time.monotonic()
        self._start_at = None
        self.ready = False
        log.info("%s started, process %d", self.spec.name, self._process.pid)

    def tend(self) -> bool:
        """Restart when due, ask whether it is ready; False when it keeps dying."""
        now = time.monotonic()
        if self._process is not None and (code := self._process.poll()) is not None:
            delay = self._restarts.delay_after(now - self._started)
            self._end_leftovers(code)
            self._process = None
            if delay is None:
                return False
            log.warning("%s ended with code %d; starting it again in %.1f s", self.spec.name, code, delay)
            self._start_at = now + delay
        if self._start_at is not None and now >= self._start_at:
            self.start()
        if self._process is not None and not self.ready:
            self._ask_ready(now)
        return True

    def seconds_to_next_step(self) -> float:
        if self._start_at is not None:
            return max(0.0, self._start_at - time.monotonic())
        return _IDLE_SECONDS if self.ready else _READY_POLL_SECONDS

    def ask_to_stop(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGQUIT tells the guard to kill the child and everything below it, at once."""
        self._signal(signal.SIGQUIT)

    def ended(self) -> bool:
        if self._process is None:
            return True
        code = self._process.poll()
        if code is None:
            return False
        self._end_leftovers(code)
        return True

    def _ask_ready(self, now: float) -> None:
        self.ready = self.spec.ready is None or self.spec.ready()
        if self.ready:
            log.info("%s is ready", self.spec.name)
        elif now - self._complained > _STILL_STARTING_SECONDS:
            self._complained = now
            log.warning("%s is not ready after %.0f s", self.spec.name, now - self._started)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end_leftovers(self, guard_code: int) -> None:
        """A guard leaves nothing behind, unless it was killed itself: what it started shares its session."""
        if self._process is None or guard_code >= 0:
            return
        for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(pid) == self._process.pid:
                    os.kill(pid, signal.SIGKILL)


class _DatabaseWatch:
    """Starts the database again when it dies; in a thread, because recovery may take long and signals may not."""

    def __init__(self, database: SupervisedDatabase) -> None:
        self.failure: str | None = None
        self._database = database
        self._stopping = threading.Event()
        self._restarts = _Restarts()
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name="database watch", daemon=True)

    def start_watching(self) -> None:
        self._thread.start()

    def _watch(self) -> None:
        while self.failure is None and not self._stopping.wait(_DATABASE_POLL_SECONDS):
            if not self._database.running():
                self._start_again()

    def _start_again(self) -> None:
        delay = self._restarts.delay_after(time.monotonic() - self._started)
        if delay is None:
            self.failure = "the database keeps ending soon after its start"
            return
        log.warning("the database has ended; starting it again")
        try:
            self._database.start()
        except DeskError as error:
            log.warning("the database could not be started: %s", error.detail)
            self._stopping.wait(delay)
        else:
            log.info("the database runs again")
        self._started = time.monotonic()

    def stop_watching(self) -> bool:
        """False when a start is still under way."""
        self._stopping.set()
        self._thread.join(_DATABASE_PATIENCE_SECONDS)
        return not self._thread.is_alive()


class Supervisor:
    """Runs `children`, started in the given order and stopped in the reverse one, on a database started before them."""

    def __init__(
        self,
        children: Sequence[ChildSpec],
        database: SupervisedDatabase | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        """`on_ready` is called once, when every child has been ready."""
        self._specs = tuple(children)
        self._database = database
        self._on_ready = on_ready
        self._stop_requests = 0

    def run(self) -> int:
        """Block until SIGTERM, SIGINT or SIGHUP, or until a child keeps dying.

        Returns the exit code: 0 after a requested stop, 1 after giving up. A second signal cuts the grace short.

        Raises:
            EmbeddedDatabaseError: the database could not be started at all.
        """
        if self._database is not None:
            self._database.start()
        life, life_held_open = os.pipe()
        children = [_Child(spec, life) for spec in self._specs]
        watch = _DatabaseWatch(self._database) if self._database is not None else None
        try:
            with _signals_to_descriptor(self._note_signal) as wake:
                if watch is not None:
                    watch.start_watching()
                clean = self._supervise(children, watch, wake)
                self._stop_children(children, wake)
                stopped = self._stop_database(watch)
        finally:
            os.close(life_held_open)
            os.close(life)
        return 0 if clean and stopped else 1

    def _note_signal(self, number: int, _frame: FrameType | None) -> None:
        if number in _STOP_SIGNALS:
            self._stop_requests += 1

    def _supervise(self, children: Sequence[_Child], watch: _DatabaseWatch | None, wake: int) -> bool:
        """True when a stop was requested, False when something keeps dying."""
        announced = False
        while not self._stop_requests:
            for child in children:
                if not child.tend():
                    log.error(
                        "%s ended %d times within seconds of its start; its own messages above say why. Stopping.",
                        child.spec.name,
                        _QUICK_DEATHS_ALLOWED,
                    )
                    return False
            if watch is not None and watch.failure is not None:
                log.error("%s. Stopping.", watch.failure)
                return False
            if not announced and all(child.ready for child in children):
                announced = True
                if self._on_ready is not None:
                    self._on_ready()
            _wait(wake, min((child.seconds_to_next_step() for child in children), default=_IDLE_SECONDS))
        log.info("stopping")
        return True

    def _stop_children(self, children: Sequence[_Child], wake: int) -> None:
        for child in reversed(children):
            child.ask_to_stop()
            while not child.ended():
                if self._stop_requests > 1:
                    child.kill()
                _wait(wake, _IDLE_SECONDS)
            log.info("%s has stopped", child.spec.name)

    def _stop_database(self, watch: _DatabaseWatch | None) -> bool:
        if watch is None or self._database is None:
            return True
        if not watch.stop_watching():
            log.warning("the database is still recovering; it stops as soon as this process has ended")
            return True
        try:
            self._database.stop()
        except DeskError as error:
            log.error("%s", error.detail)  # noqa: TRY400 - a sentence for the operator, not a traceback
            return False
        log.info("the database has stopped")
        return True


def _wait(wake: int, seconds: float) -> None:
    if select.select([wake], [], [], seconds)[0]:
        os.read(wake, 4096)


@contextlib.contextmanager
def _signals_to_descriptor(handler: Callable[[int, FrameType | None], None]) -> Generator[int]:
    """A descriptor that becomes readable with each signal, so that no signal is lost between a check and a wait."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # `nohup` asks for the terminal's end to be ignored.
    kept = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set[signal.Signals]()
    numbers = {*_STOP_SIGNALS, signal.SIGCHLD} - kept
    previous = {number: signal.signal(number, handler) for number in numbers}
    previous_descriptor = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(previous_descriptor)
        for number, former in previous.items():
            signal.signal(number, former)
        os.close(reading)
        os.close(writing)
