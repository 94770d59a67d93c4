"""Figures for Prometheus. Counters belong to this process; what is waiting is read from the database when asked.

`/metrics` names no tenant and no content. It answers to an operator, and to this machine itself as long as no proxy
stands between (a proxy's requests also come from this machine).
"""

from __future__ import annotations

import ipaddress
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, Histogram, generate_latest

from desk.accounts.identity import Actor
from desk.accounts.sessions import scope_values
from desk.errors import NotAllowedError
from desk.installation import Installation
from desk.web.permissions import PUBLIC
from desk.web.waiting import states_of_week, work_waiting

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class RequestMetrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "desk_request_seconds",
            "Time from a request to the end of its answer.",
            ("method", "route", "status"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.waiting = Gauge("desk_work_waiting", "Rows of work that are due.", ("kind",), registry=self.registry)
        self.oldest = Gauge(
            "desk_work_oldest_seconds", "How long the oldest due row has waited.", ("kind",), registry=self.registry
        )
        self.states = Gauge(
            "desk_made_last_week",
            "Drafts and deliveries of the last 7 days.",
            ("kind", "state"),
            registry=self.registry,
        )

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        self._seconds.labels(method, route, str(status)).observe(seconds)


@get("/metrics", opt=PUBLIC, include_in_schema=False)
async def metrics(request: Request[Any, Any, Any], installation: NamedDependency[Installation]) -> Response[bytes]:
    actor: Actor | None = scope_values(request).get("user")
    if not (_is_this_machine(request) or (actor is not None and actor.is_operator)):
        msg = "metrics are for this machine and for operators"
        raise NotAllowedError(msg)
    figures: RequestMetrics = request.app.state.metrics
    for kind in await work_waiting(installation.database):
        figures.waiting.labels(kind.kind).set(kind.waiting)
        figures.oldest.labels(kind.kind).set(kind.oldest_seconds)
    figures.states.clear()
    for count in await states_of_week(installation.database):
        figures.states.labels(count.kind, count.state).set(count.number)
    return Response(generate_latest(figures.registry), media_type=CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8"))


def _is_this_machine(request: Request[Any, Any, Any]) -> bool:
    forwarded = {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"} & set(request.headers.keys())
    if forwarded or request.client is None:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
