"""A process that delivers what is due until nothing is: `python -m tests.desk.delivering LOG SECONDS`.

Standard input holds the database's address, and then a line for it to begin. Every reply takes so many seconds; when it
began stands in the log.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from sqlalchemy import make_url

from desk.db.crypto import key_ring
from desk.db.leases import claim
from desk.db.unit_of_work import Database
from desk.delivery import DeliveryDesk
from desk.ports import OutgoingReply, SendOutcome
from tests.database import ENCRYPTION_KEY
from tests.desk.test_delivery import ScriptedChannel
from tests.memory_storage import MemoryStorage


class SlowChannel(ScriptedChannel):
    def __init__(self, log: Path, seconds: float) -> None:
        super().__init__()
        self._log = log
        self._seconds = seconds

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        with self._log.open("a") as log:
            log.write(f"{os.getpid()} {time.time()} {reply.delivery_id}\n")
        await asyncio.sleep(self._seconds)
        return await super().send(reply)


async def deliver(address: str, log: Path, seconds: float) -> None:
    key_ring.configure((ENCRYPTION_KEY,))
    database = Database.connect(make_url(address), pool_size=4)
    desk = DeliveryDesk(database, {"rest": SlowChannel(log, seconds)}, MemoryStorage(), lease_seconds=30)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    try:
        while claims := await claim(database, "deliveries", 4, 30):
            await asyncio.gather(*[desk.work(held) for held in claims])
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(deliver(sys.stdin.readline().strip(), Path(sys.argv[1]), float(sys.argv[2])))
