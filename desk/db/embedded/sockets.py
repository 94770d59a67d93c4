"""The folder of the server's socket: short, and closed to everyone else."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from desk.db.embedded.account import Account
from desk.db.embedded.errors import DataFolderNotAllowedError

PORT = 5432
# unix(7): sun_path has 108 bytes with its closing NUL; the longest name beside it is the socket's lock file.
_LONGEST_FOLDER = 107 - len(f"/.s.PGSQL.{PORT}.lock")


def socket_directory(record: Path, account: Account) -> Path:
    """The folder named in `record` while it is still safe, so that clients can reconnect, else a new one.

    A data folder's own path may be too long for a socket, and a fixed name in /tmp could be taken by somebody
    else first: hence a folder made under a random name, mode 0700, owned by the server's account.
    """
    with contextlib.suppress(FileNotFoundError):
        recorded = Path(record.read_text(encoding="utf-8"))
        if _is_private(recorded, account):
            _remove_sockets(recorded)
            return recorded
    for base in _bases(account):
        try:
            folder = Path(tempfile.mkdtemp(prefix="desk-", dir=base))
        except OSError:
            continue  # the next base is as good; running out of bases is an error below
        if account.switch:
            os.chown(folder, account.user, account.group)
        record.write_text(str(folder), encoding="utf-8")
        return folder
    raise DataFolderNotAllowedError(
        "No folder for the database's socket could be made in /run, /tmp, /var/tmp or /dev/shm: make one of them "
        "writable."
    )


def remove_socket_directory(record: Path) -> None:
    """After a server has ended: leave nothing behind in the shared temporary folder."""
    with contextlib.suppress(FileNotFoundError):
        folder = Path(record.read_text(encoding="utf-8"))
        _remove_sockets(folder)
        with contextlib.suppress(OSError):
            folder.rmdir()
        record.unlink()


def _bases(account: Account) -> list[str]:
    shared = [tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"]  # noqa: S108 - mkdtemp makes the name
    # Not $XDG_RUNTIME_DIR: it vanishes when the last login session ends, and a desk may outlive it.
    candidates = ["/run", *shared] if account.switch else shared
    return [base for base in dict.fromkeys(candidates) if _fits(base) and _reachable(base, account)]


def _fits(base: str) -> bool:
    return len(os.fsencode(base)) + len("/desk-12345678") <= _LONGEST_FOLDER


def _reachable(base: str, account: Account) -> bool:
    path = Path(base)
    if not path.is_dir():
        return False
    return not account.switch or all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def _is_private(folder: Path, account: Account) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == account.user and status.st_mode & 0o077 == 0


def _remove_sockets(folder: Path) -> None:
    """Only called while no server runs: what lies here is stale."""
    for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            (folder / name).unlink()
