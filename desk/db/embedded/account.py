"""As which user the server runs. PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import random
from dataclasses import dataclass
from pathlib import Path

from desk.db.embedded.errors import DataFolderNotAllowedError

# Above the ids that distributions and adduser(8) hand out, below systemd's dynamic users, and present in
# user namespaces of 65,536 ids as containers have them.
_UNNAMED_IDS = range(50_000, 60_000)


@dataclass(frozen=True)
class Account:
    """Numeric user and group; `switch` is False when it is already ours."""

    user: int
    group: int
    switch: bool


def own_account() -> Account:
    return Account(os.geteuid(), os.getegid(), switch=False)


def account_of(cluster: Path) -> Account:
    """The account that has to serve an existing cluster: its owner.

    Raises:
        DataFolderNotAllowedError: an ordinary user meets somebody else's cluster.
    """
    owner = cluster.lstat()
    if os.geteuid() == 0:
        return unnamed_account() if owner.st_uid == 0 else Account(owner.st_uid, owner.st_gid, switch=True)
    if owner.st_uid != os.geteuid():
        raise DataFolderNotAllowedError(
            f"The database in {cluster} belongs to user id {owner.st_uid}, the desk runs as {os.geteuid()}. Run the "
            "desk as the user who made it, or set DESK_DATA_DIR to a folder of your own."
        )
    return own_account()


def unnamed_account() -> Account:
    """A user id that no account has, so that no other program of this machine runs under it (`nobody` is shared).

    Drawn at random: two clusters of root are then strangers to each other as well.
    """
    while True:
        candidate = random.SystemRandom().choice(_UNNAMED_IDS)
        if not has_name(candidate):
            return Account(candidate, candidate, switch=True)


def named_account() -> Account:
    """For initdb alone, which insists on an entry in the password database: `nobody`."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as error:
        raise DataFolderNotAllowedError(
            "Making the database needs the account `nobody`, which this system lacks: run the desk as an ordinary user."
        ) from error
    return Account(entry.pw_uid, entry.pw_gid, switch=True)


def has_name(user: int) -> bool:
    """Whether the password database knows the user id."""
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True
