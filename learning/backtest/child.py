"""The process that replays a tenant's tickets for the web desk: `python -m learning.backtest.child`.

It has one request on its standard input, no connection and no file, and tells its progress and then the account on its
standard output, a line of JSON each. It ends by itself when nobody reads them any more, in whatever way the worker
ended. Beside a worker that writes drafts it takes the processor only when nobody else wants it.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from desk.history.account import BacktestAccount
from learning.backtest.account import AccountTerms, account_of
from learning.backtest.history import HistoryCustomer, HistoryMessage, HistoryTicket
from learning.backtest.memory import Knowledge
from learning.backtest.run import History, Prepared
from retrieval.intents import IntentClassifier, hosting_categories

_NICENESS = 10
_TELL_SECONDS = 0.5
BEST, WORST = 10, 20


class ReplayedMessage(msgspec.Struct):
    from_agent: bool
    body: str
    at: datetime


class ReplayedTicket(msgspec.Struct):
    id: str
    created_at: datetime
    subject: str
    body: str
    channel: str
    department: str
    customer_name: str
    customer_email: str
    messages: list[ReplayedMessage]


class ReplayRequest(msgspec.Struct):
    tickets: list[ReplayedTicket]
    """Oldest first."""
    dimension: int
    vectors: bytes
    """float32, one row per ticket."""
    intents: bytes
    """float32, one row per example text of the built-in intents."""
    risk: float
    confidence: float


class ReplayTold(msgspec.Struct):
    """One line of the answer."""

    stage: str = ""
    done: int = 0
    total: int = 0
    is_over: bool = False
    account: dict[str, Any] | None = None
    """None at the end, too, when no ticket could be drafted."""


def main() -> None:
    os.nice(_NICENESS)
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=ReplayRequest)
    account = _account(request)
    _tell(ReplayTold(is_over=True, account=None if account is None else msgspec.to_builtins(account)))


def _account(request: ReplayRequest) -> BacktestAccount | None:
    told = 0.0

    def advanced(stage: str, done: int, total: int) -> None:
        nonlocal told
        if done == total or time.monotonic() - told > _TELL_SECONDS:
            told = time.monotonic()
            _tell(ReplayTold(stage, done, total))

    prepared = Prepared(
        [History("", [_ticket(one) for one in request.tickets], _rows(request.vectors, request.dimension))],
        Knowledge(request.dimension),
        IntentClassifier(hosting_categories(), _rows(request.intents, request.dimension)),
        request.dimension,
        0.0,
    )
    return account_of(prepared, AccountTerms(request.risk, request.confidence, BEST, WORST), advanced)


def _rows(raw: bytes, dimension: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.frombuffer(raw, dtype="<f4").reshape(-1, dimension)


def _ticket(one: ReplayedTicket) -> HistoryTicket:
    return HistoryTicket(
        line=0,
        id=one.id,
        created_at=one.created_at,
        subject=one.subject,
        body=one.body,
        channel=one.channel,
        department=one.department,
        customer=HistoryCustomer(email=one.customer_email, name=one.customer_name),
        messages=tuple(
            HistoryMessage("agent" if each.from_agent else "customer", each.body, each.at) for each in one.messages
        ),
    )


def _tell(line: ReplayTold) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
