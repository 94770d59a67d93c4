"""Starting, sharing and stopping the server of one data folder.

Four lock files in `<data folder>/postgres` carry all state that matters, because the kernel releases them
however a process ends:

    leases.lock  shared: by everyone who uses the server. The guard takes it exclusively once nobody does,
                 and then stops the server: it lives exactly as long as somebody uses it.
    setup.lock   exclusive: by the one who is starting the server.
    guard.lock   exclusive: by the server's guard process (desk/guard.py) while it lives.
    server.lock  exclusive: inherited by the postmaster and every backend. Whoever gets it knows that no
                 process of a former server is left, so that a leftover postmaster.pid is stale.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import psycopg

from desk.db.embedded.account import Account, has_name
from desk.db.embedded.address import PostgresAddress
from desk.db.embedded.binaries import Installation, find_installation
from desk.db.embedded.cluster import HERE, SUPERUSER, Cluster, explain, server_environment
from desk.db.embedded.errors import (
    DataFolderNotAllowedError,
    DiskFullError,
    EmbeddedDatabaseError,
    ServerBusyError,
    ServerNotStartedError,
)
from desk.db.embedded.locks import FileLock, is_taken
from desk.db.embedded.sockets import PORT, remove_socket_directory, socket_directory
from desk.guard import GuardOrder

_START_SECONDS = 300.0  # a long write-ahead log is replayed before the server accepts anyone
_STOP_SECONDS = 60.0
_LEFTOVER_SECONDS = 8.0  # an immediate shutdown kills its last backend after 5
_LEFTOVER_POLL_SECONDS = 0.3
_POLL_SECONDS = 0.03
_LONGEST_POLL_SECONDS = 0.3
# Fast shutdown first, then immediate; the guard kills what is left.
_STOP_STEPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 8.0))


class EmbeddedPostgres:
    """One process's use of the PostgreSQL server in `<data_dir>/postgres`.

    The first user starts the server, later ones (of this process or another, of the same account) join it,
    and it is shut down when the last has stopped or died, `kill -9` included.
    """

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir.absolute() / "postgres"
        self._lease: FileLock | None = None
        self._address: PostgresAddress | None = None

    @property
    def address(self) -> PostgresAddress:
        """Of the server started last; it stays the same when the server is restarted.

        Raises:
            ServerNotStartedError: `start` was not called, or `stop` was.
        """
        if self._address is None:
            raise ServerNotStartedError("The embedded database was not started.")
        return self._address

    def start(self) -> PostgresAddress:
        """Return once the server has answered a query; may be called again at any time, after a crash above all.

        Raises:
            EmbeddedDatabaseError: in one of its kinds, each saying what to do.
        """
        installation = find_installation()
        try:
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            return self._start(installation)
        except OSError as error:
            self.stop()
            raise _explain_os_error(error, self._folder) from error
        except EmbeddedDatabaseError:
            self.stop()
            raise

    def stop(self) -> None:
        """Give up this use. As the last user, return when no process of the server is left.

        Raises:
            ServerBusyError: the server did not end; it is named for a person to look at.
        """
        self._address = None
        lease, self._lease = self._lease, None
        if lease is None:
            return
        lease.release()
        try:
            self._wait_for_end(lease)
        finally:
            lease.close()

    def running(self) -> bool:
        """Whether the server this object started or joined accepts connections now."""
        if self._address is None or not is_taken(self._folder / "guard.lock"):
            return False
        return _connection_problem(self._address) is None

    def _start(self, installation: Installation) -> PostgresAddress:
        deadline = time.monotonic() + _START_SECONDS
        if self._lease is None:
            lease = FileLock(self._folder / "leases.lock")
            if not lease.wait_shared(deadline):
                raise ServerBusyError(f"The database in {self._folder} has been shutting down for minutes.")
            self._lease = lease
        setup = FileLock(self._folder / "setup.lock")
        try:
            if not setup.wait_exclusive(deadline):
                raise ServerBusyError(
                    f"Another desk process has been starting the database in {self._folder} for minutes."
                )
            self._address = self._start_or_join(installation, deadline)
        finally:
            setup.close()
        return self._address

    def _start_or_join(self, installation: Installation, deadline: float) -> PostgresAddress:
        cluster = Cluster(self._folder, installation)
        launched = False
        delay = _POLL_SECONDS
        problem = "it was not tried"
        while time.monotonic() < deadline:
            if not is_taken(self._folder / "guard.lock"):
                if launched:
                    raise explain(self._last_words(), self._folder)
                self._launch(cluster)
                launched = True
            address = self._recorded_address(cluster)
            problem = _connection_problem(address)
            if problem is None:
                return address
            if "password authentication failed" in problem:
                raise DataFolderNotAllowedError(
                    f"The server in {self._folder} refuses the password in {self._folder / 'superuser-password'}: "
                    "restore the file that belongs to this database."
                )
            time.sleep(delay)
            delay = min(delay * 1.5, _LONGEST_POLL_SECONDS)  # each attempt while it recovers is a line in its log
        raise ServerNotStartedError(f"The database in {self._folder} did not answer within minutes: {problem}")

    def _recorded_address(self, cluster: Cluster) -> PostgresAddress:
        folder = Path((self._folder / "socket-directory").read_text(encoding="utf-8"))
        return PostgresAddress(folder, PORT, SUPERUSER, cluster.password())

    def _launch(self, cluster: Cluster) -> None:
        """Start guard and server. The guard gets our locks by inheritance, so there is no moment without them."""
        with contextlib.ExitStack() as cleanup:
            locks = [FileLock(self._folder / name) for name in ("guard.lock", "server.lock", "leases.lock")]
            for lock in locks:
                cleanup.callback(lock.close)
            guard_lock, server_lock, watched_lease = locks
            if not guard_lock.wait_exclusive(time.monotonic() + 1):
                return
            self._outlast_former_server(server_lock, cluster)
            account, installation = cluster.prepare(server_lock.fileno())
            sockets = socket_directory(self._folder / "socket-directory", account)
            # The server lock is ours: no server of ours runs, and this file could name a reused process id.
            cluster.forget_postmaster()
            order = _order(cluster, installation, account, sockets, server_lock.fileno(), watched_lease.fileno())
            with self._startup_log.open("wb") as log:
                subprocess.run(  # noqa: S603 - the order is composed here
                    order.command_line(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[lock.fileno() for lock in locks],
                    start_new_session=True,
                    check=True,
                )

    @property
    def _startup_log(self) -> Path:
        return self._folder / "start.log"

    def _last_words(self) -> str:
        """What the server said before and after its log file was opened."""
        logs = sorted((self._folder / "cluster" / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
        texts = [path.read_text(encoding="utf-8", errors="replace")[-4000:] for path in [*logs[-1:], self._startup_log]]
        return "\n".join(texts)

    def _outlast_former_server(self, server_lock: FileLock, cluster: Cluster) -> None:
        """Wait while the postmaster of a killed guard shuts down, and end what has none (a backend deep in a query)."""
        deadline = time.monotonic() + _LEFTOVER_SECONDS
        while not server_lock.wait_exclusive(time.monotonic() + _LEFTOVER_POLL_SECONDS):
            leftovers = _processes_in(self._folder)
            if cluster.postmaster() not in leftovers or time.monotonic() > deadline:
                for pid in leftovers:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline + _LEFTOVER_SECONDS:
                raise ServerBusyError(
                    f"Processes of a former server still hold {self._folder / 'server.lock'}: end them and try again."
                )
        foreign = _processes_in(self._folder)
        if foreign and cluster.path.is_dir():
            raise ServerBusyError(
                f"Process {foreign[0]} works in {self._folder} and was not started by this desk, perhaps a PostgreSQL "
                "server started by hand: stop it and try again."
            )

    def _wait_for_end(self, lease: FileLock) -> None:
        """Return when the guard is gone, or as soon as others are seen to use the server."""
        deadline = time.monotonic() + _STOP_SECONDS
        others_seen = 0
        while is_taken(self._folder / "guard.lock"):
            if lease.try_exclusive():  # nobody uses it and the guard is about to notice
                others_seen = 0
                lease.release()
            elif lease.try_shared():  # somebody uses it, or looked at this very moment as we do
                others_seen += 1
                lease.release()
            if others_seen > 5:
                return
            if time.monotonic() > deadline:
                raise ServerBusyError(
                    f"The database in {self._folder} is still shutting down after {_STOP_SECONDS:.0f} s."
                )
            time.sleep(_POLL_SECONDS)
        # Under the setup lock, or a server that somebody starts right now would lose its socket.
        setup = FileLock(self._folder / "setup.lock")
        try:
            if setup.try_exclusive() and not is_taken(self._folder / "guard.lock"):
                remove_socket_directory(self._folder / "socket-directory")
        finally:
            setup.close()


@contextlib.contextmanager
def lease_server(data_dir: Path) -> Generator[PostgresAddress]:
    """The server of a data folder for the time of the block, whether or not `desk up` runs on it.

    Raises:
        EmbeddedDatabaseError: as `EmbeddedPostgres.start`.
    """
    server = EmbeddedPostgres(data_dir)
    address = server.start()
    try:
        yield address
    finally:
        server.stop()


def _order(
    cluster: Cluster,
    installation: Installation,
    account: Account,
    sockets: Path,
    server_lock: int,
    watched_lease: int,
) -> GuardOrder:
    # On the command line, above postgresql.conf: what keeps others out is not for editing.
    fixed = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "port": str(PORT),
        "log_file_mode": "0600",
    }
    arguments = [argument for name, value in fixed.items() for argument in ("-c", f"{name}={value}")]
    return GuardOrder(
        argv=[str(installation.program("postgres")), "-D", HERE, *arguments],
        watched_descriptor=watched_lease,
        watches_lock=True,
        stop_steps=_STOP_STEPS,
        abandoned_steps=_STOP_STEPS,
        death_signal=signal.SIGQUIT,
        inherited_descriptors=[server_lock],
        directory=str(cluster.path),
        user=account.user if account.switch else None,
        group=account.group if account.switch else None,
        environment=server_environment(),
        detached=True,
    )


def _connection_problem(address: PostgresAddress) -> str | None:
    """None when the server answered a query."""
    try:
        with psycopg.connect(address.superuser_url().reveal(), connect_timeout=5) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        return str(error)
    return None


def _processes_in(folder: Path) -> list[int]:
    """Ids of the PostgreSQL processes of the cluster in `folder`: each has the cluster as its working folder."""
    found: list[int] = []
    for path in (folder / "cluster", folder / "cluster.new"):
        with contextlib.suppress(FileNotFoundError):
            cluster = path.stat()
            found += [pid for pid in _postgres_processes() if _works_in(pid, cluster)]
    return found


def _postgres_processes() -> Generator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                name, _, state = (entry / "stat").read_text().partition("(")[2].rpartition(") ")
                if name in {"postgres", "initdb"} and state[0] not in "ZX":  # dead, and only not yet waited for
                    yield int(entry.name)


def _works_in(pid: int, cluster: os.stat_result) -> bool:
    process = Path("/proc", str(pid))
    try:
        folder = (process / "cwd").stat()
    except PermissionError:
        # Root in a container has no right to look (CAP_SYS_PTRACE), but a user id drawn for one cluster tells as much.
        return process.stat().st_uid == cluster.st_uid and not has_name(cluster.st_uid)
    except OSError:
        return False
    return (folder.st_dev, folder.st_ino) == (cluster.st_dev, cluster.st_ino)


def _explain_os_error(error: OSError, folder: Path) -> EmbeddedDatabaseError:
    words = f"{error.strerror}: {error.filename}" if error.filename else str(error)
    if isinstance(error, PermissionError):
        return DataFolderNotAllowedError(
            f"The folder of the database, {folder}, cannot be used ({words}): run the desk as its owner, or set "
            "DESK_DATA_DIR to a folder of your own."
        )
    if error.errno in {28, 122}:
        return DiskFullError(f"The disk that holds {folder} is full ({words}): free some space and start again.")
    return ServerNotStartedError(f"The database in {folder} could not be started: {words}")
