"""A real `desk up` in a folder of its own, its API, and a counterpart that records callbacks."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from tests.processes import eventually, processes_mentioning

ROOT = Path(__file__).resolve().parents[2]
DESK = str(Path(sys.executable).with_name("desk"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class DeskProcess:
    """Starts, kills and starts again one desk on one data folder."""

    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None
    _clients: list[httpx.Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith("DESK_") and "_API_KEY" not in name
        }
        return {
            **clean,
            "DESK_DATA_DIR": str(self.data_dir),
            "DESK_PORT": str(self.port),
            "DESK_DEMO": "0",
            "DESK_UNDO_SECONDS": "0",
            "DESK_DEBOUNCE_SECONDS": "0",
            "DESK_LEASE_SECONDS": "3",
            "DESK_POLL_SECONDS": "0.3",
            **self.settings,
        }

    def start(self, seconds: float = 90) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        log = (self.data_dir / "desk.log").open("ab")
        self._process = subprocess.Popen([DESK, "up"], cwd=self.data_dir, env=self.environment, stdout=log, stderr=log)
        log.close()
        if not eventually(self.is_ready, seconds):
            raise AssertionError(f"the desk did not start:\n{self.log()[-4000:]}")

    def is_ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the desk ended with {self._process.returncode}:\n{self.log()[-4000:]}")
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def kill_parent(self) -> None:
        """`kill -9` of `desk up` itself."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def postmaster(self) -> int:
        """The database server's first process."""
        pid_file = next(self.data_dir.glob("postgres/**/postmaster.pid"))
        return int(pid_file.read_text().splitlines()[0])

    def stop(self) -> int:
        """SIGTERM to the parent, as a service manager does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(60)
        self._process = None
        return code

    def kill_everything(self) -> None:
        """End whatever is left, however the test ended."""
        for client in self._clients:
            client.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for pid in processes_mentioning(str(self.data_dir)):
            with_signal(pid, signal.SIGKILL)

    def log(self) -> str:
        path = self.data_dir / "desk.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def pids(self, *words: str) -> set[int]:
        """Living processes of this desk whose command line has all the words."""
        assert self._process is not None
        mine = descendants(self._process.pid)
        return {pid for pid in mine if all(word in command_line(pid) for word in words)}

    def command(self, *arguments: str, text: str = "") -> str:
        done = subprocess.run(
            [DESK, *arguments],
            check=False,
            cwd=self.data_dir,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def new_tenant(self, name: str) -> str:
        """A tenant with an owner (owner@<slug>.example, a fixed password); returns its slug."""
        slug = json.loads(self.command("tenants", "create", name, "--json"))["slug"]
        self.command(
            "users",
            "create",
            "--tenant",
            slug,
            "--email",
            f"owner@{slug}.example",
            "--role",
            "owner",
            "--password-stdin",
            text="correct horse battery\n",
        )
        return slug

    def api(self, slug: str) -> httpx.Client:
        """A client with a new API key of the tenant."""
        key = json.loads(self.command("keys", "create", "--tenant", slug, "--name", "test", "--json"))["key"]
        client = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {key}"}, timeout=20)
        self._clients.append(client)
        return client


def with_signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def descendants(root: int) -> set[int]:
    """All living processes below `root`, itself included."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        grown = bool(more)
        found |= more
    return found


@dataclass
class Callbacks:
    """What arrived at a tenant's own system; `hold` makes it wait before it answers."""

    port: int = 0
    received: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/replies"


@contextmanager
def callback_server() -> Generator[Callbacks]:
    callbacks = Callbacks()
    callbacks.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            callbacks.headers.append({name.lower(): value for name, value in self.headers.items()})
            callbacks.raw.append(body)
            callbacks.received.append(json.loads(body))
            callbacks.hold.wait(30)
            try:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Keeps the test's output readable."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    callbacks.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield callbacks
    finally:
        callbacks.hold.set()
        server.shutdown()
        server.server_close()


def wait_for(look: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true thing that `look` returns."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
