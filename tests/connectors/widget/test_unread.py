"""An unread reply is told by e-mail: once, to the right address, with no more in it than that address may read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from desk.db.leases import claim
from desk.installation import Installation
from desk.models import Connection, ReplyNotice
from desk.models import Visitor as VisitorRow
from desk.ports import ConnectionDetails, HealthCheck, OutgoingReply, SendOutcome
from desk.widget.access import VisitorTokens
from desk.widget.reply_mail import ReplyMail
from tests.connectors.widget.conftest import SHOP, Visitor
from tests.desk.api.world import call, close_undo_windows
from tests.desk.conftest import Client, Person
from tests.desk.live_chat import HARD

REPLY = "Your database has been restarted."


@dataclass
class Post:
    """A mail connection that keeps what it is given."""

    outcome: SendOutcome = field(default_factory=lambda: SendOutcome("sent"))
    sent: list[OutgoingReply] = field(default_factory=list[OutgoingReply])
    looked_up: int = 0
    kind: str = "email"

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        self.sent.append(reply)
        return self.outcome

    async def reconcile(self, reply: OutgoingReply) -> SendOutcome:
        del reply
        self.looked_up += 1
        return SendOutcome("uncertain", "nobody knows")

    async def check(self, connection: ConnectionDetails) -> tuple[HealthCheck, ...]:
        del connection
        return ()


@pytest.fixture
async def mailbox(installation: Installation, owner: Person, widget: Connection) -> Connection:
    async with installation.database.transaction(owner.actor.scope) as session:
        row = Connection(id=uuid7(), channel="email", name="Mail", configuration={}, secrets="{}", is_active=True)
        session.add(row)
    return row


async def notices(installation: Installation, owner: Person) -> list[ReplyNotice]:
    async with installation.database.transaction(owner.actor.scope) as session:
        found = await session.execute(select(ReplyNotice).order_by(ReplyNotice.id))
        return list(found.scalars())


async def answered(visitor: Visitor, client: Client, owner: Person, installation: Installation, **said: Any) -> str:
    """A visitor has asked and been answered by a person; the ticket's id."""
    await visitor.write(HARD, page_url=f"{SHOP}/cart", **said)
    ticket = (await call(client, owner, "GET", "/tickets", params={"channel": "widget"}))["items"][0]["id"]
    await reply(client, owner, installation, str(ticket))
    return str(ticket)


async def reply(client: Client, owner: Person, installation: Installation, ticket: str) -> None:
    await call(client, owner, "POST", f"/tickets/{ticket}/messages", json={"from": "agent", "body": REPLY})
    await close_undo_windows(installation, owner)


async def minutes_later(installation: Installation, owner: Person, post: Post) -> None:
    """Everything that is due by then is done, by a mail connection that a test holds in its hands."""
    async with installation.database.transaction(owner.actor.scope) as session:
        await session.execute(
            update(ReplyNotice).where(ReplyNotice.due_at.is_not(None)).values(due_at=func.now(), lease_until=None)
        )
    tokens = VisitorTokens(installation.settings.secret_key, installation.clock)
    mail = ReplyMail(installation.database, {"email": post}, tokens)
    for held in await claim(installation.database, "reply_notices", 20, 30.0):
        await mail.work(held)


async def test_an_unread_reply_is_told_once_without_content_and_the_link_leads_back(
    visitor: Visitor, client: Client, owner: Person, installation: Installation, mailbox: Connection
) -> None:
    ticket = await answered(visitor, client, owner, installation, email="ada@example.com", name="Ada")
    await reply(client, owner, installation, ticket)
    assert [(each.state, each.seq) for each in await notices(installation, owner)] == [("waiting", 3)]
    post = Post()
    await minutes_later(installation, owner, post)
    await minutes_later(installation, owner, post)
    assert [each.recipient["email"] for each in post.sent] == ["ada@example.com"]
    body = post.sent[0].body
    assert post.sent[0].recipient["name"] == "", "a name that proves nothing is not written to strangers"
    assert REPLY not in body
    link = re.search(r"(\S+)#draftdesk=(\S+)", body)
    assert link is not None
    assert link[1] == f"{SHOP}/cart"

    elsewhere = Visitor(client, visitor.key)
    opened = await elsewhere.call("POST", "/resume", json={"token": link[2]})
    assert opened.status_code == 200, opened.text
    elsewhere.token, elsewhere.conversation = opened.json()["token"], opened.json()["conversation_id"]
    assert [message["from"] for message in (await elsewhere.page())["messages"]] == ["visitor", "person", "person"]
    assert (await elsewhere.call("POST", "/resume", json={"token": visitor.token})).status_code == 401
    assert (await Visitor(client, visitor.key, token=link[2]).call("GET", "/conversations")).status_code == 401

    # Whoever opened the link reads mail at that address: from now on the reply itself may stand in it.
    await reply(client, owner, installation, ticket)
    await minutes_later(installation, owner, post)
    assert REPLY in post.sent[1].body
    assert post.sent[1].recipient["name"] == "Ada"


async def test_reading_or_writing_in_the_widget_takes_the_notice_back(
    visitor: Visitor, client: Client, owner: Person, installation: Installation, mailbox: Connection
) -> None:
    ticket = await answered(visitor, client, owner, installation, email="ada@example.com")
    await visitor.call("POST", f"/conversations/{visitor.conversation}/read", json={"seq": 2})
    await reply(client, owner, installation, ticket)
    await visitor.write("Thank you!")
    post = Post()
    await minutes_later(installation, owner, post)
    assert post.sent == []
    assert [each.state for each in await notices(installation, owner)] == ["read", "read"]


@pytest.mark.parametrize(
    ("email", "has_mail", "state"), [("", True, "no_address"), ("a@b.example", False, "no_connection")]
)
async def test_what_cannot_be_told_is_said_in_the_ticket(
    visitor: Visitor, client: Client, owner: Person, installation: Installation, email: str, has_mail: bool, state: str
) -> None:
    if has_mail:
        async with installation.database.transaction(owner.actor.scope) as session:
            session.add(Connection(id=uuid7(), channel="email", name="Mail", configuration={}, secrets="{}"))
    ticket = await answered(visitor, client, owner, installation, email=email)
    post = Post()
    await minutes_later(installation, owner, post)
    assert (post.sent, [each.state for each in await notices(installation, owner)]) == ([], [state])
    detail = await call(client, owner, "GET", f"/tickets/{ticket}")
    told = [event["detail"]["detail"] for event in detail["events"] if event["kind"] == "reply_unread"]
    assert told == [
        "reply not read; no e-mail address is known" if has_mail else "reply not read; no e-mail connection"
    ]


async def test_a_mail_whose_fate_is_unknown_is_never_sent_again_by_itself(
    visitor: Visitor, client: Client, owner: Person, installation: Installation, mailbox: Connection
) -> None:
    await answered(visitor, client, owner, installation, email="ada@example.com")
    post = Post(SendOutcome("retry", "busy"))
    await minutes_later(installation, owner, post)
    assert [each.state for each in await notices(installation, owner)] == ["waiting"]
    async with installation.database.transaction(owner.actor.scope) as session:
        await session.execute(update(ReplyNotice).values(state="sending"))
    await minutes_later(installation, owner, replace(post, sent=post.sent))
    assert len(post.sent) == 1
    assert [each.state for each in await notices(installation, owner)] == ["uncertain"]


async def test_a_page_that_is_not_on_the_list_is_not_linked_to_and_nobody_signs_in_by_mail(
    visitor: Visitor, client: Client, owner: Person, installation: Installation, mailbox: Connection
) -> None:
    await visitor.write(HARD, page_url="https://evil.example/", email="ada@example.com")
    ticket = (await call(client, owner, "GET", "/tickets", params={"channel": "widget"}))["items"][0]["id"]
    await reply(client, owner, installation, ticket)
    post = Post()
    await minutes_later(installation, owner, post)
    assert "evil.example" not in post.sent[0].body
    link = re.search(r"#draftdesk=(\S+)", post.sent[0].body)
    assert link is not None
    async with installation.database.transaction(owner.actor.scope) as session:
        await session.execute(update(VisitorRow).values(user_id="u-1"))
    assert (await visitor.call("POST", "/resume", json={"token": link[1]})).status_code == 401
