"""`kill -9` at the worst moments: nothing is lost, nothing is sent twice, nothing is left running."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Generator
from typing import Any

import httpx
import pytest

from tests.processes import eventually, processes_mentioning, processes_working_in
from tests.whole.desk_process import ROOT, Callbacks, DeskProcess, callback_server, free_port, wait_for, with_signal

pytestmark = [pytest.mark.processes, pytest.mark.long]


@pytest.fixture(scope="module")
def callbacks() -> Generator[Callbacks]:
    with callback_server() as server:
        yield server


@pytest.fixture
def slow_model() -> Generator[int]:
    """A language model that takes three seconds for every answer."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.connectors.llm.scripted_server", "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: _answers(port))
        httpx.post(f"http://127.0.0.1:{port}/__script", json=[{"delay": 3.0}] * 3)
        yield port
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Generator[DeskProcess]:
    """One desk for the whole module, in a folder with a space in its name."""
    started = DeskProcess(tmp_path_factory.mktemp("kills") / "a desk", {"DESK_EGRESS_ALLOWED_HOSTS": "127.0.0.1"})
    try:
        started.start()
        yield started
    finally:
        started.kill_everything()


@pytest.fixture(scope="module")
def api(desk: DeskProcess) -> httpx.Client:
    return desk.api(desk.new_tenant("Kills"))


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/__requests", timeout=1).status_code < 500
    except httpx.HTTPError:
        return False


def _set_callback(api: httpx.Client, url: str) -> None:
    connection = api.get("/api/v1/connections").json()["items"][0]
    answer = api.put(f"/api/v1/connections/{connection['id']}", json={"callback_url": url})
    assert answer.status_code == 200, answer.text


def _new_ticket(api: httpx.Client, external_id: str) -> dict[str, Any]:
    answer = api.post(
        "/api/v1/tickets",
        json={
            "subject": "Where are my backups?",
            "body": "Hello, how long do you keep my backups and what does a restore cost?",
            "customer": {"external_id": "c-1", "name": "Ada"},
            "external_id": external_id,
        },
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def _draft(api: httpx.Client, ticket_id: str) -> dict[str, Any] | None:
    draft = api.get(f"/api/v1/tickets/{ticket_id}").json()["current_draft"]
    return draft if draft and draft["state"] not in {"writing"} else None


KNOWLEDGE = {"title": "Backups", "text": "# Backups\n\nBackups are kept for 14 days. Every restore is free of charge."}


def test_a_worker_killed_in_the_middle_of_a_draft_loses_nothing(
    desk: DeskProcess, api: httpx.Client, slow_model: int
) -> None:
    provider = {"base_url": f"http://127.0.0.1:{slow_model}/v1", "model": "scripted", "api_key": "test", "name": "slow"}
    made = api.post("/api/v1/model-providers", json=provider)
    assert made.status_code == 201, made.text
    ticket = _new_ticket(api, "in-a-draft")
    wait_for(lambda: httpx.get(f"http://127.0.0.1:{slow_model}/__requests").json())

    (worker,) = desk.pids("desk", " worker")
    with_signal(worker, signal.SIGKILL)

    draft = wait_for(lambda: _draft(api, ticket["id"]), 40)
    assert draft["state"] == "ready"
    assert draft["writer"] == "llm"
    drafts = [
        event for event in api.get(f"/api/v1/tickets/{ticket['id']}").json()["events"] if event["kind"] == "draft_ready"
    ]
    assert len(drafts) == 1
    assert api.delete(f"/api/v1/model-providers/{made.json()['id']}").status_code == 204


def test_a_worker_killed_in_the_middle_of_a_send_never_sends_twice(
    desk: DeskProcess, api: httpx.Client, callbacks: Callbacks
) -> None:
    _set_callback(api, callbacks.url)
    ticket = _new_ticket(api, "in-a-send")
    wait_for(lambda: _draft(api, ticket["id"]))
    callbacks.hold.clear()
    sent = api.post(
        f"/api/v1/tickets/{ticket['id']}/messages", json={"from": "agent", "body": "We keep them for 14 days."}
    )
    assert sent.status_code == 201, sent.text
    wait_for(lambda: callbacks.received)

    (worker,) = desk.pids("desk", " worker")
    with_signal(worker, signal.SIGKILL)
    callbacks.hold.set()

    def uncertain() -> dict[str, Any] | None:
        (delivery,) = api.get(f"/api/v1/tickets/{ticket['id']}").json()["deliveries"]
        return delivery if delivery["state"] == "uncertain" else None

    delivery = wait_for(uncertain, 40)
    assert len(callbacks.received) == 1

    decided = api.post(f"/api/v1/deliveries/{delivery['id']}/resolve", json={"as": "sent"})
    assert decided.status_code == 200, decided.text
    bodies = [message["body"] for message in api.get(f"/api/v1/tickets/{ticket['id']}").json()["messages"]]
    assert bodies.count("We keep them for 14 days.") == 1
    assert len(callbacks.received) == 1


def test_the_database_killed_under_load_loses_no_accepted_ticket(desk: DeskProcess, api: httpx.Client) -> None:
    api.post("/api/v1/documents", json=KNOWLEDGE)
    accepted: list[str] = []
    for number in range(30):
        if number == 10:
            with_signal(desk.postmaster(), signal.SIGKILL)
        try:
            answer = api.post(
                "/api/v1/tickets",
                json={
                    "subject": f"Ticket {number}",
                    "body": "How long are backups kept?",
                    "customer": {},
                    "external_id": f"t-{number}",
                },
            )
        except httpx.HTTPError:
            continue
        if answer.status_code == 201:
            accepted.append(f"t-{number}")
        else:
            assert answer.status_code in {500, 503}, answer.text

    wait_for(desk.is_ready, 40)
    for number in range(30):
        again = api.post(
            "/api/v1/tickets",
            json={
                "subject": f"Ticket {number}",
                "body": "How long are backups kept?",
                "customer": {},
                "external_id": f"t-{number}",
            },
        )
        assert again.status_code == (200 if f"t-{number}" in accepted else 201), again.text
    assert len(accepted) >= 10

    def all_drafted() -> bool:
        tickets = api.get("/api/v1/tickets", params={"limit": 100}).json()["items"]
        loaded = [ticket for ticket in tickets if ticket["subject"].startswith("Ticket ")]
        return len(loaded) == 30 and all(_draft(api, ticket["id"]) for ticket in loaded)

    wait_for(all_drafted, 90)


def test_after_a_kill_of_the_parent_and_after_a_stop_nothing_is_left_running(
    desk: DeskProcess, api: httpx.Client
) -> None:
    ticket = _new_ticket(api, "kept")
    desk.kill_parent()
    desk.start()
    assert api.get(f"/api/v1/tickets/{ticket['id']}").status_code == 200
    assert desk.stop() == 0
    assert eventually(lambda: not processes_mentioning(str(desk.data_dir)))
    assert eventually(lambda: not processes_working_in(desk.data_dir / "postgres" / "cluster"))
