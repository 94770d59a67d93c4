"""Runs a command in a user namespace where our user id goes by another number (user_namespaces(7)).

    python user_namespace.py USER GROUP COMMAND [ARGUMENT...]

initdb refuses a user id without an entry in the password database, as containers started under a bare
numeric id have it. Inside the namespace the id is that of `nobody`, who has one; the files it makes belong to
the real id. A script of its own, because the kernel lets only single-threaded processes in.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000


def _main() -> None:
    user, group, *command = sys.argv[1:]
    real_user, real_group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "this system allows no user namespace")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {real_user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {real_group} 1")
    os.execv(command[0], command)  # noqa: S606 - the caller composes the command line


if __name__ == "__main__":
    _main()
