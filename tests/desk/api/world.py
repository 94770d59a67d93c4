"""A tenant with something of everything, made through the API, and a worker that does what is due."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from desk.db.leases import claim
from desk.installation import Installation
from desk.models import (
    Backtest,
    Chunk,
    Connection,
    Delivery,
    GapQuestion,
    InboxEntry,
    KnowledgeGap,
    KnowledgeProposal,
    PassagePair,
    Review,
    SendingCertificate,
)
from desk.work import duties
from tests.desk.conftest import Client, Person

ARTICLE = (
    "# Resetting a password\n\nOpen the login page, choose Forgot password and enter your e-mail address. "
    "The link we send is valid for 30 minutes."
)
QUESTION = {
    "subject": "Forgot my password",
    "body": "How do I reset my password? I cannot log in.",
    "customer": {"external_id": "c-7", "email": "kim@example.com", "name": "Kim Larsen"},
}


async def do_due_work(installation: Installation) -> None:
    """Documents first, then drafts, replies and what is learned; until nothing is due. Connections are not watched:
    that takes minutes each, and tests of others have left some."""
    kinds = [duty for duty in duties(installation) if duty.kind != "connection_watches"]
    kinds.sort(key=lambda duty: duty.kind != "document_versions")
    while True:
        done = 0
        for duty in kinds:
            for held in await claim(installation.database, duty.kind, 20, 30.0):
                await duty.work(held)
                done += 1
        if not done:
            return


async def close_undo_windows(installation: Installation, person: Person) -> None:
    """As if ten seconds had gone by; replies are sent and learned from."""
    async with installation.database.transaction(person.actor.scope) as session:
        await session.execute(
            update(Delivery).where(Delivery.state == "pending").values(due_at=func.now(), undo_until=func.now())
        )
        await session.execute(update(Review).where(Review.state == "waiting").values(due_at=func.now()))
    await do_due_work(installation)


@dataclass(frozen=True)
class World:
    """Ids by the name of the path parameter that takes them."""

    ids: Mapping[str, str]
    ticket: Mapping[str, Any]


async def call(client: Client, person: Person, method: str, path: str, **options: Any) -> Any:
    """The parsed answer of a call that must succeed."""
    answer = await client.request(method, f"/api/v1{path}", headers=person.headers, **options)
    assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content else None


async def drafted_ticket(client: Client, installation: Installation, person: Person, **changes: Any) -> dict[str, Any]:
    made = await call(client, person, "POST", "/tickets", json={**QUESTION, **changes})
    await do_due_work(installation)
    ticket: dict[str, Any] = await call(client, person, "GET", f"/tickets/{made['id']}")
    return ticket


async def build_world(client: Client, installation: Installation, owner: Person) -> World:
    document = await call(client, owner, "POST", "/documents", json={"title": "Passwords", "text": ARTICLE})
    await do_due_work(installation)
    rejected = await drafted_ticket(client, installation, owner)
    rejection = {"reason": "say that the link is valid for 30 minutes"}
    await call(client, owner, "POST", f"/drafts/{rejected['current_draft']['id']}/reject", json=rejection)
    ticket = await drafted_ticket(client, installation, owner)
    approval = {"based_on_seq": ticket["last_inbound_seq"]}
    approved = await drafted_ticket(client, installation, owner)
    sent = await call(client, owner, "POST", f"/drafts/{approved['current_draft']['id']}/approve", json=approval)
    prompt = (await call(client, owner, "GET", "/prompts"))["items"][0]
    copy = await call(client, owner, "POST", f"/prompts/{prompt['id']}/duplicate")
    provider = {"name": "Own", "base_url": "https://llm.example.com/v1", "model": "m", "active": False}
    person = {"email": "new@acme.test", "password": "a long enough password", "role": "agent"}
    answered = await call(client, owner, "POST", f"/tickets/{rejected['id']}/messages", json=_REPLY)
    assert answered["delivery"]["state"] == "pending"
    await close_undo_windows(installation, owner)
    chat = next(row for row in (await call(client, owner, "GET", "/connections"))["items"] if row["channel"] == "chat")
    async with installation.database.transaction(owner.actor.scope) as session:
        # Nobody works beside the generated requests, so none of them is to wait for an answer.
        await session.execute(
            update(Connection).where(Connection.id == chat["id"]).values(configuration={"answer_seconds": 0})
        )
        entry = (await session.execute(select(InboxEntry.id).limit(1))).scalar_one()
        certificate = SendingCertificate(
            group_name="all", state="revoked", channels=["rest"], threshold=0.9, risk=0.05, confidence=0.95, bound=0.04,
            labels=72, errors=0, look=1,
        )  # fmt: skip
        session.add(certificate)
    file = {"file": ("a.txt", b"words")}
    ids = {
        "session_id": (await call(client, owner, "POST", "/sessions", json={"user_id": "u-1"}))["id"],
        "ticket_id": ticket["id"],
        "customer_id": ticket["customer"]["id"],
        "draft_id": ticket["current_draft"]["id"],
        "delivery_id": sent["delivery"]["id"],
        "document_id": document["id"],
        "backtest_id": str(await _backtest(installation, owner)),
        **await _upkeep(installation, owner, UUID(ticket["id"])),
        "website_id": (await call(client, owner, "POST", "/websites", json=_WEBSITE))["id"],
        "example_id": (await call(client, owner, "GET", "/examples"))["items"][0]["id"],
        "correction_id": (await call(client, owner, "GET", "/corrections"))["items"][0]["id"],
        "faq_id": (await call(client, owner, "POST", "/faqs", json={"question": "Why?", "answer": "So."}))["id"],
        "prompt_id": copy["id"],
        "connection_id": (await call(client, owner, "GET", "/connections"))["items"][0]["id"],
        "entry_id": str(entry),
        "certificate_id": str(certificate.id),
        "attachment_id": (await call(client, owner, "POST", f"/tickets/{ticket['id']}/attachments", files=file))["id"],
        "comparison_id": (await call(client, owner, "POST", "/regress", json={}))["id"],
        "provider_id": (await call(client, owner, "POST", "/model-providers", json=provider))["id"],
        "user_id": (await call(client, owner, "POST", "/users", json=person))["id"],
        "key_id": (await call(client, owner, "POST", "/keys", json={"name": "k"}))["id"],
    }
    ids.update(await _webhooks(client, owner))
    return World(ids, await call(client, owner, "GET", f"/tickets/{ticket['id']}"))


async def _webhooks(client: Client, owner: Person) -> dict[str, str]:
    """One with a delivery that waits, and one that a tool has subscribed."""
    listener = {"url": "https://hooks.example.invalid/desk", "events": ["certificate.revoked"]}
    webhook = await call(client, owner, "POST", "/webhooks", json=listener)
    waiting = await call(client, owner, "POST", f"/webhooks/{webhook['id']}/test", json={})
    hook = {"hookUrl": "https://hooks.example.invalid/tool", "event": "certificate.revoked"}
    subscribed = await call(client, owner, "POST", "/hooks", json=hook)
    return {"endpoint_id": webhook["id"], "webhook_delivery_id": waiting["id"], "hook_id": subscribed["id"]}


async def _backtest(installation: Installation, person: Person) -> UUID:
    """One that was stopped."""
    async with installation.database.transaction(person.actor.scope) as session:
        row = Backtest(asked_by=person.email, most_tickets=1, risk=0.05, confidence=0.95, state="stopped")
        session.add(row)
        await session.flush()
    return row.id


async def _upkeep(installation: Installation, person: Person, ticket_id: UUID) -> dict[str, str]:
    """A gap with a proposal, and two passages that disagree."""
    gap, proposal, pair = KnowledgeGap(title="Why?"), KnowledgeProposal(form="faq", action="create"), PassagePair()
    async with installation.database.transaction(person.actor.scope) as session:
        session.add(gap)
        await session.flush()
        proposal.gap_id = gap.id
        question = {"signals": ["failed"], "asked_at": gap.created_at, "model": "m", "vector": b""}
        session.add_all([proposal, GapQuestion(gap_id=gap.id, ticket_id=ticket_id, seq=1, question="Why?", **question)])
        chunks = (await session.execute(select(Chunk.id, Chunk.document_id))).all()
        pair.kind, pair.similarity = "contradiction", 0.5
        pair.first_kind = pair.second_kind = "document"
        pair.first_item, pair.first_parent = pair.second_item, pair.second_parent = chunks[0]
        pair.first_hash, pair.second_hash = "a", "b"
        session.add(pair)
        await session.flush()
    return {"gap_id": str(gap.id), "proposal_id": str(proposal.id), "pair_id": str(pair.id)}


_REPLY = {"from": "agent", "body": "Please use the Forgot password link on the login page."}
_WEBSITE = {"url": "https://help.example.invalid/", "reach": "site", "schedule": "weekly"}
