"""What goes wrong on the way in or out is seen by a person, and nothing is sent twice or answered for ever."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from uuid import UUID

import pytest

from desk.conversation import lock_ticket
from desk.db.leases import claim
from desk.delivery import resolve_uncertain
from desk.errors import ChannelError, ConflictError
from desk.inbound.connecting import configure_connection, connection_health, failed_entries, try_again
from desk.models import ConnectionWatch, Delivery, Draft, InboxEntry
from desk.policy.loops import AUTOMATIC_PER_HOUR, why_not_answered_by_machine
from desk.review import queue_delivery
from tests.connectors.email.servers import needs_dovecot
from tests.desk.inbound.mail_desk import CUSTOMER, MailDesk, at_work, mail, until

pytestmark = needs_dovecot


async def test_mail_comes_in_by_itself_while_a_worker_watches(mail_desk: MailDesk) -> None:
    async with at_work(mail_desk.installation, "connection_watches"):
        await until(lambda: _watched(mail_desk))
        await asyncio.to_thread(mail_desk.imap.deliver, mail(), user=mail_desk.address)
        await until(mail_desk.tickets, seconds=15)


async def _watched(desk: MailDesk) -> bool:
    (watch,) = await desk.rows(ConnectionWatch)
    return watch.lease_until is not None


async def test_a_wrong_password_is_shown_and_not_tried_again_until_it_is_changed(mail_desk: MailDesk) -> None:
    database, channels = mail_desk.installation.database, mail_desk.installation.channels
    async with database.transaction(mail_desk.actor.scope) as session:
        await configure_connection(session, channels, mail_desk.connection_id, {"password": "wrong"})
    with pytest.raises(ChannelError) as refused:
        await mail_desk.installation.watches.sync(mail_desk.actor, mail_desk.connection_id)
    assert refused.value.reason == "sign_in"
    async with database.transaction(mail_desk.actor.scope) as session:
        health = await connection_health(session, mail_desk.connection_id)
    assert (health.error_reason, health.failures) == ("sign_in", 1)
    assert await claim(database, "connection_watches", 5, 5) == []
    async with database.transaction(mail_desk.actor.scope) as session:
        await configure_connection(session, channels, mail_desk.connection_id, {"password": "opensesame"})
    await mail_desk.arrive(mail())
    assert len(await mail_desk.tickets()) == 1


async def test_what_cannot_be_read_stays_visible_and_the_next_proceeds(mail_desk: MailDesk) -> None:
    await mail_desk.arrive(b"Subject: nobody wrote this\r\n\r\nBoo", mail())
    assert len(await mail_desk.tickets()) == 1
    database = mail_desk.installation.database
    async with database.transaction(mail_desk.actor.scope) as session:
        (entry,) = (await failed_entries(session, mail_desk.connection_id, limit=10, offset=0)).items
        assert entry.last_error == "this mail names no sender"
        health = await connection_health(session, mail_desk.connection_id)
        assert (health.failed, health.problems[0].words) == (1, "Not read: this mail names no sender")
        await try_again(session, mail_desk.connection_id, entry.id)
    await until(lambda: mail_desk.entries("failed"))
    (done,) = await mail_desk.entries("processed")
    async with database.transaction(mail_desk.actor.scope) as session:
        with pytest.raises(ConflictError):
            await try_again(session, mail_desk.connection_id, done.id)


@pytest.mark.parametrize(
    ("answer", "state"), [("451 4.3.0 later", "pending"), ("554 5.7.1 no spam here", "failed"), ("drop", "uncertain")]
)
async def test_what_the_servers_answer_means_for_a_reply(mail_desk: MailDesk, answer: str, state: str) -> None:
    await mail_desk.arrive(mail())
    (ticket,) = await mail_desk.tickets()
    mail_desk.outbox.after_data = [answer]
    delivery = await mail_desk.answer(ticket, "For 14 days.")
    assert delivery.state == state, delivery.detail
    assert len(mail_desk.outbox.mails) == (1 if answer == "drop" else 0)
    if state == "failed":
        assert "no spam here" in delivery.detail


async def test_a_reply_whose_answer_was_lost_is_found_in_the_sent_folder(mail_desk: MailDesk) -> None:
    await mail_desk.arrive(mail())
    (ticket,) = await mail_desk.tickets()
    mail_desk.outbox.after_data = ["drop"]
    mail_desk.outbox.on_mail = lambda raw, _: mail_desk.imap.deliver(raw, user=mail_desk.address, mailbox="Sent")
    delivery = await mail_desk.answer(ticket, "For 14 days.")
    assert (delivery.state, delivery.detail) == ("sent", "found in the Sent folder")
    assert len(mail_desk.outbox.mails) == 1


async def test_sent_again_by_a_person_it_is_the_same_mail(mail_desk: MailDesk) -> None:
    await mail_desk.arrive(mail())
    (ticket,) = await mail_desk.tickets()
    mail_desk.outbox.after_data = ["drop"]
    delivery = await mail_desk.answer(ticket, "For 14 days.")
    await resolve_uncertain(mail_desk.installation.database, mail_desk.actor, delivery.id, "send_again")

    async def sent() -> bool:
        (row,) = await mail_desk.rows(Delivery)
        return row.state == "sent"

    await until(sent)
    first, second = mail_desk.outbox.mails
    assert first["Message-ID"] == second["Message-ID"], "whoever got both knows them as one"


def bounce(of: EmailMessage, recipient: str = CUSTOMER) -> bytes:
    return (
        "From: MAILER-DAEMON@mx.test\nReturn-Path: <>\nSubject: Undelivered Mail\nMessage-ID: <b1@mx.test>\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="x"\n\n'
        "--x\nContent-Type: text/plain\n\nCould not deliver.\n"
        "--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.test\n\n"
        f"Final-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.1.1\n"
        "Diagnostic-Code: smtp; 550 no such user\n"
        f"--x\nContent-Type: text/rfc822-headers\n\nMessage-ID: {of['Message-ID']}\nTo: {CUSTOMER}\n\n--x--\n"
    ).encode()


async def test_a_bounce_brings_the_reply_back_to_its_ticket(mail_desk: MailDesk) -> None:
    await mail_desk.arrive(mail())
    (ticket,) = await mail_desk.tickets()
    await mail_desk.answer(ticket, "For 14 days.")
    await mail_desk.arrive(bounce(mail_desk.outbox.mails[0]))
    (ticket,) = await mail_desk.tickets()
    (delivery,) = await mail_desk.rows(Delivery)
    assert (delivery.state, ticket.status) == ("failed", "open")
    assert "550 no such user" in delivery.detail
    note = (await mail_desk.messages(ticket))[-1]
    assert (note.author, note.automatic) == ("note", "bounce")


async def test_a_forged_bounce_changes_no_reply(mail_desk: MailDesk) -> None:
    await mail_desk.arrive(mail())
    (ticket,) = await mail_desk.tickets()
    await mail_desk.answer(ticket, "For 14 days.")
    await mail_desk.arrive(bounce(mail_desk.outbox.mails[0], "someone@else.test"))
    (delivery,) = await mail_desk.rows(Delivery)
    assert delivery.state == "sent"


async def test_a_notice_of_absence_is_shown_and_wakes_nobody(mail_desk: MailDesk) -> None:
    await mail_desk.arrive(mail())
    (ticket,) = await mail_desk.tickets()
    await mail_desk.answer(ticket, "For 14 days.")
    sent = mail_desk.outbox.mails[0]
    await mail_desk.arrive(mail("I am away.", "Away", answers=sent, Auto_Submitted="auto-replied"))
    (ticket,) = await mail_desk.tickets()
    thread = await mail_desk.messages(ticket)
    assert [message.author for message in thread] == ["customer", "agent", "note"]
    assert (ticket.status, ticket.last_inbound_seq) == ("pending", 1)


async def test_mail_to_many_is_a_ticket_that_is_never_answered_by_machine(mail_desk: MailDesk) -> None:
    await mail_desk.arrive(mail(List_Id="<news.other.test>"))
    (ticket,) = await mail_desk.tickets()
    async with mail_desk.installation.database.transaction(mail_desk.actor.scope) as session:
        assert await why_not_answered_by_machine(session, ticket) == "automatic_mail"


async def answer_by_machine(desk: MailDesk, ticket_id: UUID) -> bool:
    """What the policy does with a draft that it lets out."""
    async with desk.installation.database.transaction(desk.actor.scope) as session:
        ticket = await lock_ticket(session, ticket_id)
        if await why_not_answered_by_machine(session, ticket) is not None:
            return False
        await queue_delivery(session, ticket, "We are on it.", draft=None, actor=None, undo_seconds=0, resolve=False)
    return True


@pytest.mark.parametrize("strips_headers", [False, True])
async def test_two_desks_that_answer_each_other_stop_by_themselves(
    mail_desk: MailDesk, *, strips_headers: bool
) -> None:
    """Desk B answers every mail at once, and on the way the marks of automatic mail may get lost."""
    rounds = 0

    def desk_b(raw: bytes, _: str) -> None:
        nonlocal rounds
        rounds += 1
        answer = mail(
            f"Thank you for your mail {rounds}.",
            f"Ticket {rounds}",
            "Other desk <help@b.test>",
            Auto_Submitted="no" if strips_headers else "auto-replied",
        )
        mail_desk.imap.deliver(answer, user=mail_desk.address)

    mail_desk.outbox.on_mail = desk_b
    await mail_desk.arrive(mail("Hello", "Ticket 0", "Other desk <help@b.test>"))
    answered: set[UUID] = set()
    for _ in range(2 * AUTOMATIC_PER_HOUR + 4):
        await mail_desk.arrive()
        for ticket in await mail_desk.tickets():
            if ticket.id not in answered and await answer_by_machine(mail_desk, ticket.id):
                answered.add(ticket.id)
        await until(lambda: _nothing_on_its_way(mail_desk))
    assert rounds == (AUTOMATIC_PER_HOUR if strips_headers else 1)
    if not strips_headers:
        assert all(sent["Auto-Submitted"] == "auto-replied" for sent in mail_desk.outbox.mails)


async def _nothing_on_its_way(desk: MailDesk) -> bool:
    return not await desk.rows(Delivery, Delivery.state.in_(("pending", "sending")))


async def test_a_watcher_that_slept_through_its_lease_stores_nothing(mail_desk: MailDesk) -> None:
    database, watches = mail_desk.installation.database, mail_desk.installation.watches
    (held,) = await claim(database, "connection_watches", 1, 60)
    mail_desk.imap.deliver(mail(), user=mail_desk.address)
    await watches.sync(mail_desk.actor, mail_desk.connection_id)
    before = len(await mail_desk.rows(InboxEntry))
    mail_desk.imap.deliver(mail("another"), user=mail_desk.address)
    with pytest.raises(Exception, match="claimed again"):
        await watches.work(held)
    assert len(await mail_desk.rows(InboxEntry)) == before


async def test_two_quick_mails_of_one_person_keep_their_order(mail_desk: MailDesk) -> None:
    for number in range(4):
        await mail_desk.arrive(
            mail(f"first {number}", message_id=f"<one-{number}@customer.test>"),
            mail(f"second {number}", In_Reply_To=f"<one-{number}@customer.test>"),
        )
    tickets = await mail_desk.tickets()
    assert len(tickets) == 4
    for ticket in tickets:
        assert [message.body.split()[0] for message in await mail_desk.messages(ticket)] == ["first", "second"]
    drafts = await mail_desk.rows(Draft, Draft.state == "writing")
    assert len(drafts) == 4
