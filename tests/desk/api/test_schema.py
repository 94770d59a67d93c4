"""The API keeps its own description: generated requests, right and wrong ones, never meet a defect (schemathesis)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from desk.app import create_app
from desk.heartbeat import beat
from desk.installation import Installation
from tests.desk.api.world import World, build_world, call
from tests.desk.conftest import People, serving

EXAMPLES_AN_OPERATION = 14
CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]
BASE = "http://desk.test"


class Desk:
    """The application in an event loop of its own, called from hypothesis' synchronous tests."""

    def __init__(self, app: Litestar, installation: Installation) -> None:
        self._loop = asyncio.new_event_loop()
        self._installation = installation
        self._opened = self._open(app, installation)
        self.client, self.key, self.world, self.schema = self._loop.run_until_complete(anext(self._opened))

    async def _open(
        self, app: Litestar, installation: Installation
    ) -> AsyncGenerator[tuple[httpx.AsyncClient, str, World, dict[str, Any]]]:
        async with serving(app) as client:
            people = People(installation)
            owner = await people.person(await people.tenant("Acme"), "owner", "owner@acme.test")
            world = await build_world(client, installation, owner)
            key = (await call(client, owner, "POST", "/keys", json={"name": "schemathesis"}))["key"]
            yield client, key, world, (await client.get("/schema/openapi.json")).json()

    def send(self, prepared: requests.PreparedRequest) -> httpx.Response:
        body = prepared.body
        content = body.encode() if isinstance(body, str) else body
        headers = {**prepared.headers, "Authorization": f"Bearer {self.key}"}
        sent = self.client.request(prepared.method or "GET", prepared.url or "", content=content, headers=headers)
        return self._loop.run_until_complete(sent)

    def worker_lives(self) -> None:
        """A sign of life, without which `/health` would rightly say 503 in a test that takes a minute."""
        self._loop.run_until_complete(beat(self._installation.database, "worker@test", "worker"))

    def close(self) -> None:
        self._loop.run_until_complete(anext(self._opened, None))
        self._loop.close()


def _late(operation: Any) -> int:
    """What takes things away comes last, so that the others meet ids that exist; and drafting comes before the
    model providers that cannot be reached."""
    return 2 * (operation.method.upper() == "DELETE") + ("model-providers" in operation.path)


@pytest.fixture
def desk(installation: Installation) -> Generator[Desk]:
    opened = Desk(create_app(installation), installation)
    yield opened
    opened.close()


def test_generated_requests_get_the_answers_that_the_schema_promises(desk: Desk) -> None:
    schema = schemathesis.openapi.from_dict(desk.schema)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 55
    for operation in sorted(operations, key=_late):
        desk.worker_lives()
        right = operation.as_strategy(GenerationMode.POSITIVE)
        wrong = operation.as_strategy(GenerationMode.NEGATIVE)
        strategy = st.one_of(right, wrong) if operation.body or operation.query else right

        @settings(
            max_examples=EXAMPLES_AN_OPERATION,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        )
        @given(case=strategy, known=st.booleans())
        def meets(case: Any, known: bool) -> None:
            if known and case.path_parameters:
                case.path_parameters = {
                    name: desk.world.ids.get(name, value) for name, value in case.path_parameters.items()
                }
            prepared = requests.Request(**case.as_transport_kwargs(base_url=BASE)).prepare()
            case.validate_response(desk.send(prepared), checks=CHECKS)

        meets()
