"""The supervisor with real processes and real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from desk.guard import descendants
from tests.processes import eventually, finish, is_alive, parent_of, processes_mentioning, processes_working_in

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]

# Writes "<name> <event> <pid>" lines into the journal, so that order can be read from it.
CHILD = """
import os, signal, subprocess, sys, time
journal, name, *traits = sys.argv[1:]
def note(event):
    with open(journal, "a") as file: file.write(f"{name} {event} {os.getpid()}\\n")
def stop(*_):
    note("stops")
    if "stubborn" not in traits: sys.exit(0)
signal.signal(signal.SIGTERM, stop)
if "parent" in traits:
    # A grandchild that leaves the session and ignores what it can.
    code = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
    subprocess.Popen([sys.executable, "-c", code, journal, "grandchild"], start_new_session=True)
note("starts")
if "fragile" in traits: sys.exit(3)
while True: time.sleep(300)
"""

DESK = """
import logging, sys
from pathlib import Path
from desk.supervisor import ChildSpec, Supervisor
logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
journal, child, *names = sys.argv[1:]
specs = []
for name in names:
    name, *traits = name.split(":")
    specs.append(ChildSpec(
        name, [sys.executable, "-c", child, journal, name, *traits], {"DESK_TEST": name},
        ready=lambda name=name: f"{name} starts" in Path(journal).read_text(), grace=1.5,
    ))
sys.exit(Supervisor(specs, on_ready=lambda: print("ready", flush=True)).run())
"""

DESK_WITH_DATABASE = """
import sys
from pathlib import Path
from desk.db.embedded import EmbeddedPostgres
from desk.supervisor import ChildSpec, Supervisor
journal, child, data_dir = sys.argv[1:]
spec = ChildSpec("web", [sys.executable, "-c", child, journal, "web"],
                 ready=lambda: "web starts" in Path(journal).read_text())
sys.exit(Supervisor([spec], EmbeddedPostgres(Path(data_dir)), on_ready=lambda: print("ready", flush=True)).run())
"""


class Desk:
    def __init__(self, folder: Path) -> None:
        self.journal = folder / "journal"
        self.journal.touch()
        self.process: subprocess.Popen[str]

    def run(self, *children: str, program: str = DESK, **options: object) -> None:
        options.setdefault("stdout", subprocess.PIPE)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, str(self.journal), CHILD, *children],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def wait_ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", self.process.communicate()[1]

    def events(self, event: str) -> list[str]:
        lines = (line.split() for line in self.journal.read_text().splitlines())
        return [name for name, happened, _ in lines if happened == event]

    def pid(self, name: str) -> int:
        """Of the child's latest start."""
        lines = (line.split() for line in self.journal.read_text().splitlines())
        return [int(pid) for child, happened, pid in lines if (child, happened) == (name, "starts")][-1]

    def remaining(self) -> set[int]:
        return processes_mentioning(str(self.journal)) - {self.process.pid}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    finish(desk.process)
    for pid in desk.remaining():
        with suppress(ProcessLookupError):  # it may end by itself meanwhile
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_requested_stop_ends_children_in_reverse_order_and_everything_they_started(
    desk: Desk, number: signal.Signals
) -> None:
    desk.run("worker:parent", "web:parent")
    desk.wait_ready()
    assert len(processes_mentioning("grandchild")) >= 2
    desk.process.send_signal(number)
    assert desk.process.wait(60) == 0
    assert desk.events("stops") == ["web", "worker"]
    assert not desk.remaining()


def test_a_child_that_ignores_the_stop_is_killed_after_its_grace(desk: Desk) -> None:
    desk.run("web:stubborn")
    desk.wait_ready()
    began = time.monotonic()
    desk.process.terminate()
    assert desk.process.wait(60) == 0
    assert 1.4 < time.monotonic() - began < 5
    assert not desk.remaining()


def test_a_second_ctrl_c_cuts_the_grace_short(desk: Desk) -> None:
    desk.run("worker:stubborn", "web:stubborn")
    desk.wait_ready()
    began = time.monotonic()
    desk.process.send_signal(signal.SIGINT)
    assert eventually(lambda: desk.events("stops") == ["web"])
    desk.process.send_signal(signal.SIGINT)
    assert desk.process.wait(60) == 0
    assert time.monotonic() - began < 1.4
    assert not desk.remaining()


def test_a_killed_child_is_started_again_while_the_others_keep_running(desk: Desk) -> None:
    desk.run("worker", "web:parent")
    desk.wait_ready()
    worker, web = desk.pid("worker"), desk.pid("web")
    below = descendants(web)
    os.kill(web, signal.SIGKILL)
    assert eventually(lambda: desk.pid("web") != web)
    assert desk.pid("worker") == worker
    assert is_alive(worker)
    assert not any(is_alive(pid) for pid in below), "what the killed child had started is gone"


def test_a_killed_guard_takes_its_child_along_and_is_replaced(desk: Desk) -> None:
    desk.run("web")
    desk.wait_ready()
    web = desk.pid("web")
    os.kill(parent_of(web), signal.SIGKILL)
    assert eventually(lambda: desk.pid("web") != web)
    assert not is_alive(web)


def test_nothing_outlives_a_killed_supervisor(desk: Desk) -> None:
    desk.run("worker:parent:stubborn", "web:parent")
    desk.wait_ready()
    assert len(desk.remaining()) >= 6
    desk.process.kill()
    assert eventually(lambda: not desk.remaining(), 6)


def test_a_child_that_cannot_stay_up_ends_the_desk_with_a_sentence_naming_it(desk: Desk) -> None:
    desk.run("worker", "web:fragile")
    _, said = desk.process.communicate(timeout=30)
    assert desk.process.returncode == 1
    assert "web ended 5 times within seconds of its start" in said
    assert "web ended with code 3; starting it again in 1.0 s" in said
    assert desk.events("starts").count("web") == 5
    assert not desk.remaining()


def test_a_closed_terminal_stops_everything(desk: Desk) -> None:
    ours, theirs = os.openpty()
    desk.run("web", stdin=theirs, stdout=theirs, start_new_session=True, preexec_fn=lambda: claim_terminal(theirs))
    os.close(theirs)
    assert eventually(lambda: desk.events("starts") == ["web"])
    os.close(ours)
    assert desk.process.wait(60) == 0
    assert desk.events("stops") == ["web"]
    assert not desk.remaining()


def test_under_nohup_a_closed_terminal_stops_nothing(desk: Desk) -> None:
    desk.run("web", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    desk.wait_ready()
    desk.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert desk.process.poll() is None


def test_the_database_is_restarted_under_running_children_and_stopped_last(desk: Desk, tmp_path: Path) -> None:
    cluster = tmp_path / "data" / "postgres" / "cluster"
    desk.run(str(tmp_path / "data"), program=DESK_WITH_DATABASE)
    desk.wait_ready()
    web, postmaster = desk.pid("web"), postmaster_of(cluster)
    os.kill(postmaster, signal.SIGKILL)
    assert eventually(lambda: postmaster_of(cluster) not in {postmaster, None}, 15)
    assert desk.pid("web") == web
    assert is_alive(web)
    desk.process.terminate()
    assert desk.process.wait(15) == 0
    assert not desk.remaining()
    assert not processes_working_in(cluster)
    assert postmaster_of(cluster) is None, "an orderly shutdown removes the file"


def test_no_granian_worker_survives_its_killed_parent(desk: Desk, tmp_path: Path, unused_tcp_port: int) -> None:
    (tmp_path / "tiny_app.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'ok'})\n"
    )
    program = f"""
import sys
from desk.supervisor import ChildSpec, Supervisor
argv = [sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{unused_tcp_port}",
        "--workers", "2", "--working-dir", "{tmp_path}", "tiny_app:app"]
sys.exit(Supervisor([ChildSpec("web", argv)], on_ready=lambda: print("ready", flush=True)).run())
"""
    desk.run(program=program)
    desk.wait_ready()

    def web() -> set[int]:
        """The guard, granian and its workers."""
        return descendants(desk.process.pid)

    assert eventually(lambda: len(web()) >= 4, 20)
    before = web()
    granian = min(before - {min(before)})
    os.kill(granian, signal.SIGKILL)
    assert eventually(lambda: not any(is_alive(pid) for pid in before), 8)
    assert eventually(lambda: len(web()) >= 4, 20), "it serves again, on the same port"
    last = web()
    desk.process.kill()
    assert eventually(lambda: not any(is_alive(pid) for pid in last), 6)


def claim_terminal(descriptor: int) -> None:
    import fcntl  # noqa: PLC0415 - runs in the forked child
    import termios  # noqa: PLC0415

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


def postmaster_of(cluster: Path) -> int | None:
    try:
        return int((cluster / "postmaster.pid").read_text().split()[0])
    except (FileNotFoundError, IndexError):
        return None
