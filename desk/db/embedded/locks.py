"""Advisory file locks that the kernel releases however their holder ends (flock(2))."""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from pathlib import Path

_POLL_SECONDS = 0.02
_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


class FileLock:
    """One lock on one open file description: whoever inherits the descriptor holds the lock as well."""

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor: int | None = os.open(path, flags, 0o600)
        _held.add(self)

    def fileno(self) -> int:
        if self._descriptor is None:
            raise ValueError("the lock is closed")
        return self._descriptor

    def try_exclusive(self) -> bool:
        return self._try(fcntl.LOCK_EX)

    def try_shared(self) -> bool:
        return self._try(fcntl.LOCK_SH)

    def wait_exclusive(self, deadline: float) -> bool:
        """False when it was still taken at `deadline` (seconds of `time.monotonic`)."""
        return self._wait(fcntl.LOCK_EX, deadline)

    def wait_shared(self, deadline: float) -> bool:
        """False when it was still taken exclusively at `deadline` (seconds of `time.monotonic`)."""
        return self._wait(fcntl.LOCK_SH, deadline)

    def release(self) -> None:
        fcntl.flock(self.fileno(), fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of this description; a child that inherited the descriptor keeps the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self, operation: int) -> bool:
        try:
            fcntl.flock(self.fileno(), operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait(self, operation: int, deadline: float) -> bool:
        while not self._try(operation):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def __del__(self) -> None:
        self.close()


def is_taken(path: Path) -> bool:
    """Whether some process holds `path` exclusively right now."""
    lock = FileLock(path)
    try:
        return not lock.try_shared()
    finally:
        lock.close()


def _close_in_forked_child() -> None:
    # A forked worker must not keep a server alive after the process that asked for it is gone.
    for lock in list(_held):
        lock.close()


os.register_at_fork(after_in_child=_close_in_forked_child)
