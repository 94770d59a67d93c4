"""Replies, notes and changes on their way to a CRM.

None of them takes a key that would make a second call harmless. So the ticket is read before, that nobody has written
meanwhile; and a call whose answer was lost is looked for in the ticket, by its words, among what was not there before.
It is never made again.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Literal

from connectors.crm.account import Account
from connectors.crm.tickets import Entry, GoneTicket, SeenTicket
from desk.calls import CallError, NotReachedError, RefusedCallError, UnclearAnswerError
from desk.ports import ChangeOutcome, OutgoingChange, OutgoingReply, SendOutcome, says_the_same

LOOK_UP_AFTER_SECONDS = (0.0, 3.0)
"""A CRM may still be at work on a call whose answer was lost."""


class Sending:
    """One account's writing side."""

    def __init__(self, account: Account, look_up_after: tuple[float, ...]) -> None:
        self._account = account
        self._look_up_after = look_up_after

    async def reply(self, reply: OutgoingReply, ticket_id: str) -> SendOutcome:
        seen = await self._look_before(reply, ticket_id)
        if isinstance(seen, SendOutcome):
            return seen
        known = reply.known_keys | {entry.key for entry in seen.entries}
        try:
            written = await self._account.write_reply(reply, seen)
        except (RefusedCallError, NotReachedError) as error:
            return _not_sent(error)
        except UnclearAnswerError as error:
            outcome = await self.find_reply(reply, ticket_id, known, error.detail)
            return outcome if outcome.result != "sent" else await self._with_status(reply, ticket_id, outcome)
        key = written.key
        if not key:
            # It was taken: that it cannot be found yet takes nothing back.
            key = (await self.find_reply(reply, ticket_id, known, "")).provider_id
        outcome = SendOutcome("sent", written.detail, key)
        return outcome if written.sets_status else await self._with_status(reply, ticket_id, outcome)

    async def _with_status(self, reply: OutgoingReply, ticket_id: str, outcome: SendOutcome) -> SendOutcome:
        """A reply that ends a ticket ends it over there too; what becomes of that changes nothing about the reply."""
        there = self._account.words.statuses.get(reply.ticket_status, "")
        if reply.ticket_status not in {"resolved", "closed"} or not there or not self._account.share_changes:
            return outcome
        try:
            await self._account.set(ticket_id, "status", there)
        except CallError as error:
            return replace(outcome, detail=_joined(outcome.detail, f"its status there was not set: {error.detail}"))
        return outcome

    async def _look_before(self, reply: OutgoingReply, ticket_id: str) -> SendOutcome | SeenTicket:
        """The ticket, or why nothing is to be written now."""
        try:
            seen = await self._account.ticket(ticket_id)
        except (RefusedCallError, NotReachedError) as error:
            return _not_sent(error)
        except CallError as error:
            # Only read so far: nothing has been written.
            return SendOutcome("retry", f"the ticket could not be read before sending: {error.detail}")
        if isinstance(seen, GoneTicket):
            return SendOutcome("failed", f"the ticket is not there any more: {seen.why}")
        newer = {entry.author for entry in _after(seen.entries, str(reply.recipient.get("key") or ""))}
        if "customer" in newer:
            return SendOutcome("failed", "the customer has written again; the new message is on its way here")
        if reply.is_automatic and "agent" in newer:
            return SendOutcome("failed", "somebody has answered over there already")
        return seen

    async def find_reply(self, reply: OutgoingReply, ticket_id: str, known: frozenset[str], why: str) -> SendOutcome:
        """Sent when the ticket has a reply with these words that was not there before; else nobody can know."""
        answered = str(reply.recipient.get("key") or "")
        detail = why
        for seconds in self._look_up_after:
            await asyncio.sleep(seconds)
            try:
                seen = await self._account.ticket(ticket_id)
            except CallError as error:
                detail = _joined(why, f"could not be looked up: {error.detail}")
                continue
            entries = () if isinstance(seen, GoneTicket) else _after(seen.entries, answered)
            for entry in entries:
                if entry.author == "agent" and entry.key not in known and says_the_same(reply.body, entry.words()):
                    return SendOutcome("sent", "found in the ticket", entry.key)
            detail = _joined(why, "it is not in the ticket")
        return SendOutcome("uncertain", detail)

    async def change(self, change: OutgoingChange) -> ChangeOutcome:
        if change.field == "note":
            return await self._note(change) if self._account.share_notes else ChangeOutcome("skipped")
        if not self._account.share_changes or change.field == "department":
            return ChangeOutcome("skipped")
        words = self._account.words
        there = (words.statuses if change.field == "status" else words.priorities_out).get(change.value, "")
        if not there:
            return ChangeOutcome("skipped", f"nothing is set there for '{change.value}'")
        try:
            await self._account.set(change.external_ticket_id, change.field, there)
        except CallError as error:
            # Setting the same again does no harm.
            return _not_changed(error, "retry")
        return ChangeOutcome("sent", there=there)

    async def _note(self, change: OutgoingChange) -> ChangeOutcome:
        try:
            seen = await self._account.ticket(change.external_ticket_id)
        except CallError as error:
            return _not_changed(error, "retry")
        if isinstance(seen, GoneTicket):
            return ChangeOutcome("failed", f"the ticket is not there any more: {seen.why}")
        known = frozenset(entry.key for entry in seen.entries)
        try:
            key = await self._account.write_note(change.external_ticket_id, note_words(change))
        except UnclearAnswerError as error:
            return await self.find_note(change, known, error.detail)
        except CallError as error:
            return _not_changed(error, "uncertain")
        return ChangeOutcome("sent", there=key)

    async def find_note(self, change: OutgoingChange, known: frozenset[str], why: str) -> ChangeOutcome:
        known |= change.known_keys
        detail, words = why, note_words(change)
        for seconds in self._look_up_after:
            await asyncio.sleep(seconds)
            try:
                seen = await self._account.ticket(change.external_ticket_id)
            except CallError as error:
                detail = _joined(why, f"could not be looked up: {error.detail}")
                continue
            for entry in () if isinstance(seen, GoneTicket) else seen.entries:
                if entry.author == "note" and entry.key not in known and says_the_same(words, entry.words()):
                    return ChangeOutcome("sent", there=entry.key)
            detail = _joined(why, "it is not in the ticket")
        return ChangeOutcome("uncertain", detail)


def note_words(change: OutgoingChange) -> str:
    return f"{change.value.rstrip()}\n({change.author}, Draftdesk)"


def _after(entries: tuple[Entry, ...], key: str) -> tuple[Entry, ...]:
    """What came after the message that is answered; nothing where that is not in the ticket any more."""
    at = next((number for number, entry in enumerate(entries) if entry.key == key), None)
    return () if at is None else entries[at + 1 :]


def _not_sent(error: RefusedCallError | NotReachedError) -> SendOutcome:
    if isinstance(error, RefusedCallError):
        return SendOutcome("failed", error.detail)
    return SendOutcome("retry", error.detail, retry_after_seconds=error.retry_after)


def _not_changed(error: CallError, unclear: Literal["retry", "uncertain"]) -> ChangeOutcome:
    if isinstance(error, RefusedCallError):
        return ChangeOutcome("failed", error.detail)
    if isinstance(error, NotReachedError):
        return ChangeOutcome("retry", error.detail, retry_after_seconds=error.retry_after)
    return ChangeOutcome(unclear, error.detail)


def _joined(*words: str) -> str:
    return "; ".join(each for each in words if each)
