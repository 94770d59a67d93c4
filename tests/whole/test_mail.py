"""A whole desk with a real mailbox: a mail comes in by itself, is drafted and answered, and its answer comes back."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.connectors.email.servers import PASSWORD, USER, Imap, Outbox, dovecot, needs_dovecot, smtp_server
from tests.desk.inbound.mail_desk import CUSTOMER, mail
from tests.whole.desk_process import DeskProcess, wait_for

pytestmark = [needs_dovecot, pytest.mark.processes]
ANSWER = "Backups are kept for 14 days. A restore is free of charge."


@pytest.fixture
def desk(tmp_path: Path) -> Generator[DeskProcess]:
    process = DeskProcess(tmp_path / "desk", {"DESK_EGRESS_ALLOWED_HOSTS": "127.0.0.1"})
    try:
        process.start()
        yield process
    finally:
        process.kill_everything()


def connect(api: httpx.Client, imap: Imap, outbox: Outbox) -> str:
    settings = {
        "address": USER,
        "password": PASSWORD,
        "imap_host": "127.0.0.1",
        "imap_port": imap.port,
        "imap_security": "none",
        "smtp_host": "127.0.0.1",
        "smtp_port": outbox.port,
        "smtp_security": "none",
    }
    made = api.post("/api/v1/connections", json={"kind": "email", "settings": settings})
    assert made.status_code == 201, made.text
    assert PASSWORD not in made.text
    connection = made.json()["id"]
    wait_for(lambda: api.get(f"/api/v1/connections/{connection}/health").json()["seen_at"])
    return str(connection)


def tickets(api: httpx.Client) -> list[dict[str, Any]]:
    return list(api.get("/api/v1/tickets").json()["items"])


def ready_draft(api: httpx.Client) -> dict[str, Any] | None:
    (ticket,) = tickets(api)
    return api.get(f"/api/v1/drafts/{ticket['draft_id']}").json() if ticket["draft_state"] == "ready" else None


def test_mail_is_drafted_answered_and_comes_back_also_after_the_desk_was_killed(desk: DeskProcess) -> None:
    with dovecot() as imap, smtp_server() as outbox:
        api = desk.api(desk.new_tenant("Acme"))
        faq = {"question": "How long are my backups kept?", "answer": ANSWER, "state": "published"}
        assert api.post("/api/v1/faqs", json=faq).status_code == 201
        connection = connect(api, imap, outbox)
        imap.deliver(*[mail("How long are my backups kept?", message_id="<first@customer.test>")] * 5)
        wait_for(lambda: tickets(api))
        draft = wait_for(lambda: ready_draft(api))
        assert "14 days" in draft["body"]
        approved = api.post(f"/api/v1/drafts/{draft['id']}/approve", json={"based_on_seq": draft["based_on_seq"]})
        assert approved.status_code in {200, 201}, approved.text
        sent = wait_for(lambda: outbox.mails)[0]
        assert (sent["To"].addresses[0].addr_spec, sent["In-Reply-To"]) == (CUSTOMER, "<first@customer.test>")

        desk.kill_parent()
        imap.deliver(mail("And older ones?", "Re: Backups", to=sent["Reply-To"]))
        desk.start()
        wait_for(lambda: tickets(api)[0]["status"] == "open")
        (ticket,) = tickets(api)
        thread = api.get(f"/api/v1/tickets/{ticket['id']}").json()["messages"]
        assert [message["from"] for message in thread] == ["customer", "agent", "customer"]
        synced = api.post(f"/api/v1/connections/{connection}/sync").json()
        assert synced["received"] == 0
        assert len(outbox.mails) == 1
