"""The database cluster on disk: made once, checked at every start."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from desk.db.embedded import user_namespace
from desk.db.embedded.account import Account, account_of, has_name, named_account, own_account, unnamed_account
from desk.db.embedded.binaries import MAJOR_VERSION, Installation, reachable_installation
from desk.db.embedded.errors import (
    DataFolderNotAllowedError,
    DiskFullError,
    EmbeddedDatabaseError,
    OtherMajorVersionError,
    ServerNotStartedError,
)
from desk.secret import Secret

SUPERUSER = "postgres"
# The server is started inside its folder and told to use the folder it stands in. Entering by name needs
# search permission on every folder above, which the unprivileged server of a root-owned desk may lack.
HERE = "/proc/self/cwd"

# Written into postgresql.conf once, where an operator can change them. Sized for a laptop; a process of the desk may
# open 20 connections, and 160 hold several web processes and workers.
_SETTINGS = {
    "shared_buffers": "128MB",
    "max_connections": "160",
    "max_wal_size": "512MB",
    "max_worker_processes": "4",
    "autovacuum_max_workers": "2",
    "fsync": "on",
    # One system call for the whole file system where recovery would open and sync every file of the cluster.
    "recovery_init_sync_method": "syncfs",
    "client_connection_check_interval": "10s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    # One file a weekday, begun anew each week.
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%u.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_line_prefix": "%m [%p] %u@%d ",
}


def server_environment() -> dict[str, str]:
    """Nothing of ours: neither PG* variables nor the desk's secrets reach the server."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class Cluster:
    """`folder` is private to the desk's user; the cluster inside it belongs to the server's account."""

    def __init__(self, folder: Path, installation: Installation) -> None:
        self.path = folder / "cluster"
        self._folder = folder
        self._password_file = folder / "superuser-password"
        self._installation = installation

    def prepare(self, inherited_descriptor: int) -> tuple[Account, Installation]:
        """Make the cluster if there is none, and tell who serves it and with which programs.

        The caller holds the lock that says no server runs; `inherited_descriptor` carries it into initdb, so
        that a next start waits for an initdb whose parent was killed.
        """
        as_root = os.geteuid() == 0
        installation = reachable_installation(self._installation) if as_root else self._installation
        if self.path.is_dir():
            account = account_of(self.path)
            self._check_version()
            if as_root and self.path.lstat().st_uid == 0:
                _hand_over(self.path, account)
        else:
            account = unnamed_account() if as_root else own_account()
            self._create(account, installation, inherited_descriptor)
        return account, installation

    def password(self) -> Secret:
        """The superuser's password.

        Raises:
            DataFolderNotAllowedError: its file is gone or unreadable.
        """
        try:
            return Secret(self._password_file.read_text(encoding="utf-8").strip())
        except OSError as error:
            raise DataFolderNotAllowedError(
                f"The database's password cannot be read from {self._password_file} ({error.strerror}): restore that "
                "file from your backup of the data folder, or run the desk as its owner."
            ) from error

    def postmaster(self) -> int | None:
        """Process id of the server that was started last, None after an orderly shutdown."""
        try:
            return int(self._postmaster_file.read_text(encoding="ascii").split("\n", 1)[0])
        except (FileNotFoundError, ValueError):  # ValueError: killed before it had written it
            return None

    def forget_postmaster(self) -> None:
        """For a caller who knows that no server runs: a process id in that file may have been given to a stranger."""
        self._postmaster_file.unlink(missing_ok=True)

    @property
    def _postmaster_file(self) -> Path:
        return self.path / "postmaster.pid"

    def _check_version(self) -> None:
        try:
            version = (self.path / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError as error:
            raise ServerNotStartedError(
                f"{self.path} exists but holds no PostgreSQL data: move it away and start again, or restore it."
            ) from error
        if version != MAJOR_VERSION:
            raise OtherMajorVersionError(
                f"The data in {self.path} was written by PostgreSQL {version}, and this desk brings "
                f"{MAJOR_VERSION}. Make a backup with the version of the desk that wrote it, move the folder away, and "
                "restore the backup here."
            )

    def _create(self, account: Account, installation: Installation, inherited_descriptor: int) -> None:
        """Under another name first: a cluster that exists is whole."""
        unfinished = self._folder / "cluster.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        maker = named_account() if account.switch else account
        os.chown(unfinished, maker.user, maker.group)
        password = secrets.token_urlsafe(32)
        self._run_initdb(unfinished, maker, installation, inherited_descriptor, password)
        if account.switch:
            _hand_over(unfinished, account)
        _write_private(self._password_file, password + "\n")
        unfinished.rename(self.path)

    def _run_initdb(
        self, folder: Path, maker: Account, installation: Installation, inherited_descriptor: int, password: str
    ) -> None:
        reading, writing = os.pipe()
        # initdb opens the pipe by name, for which it has to own it.
        os.fchown(reading, maker.user, maker.group)
        os.write(writing, password.encode())
        os.close(writing)
        command = [
            *_with_a_name(maker),
            str(installation.program("initdb")),
            f"--pgdata={HERE}",
            f"--username={SUPERUSER}",
            f"--pwfile=/proc/self/fd/{reading}",
            "--auth-local=scram-sha-256",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--data-checksums",
            "--sync-method=syncfs",
            *(f"--set={name}={value}" for name, value in _SETTINGS.items()),
        ]
        try:
            done = subprocess.run(  # noqa: S603 - the command line is composed above
                command,
                cwd=folder,
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(reading, inherited_descriptor),
                check=False,
                user=maker.user if maker.switch else None,
                group=maker.group if maker.switch else None,
                extra_groups=[] if maker.switch else None,
            )
        except (OSError, ValueError) as error:
            raise DataFolderNotAllowedError(
                f"PostgreSQL cannot be run as the unprivileged user id {maker.user} ({error}): run the desk as an "
                "ordinary user, or set DESK_DATABASE_URL."
            ) from error
        finally:
            os.close(reading)
        if done.returncode != 0:
            raise explain(done.stdout.decode(errors="replace"), self._folder)


def explain(words: str, folder: Path) -> EmbeddedDatabaseError:
    """Turn PostgreSQL's last words into an error that says what to do."""
    tail = "\n".join(line for line in words.splitlines() if line.strip())[-2000:]
    if "No space left on device" in words or "Disk quota exceeded" in words:
        return DiskFullError(f"The disk that holds {folder} is full: free some space and start again.")
    if "allows no user namespace" in words:
        return DataFolderNotAllowedError(
            f"User id {os.geteuid()} has no entry in the password database (/etc/passwd), which making the database "
            "needs: give it one, or set DESK_DATABASE_URL."
        )
    if "Permission denied" in words or "Read-only file system" in words:
        return DataFolderNotAllowedError(f"PostgreSQL may not use {folder}; it said:\n{tail}")
    return ServerNotStartedError(f"PostgreSQL did not start in {folder}; it said:\n{tail}")


def _with_a_name(maker: Account) -> list[str]:
    if maker.switch or has_name(maker.user):
        return []
    nobody = named_account()
    return [sys.executable, "-I", "-S", user_namespace.__file__, str(nobody.user), str(nobody.group)]


def _hand_over(tree: Path, account: Account) -> None:
    """Change the owner of everything in `tree`, never following a link out of it."""
    for _, _, files, descriptor in os.fwalk(tree, follow_symlinks=False):
        os.fchown(descriptor, account.user, account.group)
        for name in files:
            os.chown(name, account.user, account.group, dir_fd=descriptor, follow_symlinks=False)


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
