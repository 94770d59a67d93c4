"""Replies, notes and changes on their way to WHMCS.

`AddTicketReply` and `AddTicketNote` take no key and answer with no id. So the ticket is read before and after: before,
that nobody has written meanwhile; after, to find what was written, by its words, among what was not there before. A
call whose outcome nobody knows is never made again.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any

from connectors.whmcs.api import (
    NotReachedError,
    RefusedCallError,
    UnclearAnswerError,
    WhmcsApi,
    WhmcsError,
    number,
    rows,
    text,
)
from connectors.whmcs.reading import entries_of
from connectors.whmcs.settings import WhmcsSettings
from connectors.whmcs.statuses import PRIORITY_TITLES
from desk.ports import ChangeOutcome, OutgoingChange, OutgoingReply, SendOutcome, says_the_same

LOOK_UP_AFTER_SECONDS = (0.0, 3.0)
"""WHMCS may still be at work on a call whose answer was lost."""


class Sending:
    """One connection's writing side."""

    def __init__(self, api: WhmcsApi, settings: WhmcsSettings, look_up_after: tuple[float, ...]) -> None:
        self._api = api
        self._settings = settings
        self._look_up_after = look_up_after

    async def reply(self, reply: OutgoingReply, ticket_id: str) -> SendOutcome:
        before = await self._look_before(reply, ticket_id)
        if isinstance(before, SendOutcome):
            return before
        known = reply.known_keys | before
        try:
            await self._api.call(self._settings, "AddTicketReply", **self._reply_form(reply, ticket_id))
        except (RefusedCallError, NotReachedError) as error:
            return _not_sent(error)
        except UnclearAnswerError as error:
            return await self.find_reply(reply, ticket_id, known, error.detail)
        found = await self.find_reply(reply, ticket_id, known, "")
        # It was accepted: that it cannot be found, or the ticket not be read now, takes nothing back.
        return SendOutcome("sent", found.detail if found.result == "sent" else "accepted", found.provider_id)

    async def _look_before(self, reply: OutgoingReply, ticket_id: str) -> SendOutcome | frozenset[str]:
        """The keys of what is in the ticket, or why nothing is to be written now."""
        try:
            before = await self._entries(ticket_id)
        except (RefusedCallError, NotReachedError) as error:
            return _not_sent(error)
        except UnclearAnswerError as error:
            # Only read so far: nothing has been written.
            return SendOutcome("retry", f"the ticket could not be read before sending: {error.detail}")
        answered = number(reply.recipient, "reply_id")
        newer = {each["author"] for each in before if each["id"] > answered}
        if "customer" in newer:
            return SendOutcome("failed", "the customer has written again in WHMCS; the new message is on its way here")
        if reply.is_automatic and "agent" in newer:
            return SendOutcome("failed", "somebody has answered in WHMCS already")
        return frozenset(each["key"] for each in before)

    def _reply_form(self, reply: OutgoingReply, ticket_id: str) -> dict[str, str | int]:
        form: dict[str, str | int] = {
            "ticketid": ticket_id,
            "message": reply.body,
            "adminusername": self._settings.admin,
        }
        words = self._settings.words
        # By itself WHMCS makes it Answered, under whatever name the tenant has given that.
        if reply.ticket_status in words.own_titles or reply.ticket_status in {"resolved", "closed"}:
            form["status"] = words.titles[reply.ticket_status]
        if reply.files:
            form["attachments"] = _attachments({file.name: file.content for file in reply.files})
        return form

    async def find_reply(self, reply: OutgoingReply, ticket_id: str, known: frozenset[str], why: str) -> SendOutcome:
        """Sent when the ticket has a reply with these words that was not there before; else nobody can know."""
        answered = number(reply.recipient, "reply_id")
        detail = why
        for seconds in self._look_up_after:
            await asyncio.sleep(seconds)
            try:
                entries = await self._entries(ticket_id)
            except WhmcsError as error:
                detail = _joined(why, f"could not be looked up: {error.detail}")
                continue
            for each in entries:
                is_new = each["author"] == "agent" and each["id"] > answered and each["key"] not in known
                if is_new and says_the_same(reply.body, each["message"]):
                    return SendOutcome("sent", _files_words(reply, each), each["key"])
            detail = _joined(why, "it is not in the ticket")
        return SendOutcome("uncertain", detail)

    async def change(self, change: OutgoingChange) -> ChangeOutcome:
        if change.field == "note":
            return await self._note(change) if self._settings.share_notes else ChangeOutcome("skipped")
        if not self._settings.share_changes:
            return ChangeOutcome("skipped")
        try:
            return await self._set(change)
        except RefusedCallError as error:
            return ChangeOutcome("failed", _gone(error))
        except NotReachedError as error:
            return ChangeOutcome("retry", error.detail, retry_after_seconds=error.retry_after)
        except UnclearAnswerError as error:
            # Setting the same again does no harm, and before it is set it is looked at.
            return ChangeOutcome("retry", error.detail)

    async def _set(self, change: OutgoingChange) -> ChangeOutcome:
        ticket = await self._api.call(self._settings, "GetTicket", ticketid=change.external_ticket_id)
        wanted, form = await self._wanted(change)
        if not form:
            return ChangeOutcome("failed", f"WHMCS has no {change.field} for '{change.value}'")
        name = {"department": "deptname"}.get(change.field, change.field)
        if text(ticket, name).casefold() != wanted.casefold():
            await self._api.call(self._settings, "UpdateTicket", ticketid=change.external_ticket_id, **form)
        return ChangeOutcome("sent", there=wanted)

    async def _wanted(self, change: OutgoingChange) -> tuple[str, dict[str, str | int]]:
        """What WHMCS calls it, and how it is set; nothing to set when it has no such thing."""
        if change.field == "status":
            title = self._settings.words.titles.get(change.value, "")
            return title, {"status": title} if title else {}
        if change.field == "priority":
            title = PRIORITY_TITLES.get(change.value, "")
            return title, {"priority": title} if title else {}
        answer = await self._api.call(self._settings, "GetSupportDepartments", ignore_dept_assignments="true")
        for department in rows(answer, "departments", "department"):
            if text(department, "name").casefold() == change.value.casefold():
                return text(department, "name"), {"deptid": number(department, "id")}
        return change.value, {}

    async def _note(self, change: OutgoingChange) -> ChangeOutcome:
        words = note_words(change)
        try:
            before = await self._entries(change.external_ticket_id)
            known = change.known_keys | {each["key"] for each in before}
            await self._api.call(self._settings, "AddTicketNote", ticketid=change.external_ticket_id, message=words)
        except RefusedCallError as error:
            return ChangeOutcome("failed", _gone(error))
        except NotReachedError as error:
            return ChangeOutcome("retry", error.detail, retry_after_seconds=error.retry_after)
        except UnclearAnswerError as error:
            return await self.find_note(change, frozenset(), error.detail)
        found = await self.find_note(change, known, "")
        return ChangeOutcome("sent", there=found.there)

    async def find_note(self, change: OutgoingChange, known: frozenset[str], why: str) -> ChangeOutcome:
        detail, words = why, note_words(change)
        known |= change.known_keys
        for seconds in self._look_up_after:
            await asyncio.sleep(seconds)
            try:
                entries = await self._entries(change.external_ticket_id)
            except WhmcsError as error:
                detail = _joined(why, f"could not be looked up: {error.detail}")
                continue
            for each in entries:
                if each["author"] == "note" and each["key"] not in known and says_the_same(words, each["message"]):
                    return ChangeOutcome("sent", there=each["key"])
            detail = _joined(why, "it is not in the ticket")
        return ChangeOutcome("uncertain", detail)

    async def _entries(self, ticket_id: str) -> list[dict[str, Any]]:
        answer: Mapping[str, Any] = await self._api.call(
            self._settings, "GetTicket", ticketid=ticket_id, repliessort="ASC"
        )
        return entries_of(answer)


def note_words(change: OutgoingChange) -> str:
    return f"{change.value.rstrip()}\n({change.author}, Draftdesk)"


def _attachments(files: Mapping[str, bytes]) -> str:
    listed = [{"name": name, "data": base64.b64encode(content).decode()} for name, content in files.items()]
    return base64.b64encode(json.dumps(listed).encode()).decode()


def _files_words(reply: OutgoingReply, found: Mapping[str, Any]) -> str:
    """WHMCS drops files whose extension it does not allow, and does not say so."""
    if len(found["files"]) >= len(reply.files):
        return ""
    return f"WHMCS has kept {len(found['files'])} of {len(reply.files)} files; it allows certain extensions only"


def _not_sent(error: RefusedCallError | NotReachedError) -> SendOutcome:
    if isinstance(error, RefusedCallError):
        return SendOutcome("failed", _gone(error))
    return SendOutcome("retry", error.detail, retry_after_seconds=error.retry_after)


def _gone(error: RefusedCallError) -> str:
    if error.kind == "missing":
        return "the ticket is not in WHMCS any more: it was deleted, or merged into another one"
    return error.detail


def _joined(*words: str) -> str:
    return "; ".join(each for each in words if each)
