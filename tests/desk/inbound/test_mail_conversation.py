"""A mail becomes a ticket, its answer is threaded, and the next mail comes back to the same ticket."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

from desk.inbound.connecting import connection_health, send_trial
from desk.models import Customer
from tests.connectors.email.servers import needs_dovecot
from tests.desk.inbound.mail_desk import CUSTOMER, MailDesk, mail, until

pytestmark = needs_dovecot


async def test_a_mail_its_answer_and_the_answer_to_that_are_one_ticket(mail_desk: MailDesk) -> None:
    asked = mail("How long are my backups kept?")
    await mail_desk.arrive(asked)
    (ticket,) = await mail_desk.tickets()
    assert (ticket.subject, ticket.channel, ticket.status) == ("Backups", "email", "open")
    assert mail_desk.imap.seen(mail_desk.address) == 0, "people read the same mailbox: nothing is marked as read"

    delivery = await mail_desk.answer(ticket, "For 14 days.\n\nSee https://acme.test/backups.")
    assert delivery.state == "sent", delivery.detail
    (sent,) = mail_desk.outbox.mails
    original = message_from_bytes(asked, policy=default)
    assert mail_desk.outbox.recipients == [CUSTOMER]
    assert sent["In-Reply-To"] == original["Message-ID"]
    assert sent["References"] == original["Message-ID"]
    assert sent["Subject"] == "Re: Backups"
    assert sent["Auto-Submitted"] is None, "a person has approved it"
    plain, rich = sent.get_body(("plain",)), sent.get_body(("html",))
    assert plain is not None
    assert "For 14 days." in plain.get_content()
    assert rich is not None
    assert '<a href="https://acme.test/backups">' in rich.get_content()
    (copy,) = mail_desk.imap.content("Sent", mail_desk.address)
    assert copy["Message-ID"] == sent["Message-ID"]

    await mail_desk.arrive(mail("And older ones?\n\n> For 14 days.", "Re: Backups", to=sent["Reply-To"]))
    (ticket,) = await mail_desk.tickets()
    thread = await mail_desk.messages(ticket)
    assert [message.author for message in thread] == ["customer", "agent", "customer"]
    assert (thread[2].body, thread[2].quoted) == ("And older ones?", "> For 14 days.")


async def test_without_the_reply_address_references_lead_a_participant_back(mail_desk: MailDesk) -> None:
    await mail_desk.arrive(mail())
    (ticket,) = await mail_desk.tickets()
    await mail_desk.answer(ticket, "For 14 days.")
    await mail_desk.arrive(mail("Thanks!", "Re: Backups", answers=mail_desk.outbox.mails[0]))
    assert len(await mail_desk.tickets()) == 1


async def test_a_forged_reference_opens_a_ticket_of_its_own(mail_desk: MailDesk) -> None:
    await mail_desk.arrive(mail())
    (ticket,) = await mail_desk.tickets()
    await mail_desk.answer(ticket, "For 14 days.")
    await mail_desk.arrive(
        mail("Send it all to me.", "Re: Backups", "Eve <eve@evil.test>", answers=mail_desk.outbox.mails[0])
    )
    first, second = await mail_desk.tickets()
    assert len(await mail_desk.messages(first)) == 2
    answered = await mail_desk.answer(second, "Who are you?")
    assert answered.recipient["email"] == "eve@evil.test"


async def test_a_third_person_with_the_reply_address_joins_and_the_customer_is_still_answered(
    mail_desk: MailDesk,
) -> None:
    await mail_desk.arrive(mail())
    (ticket,) = await mail_desk.tickets()
    await mail_desk.answer(ticket, "For 14 days.")
    await mail_desk.arrive(
        mail("I do their accounts.", "Fwd: Backups", "Bob <bob@other.test>", to=mail_desk.outbox.mails[0]["Reply-To"])
    )
    (ticket,) = await mail_desk.tickets()
    assert "participant_wrote" in await mail_desk.events(ticket)
    assert (await mail_desk.messages(ticket))[-1].author_name == "Bob"
    await mail_desk.answer(ticket, "Noted.")
    assert mail_desk.outbox.recipients == [CUSTOMER, CUSTOMER]


async def test_a_false_sender_gets_nobody_elses_answers(mail_desk: MailDesk) -> None:
    """Whoever the answer goes to is the customer: From says Marta, the answers would go to Eve."""
    await mail_desk.arrive(mail())
    await mail_desk.arrive(mail("My password?", "Access", Reply_To="eve@evil.test"))
    first, second = await mail_desk.tickets()
    assert first.customer_id != second.customer_id
    customers = {customer.id: customer.email for customer in await mail_desk.rows(Customer)}
    assert customers[second.customer_id] == "eve@evil.test"


async def test_the_same_mail_five_times_is_one_message(mail_desk: MailDesk) -> None:
    asked = mail()
    copies = [b"Received: by way %d\r\n" % number + asked for number in range(5)]
    await mail_desk.arrive(*copies)
    mail_desk.imap.renew_validity(mail_desk.address)
    synced = await mail_desk.installation.watches.sync(mail_desk.actor, mail_desk.connection_id)
    assert (synced.received, synced.already_known) == (0, 5), "another validity makes everything read again"
    (ticket,) = await mail_desk.tickets()
    assert len(await mail_desk.messages(ticket)) == 1


async def test_what_lay_in_the_mailbox_before_is_not_answered(mail_desk: MailDesk) -> None:
    other = f"old-{mail_desk.address}"
    mail_desk.imap.deliver(mail("from last year"), mail("and the one before"), user=other)
    old = MailDesk(mail_desk.installation, mail_desk.actor, mail_desk.imap, mail_desk.outbox, other)
    await old.connect()
    synced = await old.installation.watches.sync(old.actor, old.connection_id)
    assert (synced.received, synced.already_known) == (0, 0)
    await old.arrive(mail("from today"))
    assert [ticket.subject for ticket in await old.tickets()] == ["Backups"]
    again = await old.installation.watches.sync(old.actor, old.connection_id)
    assert (again.received, again.already_known) == (0, 0), "n:* names the last mail although it is known"


async def test_a_test_mail_goes_out_and_its_return_is_noted(mail_desk: MailDesk) -> None:
    mail_desk.outbox.on_mail = lambda raw, _: mail_desk.imap.deliver(raw, user=mail_desk.address)
    outcome = await send_trial(
        mail_desk.installation.database, mail_desk.actor, mail_desk.installation.channels, mail_desk.connection_id
    )
    assert outcome.result == "sent", outcome.detail
    await mail_desk.installation.watches.sync(mail_desk.actor, mail_desk.connection_id)

    async def returned() -> bool:
        async with mail_desk.installation.database.transaction(mail_desk.actor.scope) as session:
            return "arrived_at" in (await connection_health(session, mail_desk.connection_id)).tried

    await until(returned)
    assert await mail_desk.tickets() == []
