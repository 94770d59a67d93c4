"""How a desk bears chats and idle visitors: `python -m tests.connectors.widget.load`.

Starts a desk of its own with many FAQs, lets that many visitors follow a conversation without saying anything, and
asks by `POST /api/v1/chat` at a fixed rate, whether or not the answers before have come (open loop: a slow answer
makes no room for the ones after it). No language model is configured, so what is measured is the desk's own share.
Every question is answered by a FAQ or handed over; both are counted. Beside the chat, FAQs are searched the whole time.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx

from tests.whole.desk_process import DeskProcess, descendants

SEED = 11
SEARCHES_PER_SECOND = 2
ORIGIN = "https://shop.example"
SUBJECTS = ["domain", "mailbox", "invoice", "backup", "certificate", "server", "password", "database", "contract"]
DEEDS = ["move", "renew", "restore", "cancel", "protect", "rename", "duplicate", "monitor", "export", "encrypt"]
DETAILS = ["weekend", "reseller", "archive", "firewall", "template", "snapshot", "cluster", "gateway", "calendar"]


class Asker:
    """HTTP over a few kept connections, by bare sockets: an HTTP library costs as much processor time as the desk."""

    def __init__(self, host: str, port: int, headers: dict[str, str]) -> None:
        self._address = (host, port)
        self._head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": f"{host}:{port}", **headers}.items())
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(*self._address)
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        writer.write(f"{method} {path} HTTP/1.1\r\n{self._head}{length}\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        size = int(head.partition("content-length:")[2].partition("\r\n")[0])
        answer = await reader.readexactly(size)
        self._idle.append((reader, writer))
        return int(head.split(" ", 2)[1]), answer

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


class Load:
    def __init__(self, desk: DeskProcess, key: str, widget: str, expected: int) -> None:
        self._asker = Asker("127.0.0.1", desk.port, {"Authorization": f"Bearer {key}"})
        self._widget = f"/widget/v1/{widget}"
        self.outcomes: Counter[str] = Counter()
        self.streams = 0
        self.expected = expected
        self.all_open = asyncio.Event()

    async def chat(self, question: str) -> None:
        status, answer = await self._asker.ask("POST", "/api/v1/chat", json.dumps({"message": question}).encode())
        body: dict[str, Any] = json.loads(answer) if status == 200 else {}
        self.outcomes[("handed over" if body["escalate"] else "answered") if body else str(status)] += 1

    async def search(self, query: str) -> None:
        status, _ = await self._asker.ask("GET", f"/api/v1/faqs?{urlencode({'query': query, 'limit': 5})}")
        self.outcomes["searched" if status == 200 else f"search {status}"] += 1

    def close(self) -> None:
        self._asker.close()

    async def visit(self, client: httpx.AsyncClient, number: int) -> tuple[str, dict[str, str]]:
        """A conversation's stream: its address and headers."""
        address = f"10.{number // 60_000}.{number // 250 % 240}.{number % 250 + 1}"
        headers = {"Origin": ORIGIN, "X-Forwarded-For": address}
        token = (await client.post(f"{self._widget}/session", headers=headers)).json()["token"]
        headers["Authorization"] = f"Bearer {token}"
        asked = {"client_message_id": str(uuid4()), "body": f"Visitor {number} waits", "wants_person": True}
        taken = await client.post(f"{self._widget}/messages", headers=headers, json=asked)
        taken.raise_for_status()
        return f"{self._widget}/conversations/{taken.json()['conversation_id']}/stream", headers

    async def idle(self, host: str, port: int, path: str, headers: dict[str, str]) -> None:
        """Reads a stream until it is cancelled; a bare socket, because thousands of clients cost more than a desk."""
        reader, writer = await asyncio.open_connection(host, port)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n{lines}\r\n".encode())
        try:
            if b" 200 " not in await reader.readline():
                return
            self.streams += 1
            if self.streams == self.expected:
                self.all_open.set()
            while await reader.read(4096):
                pass
            self.streams -= 1
        finally:
            writer.close()


async def at_rate(per_second: float, seconds: float, act: Callable[[int], Awaitable[None]]) -> list[float]:
    """Milliseconds of each, from when it was due to when it was done."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    taken: list[float] = []

    async def one(number: int, due: float) -> None:
        await act(number)
        taken.append(1000 * (loop.time() - due))

    async with asyncio.TaskGroup() as group:
        for number in range(int(per_second * seconds)):
            due = begun + number / per_second
            await asyncio.sleep(max(0.0, due - loop.time()))
            group.create_task(one(number, due))
    return taken


def some_faqs(number: int) -> list[tuple[str, str]]:
    """Questions that differ in what they speak of, with an answer each."""
    chosen = random.Random(SEED)  # noqa: S311 - the same questions every time
    found: dict[str, str] = {}
    while len(found) < number:
        deed, subject, detail = chosen.choice(DEEDS), chosen.choice(SUBJECTS), chosen.choice(DETAILS)
        mark = f"{chosen.choice(DETAILS)} {chosen.randrange(10_000)}"
        question = f"How can I {deed} the {subject} of my {detail} with plan {mark}?"
        found[question] = f"Open {subject.title()}, choose {deed.title()} and confirm it for {mark}."
    return list(found.items())


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


async def measure(desk: DeskProcess, key: str, widget: str, arguments: argparse.Namespace) -> dict[str, Any]:
    load, faqs = Load(desk, key, widget, arguments.idle), some_faqs(arguments.faqs)
    chosen = random.Random(SEED)  # noqa: S311 - likewise
    host, port = "127.0.0.1", desk.port
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=desk.url, timeout=60, limits=limits) as client:
        gate = asyncio.Semaphore(8)

        async def open_stream(number: int) -> asyncio.Task[None]:
            async with gate:
                path, headers = await load.visit(client, number)
                return asyncio.create_task(load.idle(host, port, path, headers))

        idle = await asyncio.gather(*(open_stream(number) for number in range(arguments.idle)))
        if arguments.idle:
            await load.all_open.wait()
        await asyncio.sleep(arguments.settle)
        # The first questions build what is built once; they are not counted.
        for question, _ in faqs[:20]:
            await load.chat(question)
        load.outcomes.clear()
        asked = [chosen.choice(faqs)[0] for _ in range(int(arguments.rate * arguments.seconds))]
        before, own = processor_seconds(desk), time.process_time()
        chats, searches = await asyncio.gather(
            at_rate(arguments.rate, arguments.seconds, lambda at: load.chat(asked[at])),
            at_rate(SEARCHES_PER_SECOND, arguments.seconds, lambda at: load.search(asked[at][:60])),
        )
        spent = {part: seconds - before[part] for part, seconds in processor_seconds(desk).items()}
        own = time.process_time() - own
        load.close()
        still_open = load.streams
        for task in idle:
            task.cancel()
        await asyncio.gather(*idle, return_exceptions=True)
    return {
        "faqs": arguments.faqs,
        "idle_streams": still_open,
        "chats_per_second": arguments.rate,
        "outcomes": dict(load.outcomes),
        "chat_ms": {"p50": percentile(chats, 0.5), "p95": percentile(chats, 0.95), "p99": percentile(chats, 0.99)},
        "search_ms": {"p50": percentile(searches, 0.5), "p95": percentile(searches, 0.95)},
        "processor_ms_per_chat": {
            "all": round(1000 * sum(spent.values()) / max(1, len(chats)), 1),
            **{part: round(1000 * seconds / max(1, len(chats)), 1) for part, seconds in spent.items()},
            "asking": round(1000 * own / max(1, len(chats)), 1),
        },
        "load_average": os.getloadavg()[0],
    }


def processor_seconds(desk: DeskProcess) -> dict[str, float]:
    """Of the web's processes, the worker's, and the database's, which is no child of the desk's."""
    server = desk.postmaster()
    parts = {
        "web": desk.pids("desk", "serve"),
        "worker": desk.pids("desk", "worker"),
        "database": {server, *descendants(server)},
    }
    return {part: sum(map(processor_ticks, pids)) / os.sysconf("SC_CLK_TCK") for part, pids in parts.items()}


def processor_ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def prepared(desk: DeskProcess, faqs: int) -> tuple[str, str]:
    """The key of a tenant with that many published FAQs, and its widget's."""
    client = desk.api(desk.new_tenant("Load"))
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(["question", "answer", "category", "state"])
    table.writerows([question, answer, "load", "published"] for question, answer in some_faqs(faqs))
    files = {"file": ("faqs.csv", written.getvalue().encode(), "text/csv")}
    client.timeout = httpx.Timeout(1800)
    imported = client.post("/api/v1/faqs/import", files=files)
    assert imported.is_success, imported.text
    widget = next(each for each in client.get("/api/v1/connections").json()["items"] if each["channel"] == "widget")
    settings = {"allowed_origins": [ORIGIN], "messages_per_minute": 1000}
    assert client.put(f"/api/v1/connections/{widget['id']}", json={"widget": settings}).is_success
    caps = {"mode": "off", "threshold": 75, "daily_cap": 100_000, "ticket_cap": 3, "delay_seconds": 0, "faq_send": True}
    assert client.put("/api/v1/policy", json={"channels": [{"channel": "chat", **caps}]}).is_success
    return str(client.headers["authorization"]).removeprefix("Bearer "), widget["public_key"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faqs", type=int, default=500)
    parser.add_argument("--idle", type=int, default=0, help="visitors who follow a conversation and say nothing")
    parser.add_argument("--rate", type=float, default=20.0, help="chats a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--settle", type=float, default=2.0, help="seconds between opening the streams and asking")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with tempfile.TemporaryDirectory(prefix="desk-load-") as folder:
        desk = DeskProcess(Path(folder), {"DESK_TRUSTED_PROXIES": "127.0.0.1"})
        try:
            desk.start(600)
            begun = time.monotonic()
            key, widget = prepared(desk, arguments.faqs)
            seconds = time.monotonic() - begun
            figures = asyncio.run(measure(desk, key, widget, arguments))
            sys.stdout.write(json.dumps({**figures, "prepared_seconds": round(seconds, 1)}, indent=1) + "\n")
            desk.stop()
        finally:
            desk.kill_everything()


if __name__ == "__main__":
    main()
