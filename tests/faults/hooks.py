"""How fast signed webhooks are confirmed, and how many a second a desk bears: `python -m tests.faults.hooks`.

One web process and one worker beside it, which reads what comes in meanwhile. Open loop: a call is made when it is due,
whether or not those before it have been answered. Every call brings a message of its own customer, signed as Twilio
signs, and is counted from when it was due. At the end each confirmed message must be in the inbox.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from twilio.request_validator import RequestValidator

from tests.connectors.whatsapp.fakes import ACCOUNT, AUTH, FakeTwilio, answering
from tests.connectors.widget.load import percentile
from tests.faults.desk import Desk

GOAL_MS = 250.0
_CONNECTIONS = 64
_TRIED = (100, 150, 200, 300, 400)
_TRIED_SECONDS = 10.0


class Caller:
    """Keeps connections open, as providers do; bare sockets, because a full client would cost more than the desk."""

    def __init__(self, url: str, path: str) -> None:
        self._host, self._port = urlsplit(url).hostname or "", urlsplit(url).port or 0
        self._path = path
        self._validator: Any = RequestValidator(AUTH)
        self._address = f"{url}{path}"
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._gate = asyncio.Semaphore(_CONNECTIONS)
        self.sent = 0

    def prepared(self) -> bytes:
        self.sent += 1
        phone = f"1650{self.sent:07d}"
        fields = {
            "MessageSid": f"SM{self.sent:032x}",
            "SmsStatus": "received",
            "AccountSid": ACCOUNT,
            "From": f"whatsapp:+{phone}",
            "To": "whatsapp:+14155238886",
            "Body": f"Hello, my mailbox number {self.sent} takes no mail any more. Please help.",
            "NumMedia": "0",
            "ProfileName": f"Customer {self.sent}",
            "WaId": phone,
        }
        body = urlencode(fields).encode()
        lines = (
            f"POST {self._path} HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            f"X-Twilio-Signature: {self._validator.compute_signature(self._address, fields)}",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
        )
        head = "\r\n".join((*lines, "", ""))
        return head.encode() + body

    async def call(self, request: bytes) -> int:
        async with self._gate:
            reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(self._host, self._port)
            try:
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = head.partition("content-length: ")[2].partition("\r\n")[0]
                await reader.readexactly(int(length or 0))
            except (OSError, asyncio.IncompleteReadError):
                writer.close()
                return 0
            self._idle.append((reader, writer))
            return int(head.split(" ", 2)[1])

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


async def at_rate(caller: Caller, rate: float, seconds: float) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    requests = [caller.prepared() for _ in range(int(rate * seconds))]
    taken: list[float] = []
    statuses: Counter[int] = Counter()

    async def one(request: bytes, due: float) -> None:
        statuses[await caller.call(request)] += 1
        taken.append(1000 * (loop.time() - due))

    begun = loop.time()
    async with asyncio.TaskGroup() as group:
        for number, request in enumerate(requests):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            group.create_task(one(request, due))
    return {
        "calls a second": rate,
        "calls": len(requests),
        "answers": {str(status): number for status, number in statuses.items()},
        "p50 ms": round(percentile(taken, 0.5), 1),
        "p95 ms": round(percentile(taken, 0.95), 1),
        "p99 ms": round(percentile(taken, 0.99), 1),
        "load average": os.getloadavg()[0],
    }


def holds(figures: dict[str, Any]) -> bool:
    return figures["p99 ms"] <= GOAL_MS and set(figures["answers"]) == {"200"}


async def measure(folder: Path, rate: float, seconds: float, *, most: bool) -> dict[str, Any]:
    desk = Desk(folder, webs=1, workers=1)
    try:
        await desk.start()
        await desk.start_processes()
        api = await desk.tenant("Hooks")
        async with answering(FakeTwilio()) as port, api:
            caller = Caller(desk.urls[0], await _connected(api, port))
            await at_rate(caller, 20, 3)  # what is built once is not counted
            before = desk.processor_seconds("web")
            figures = await at_rate(caller, rate, seconds)
            spent = 1000 * (desk.processor_seconds("web") - before) / figures["calls"]
            figures["processor ms a call, web process"] = round(spent, 2)
            tried: list[dict[str, Any]] = []
            for more in _TRIED if most else ():
                tried.append(await at_rate(caller, more, _TRIED_SECONDS))
                if not holds(tried[-1]):
                    break
            caller.close()
        (kept,) = await desk.rows("SELECT count(*) AS number FROM inbox")
    finally:
        await desk.close()
    held = [each["calls a second"] for each in (figures, *tried) if holds(each)]
    confirmed = sum(each["answers"].get("200", 0) for each in (figures, *tried)) + 60
    return {
        **figures,
        "most held": max(held, default=None),
        "tried": tried,
        "confirmed": confirmed,
        "kept": kept.number,
    }


async def _connected(api: httpx.AsyncClient, port: int) -> str:
    address = f"http://127.0.0.1:{port}"
    settings = {"account_sid": ACCOUNT, "auth_token": AUTH, "number": "+14155238886", "api_address": address,
                "content_address": address}  # fmt: skip
    made = await api.post("/api/v1/connections", json={"kind": "whatsapp_twilio", "settings": settings})
    return f"/hooks/in/{made.raise_for_status().json()['public_key']}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.hooks", description=__doc__)
    parser.add_argument("--rate", type=float, default=50.0, help="calls a second")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--most", action="store_true", help="then more and more, until it does not hold")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="desk-hooks-") as folder:
        Path(folder).chmod(0o755)
        figures = asyncio.run(measure(Path(folder), arguments.rate, arguments.seconds, most=arguments.most))
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0 if holds({**figures, "answers": figures["answers"]}) and figures["kept"] >= figures["confirmed"] else 1


if __name__ == "__main__":
    sys.exit(main())
