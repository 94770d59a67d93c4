"""HubSpot tickets: the ticket itself, the conversations that belong to it, its notes and its contact.

A customer is answered in a conversation of the ticket. A ticket that was made by hand has none, and there is nothing
in it that a reply could go out by; that is said instead of writing where the customer never looks.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from connectors.crm.account import Changed, Written
from connectors.crm.api import FILE
from connectors.crm.hubspot.api import OBJECTS, HubSpotApi
from connectors.crm.hubspot.settings import HubSpotSettings
from connectors.crm.tickets import Entry, GoneTicket, SeenTicket, in_order, is_among, moment
from connectors.crm.words import TicketWords
from desk.calls import (
    CallError,
    NotReachedError,
    RefusedCallError,
    UnclearAnswerError,
    as_object,
    objects,
    text,
)
from desk.html_text import text_of_html
from desk.ports import Clock, CustomerFact, FactSection, HealthCheck, OutgoingFile, OutgoingReply

TICKET = (
    "subject", "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "createdate",
    "hs_lastmodifieddate", "closed_date", "source_type",
)  # fmt: skip
CONTACT = ("firstname", "lastname", "email", "phone", "company", "lifecyclestage", "jobtitle", "hs_lead_status")
OVERLAP = timedelta(minutes=5)
"""Searches lag behind writes by seconds to minutes."""
MOST_FOUND = 10_000
_THREADS = "/conversations/v3/conversations/threads"
THREAD = "thread:"
"""Before the id of a conversation whose ticket is still to be found."""


class HubSpotAccount:
    """`connectors.crm.account.Account`."""

    def __init__(self, api: HubSpotApi, settings: HubSpotSettings, clock: Clock) -> None:
        self._api = api
        self._settings = settings
        self._clock = clock

    @property
    def words(self) -> TicketWords:
        return self._settings.words

    @property
    def poll_seconds(self) -> float:
        return self._settings.poll_seconds

    @property
    def share_changes(self) -> bool:
        return self._settings.share_changes

    @property
    def share_notes(self) -> bool:
        return self._settings.share_notes

    # Reading ---------------------------------------------------------------------------------------------------

    async def ticket(self, ticket_id: str) -> SeenTicket | GoneTicket:
        if not ticket_id.isdecimal():
            return GoneTicket("this is no ticket of HubSpot")
        try:
            found = await self._api.get(
                f"{OBJECTS}/tickets/{ticket_id}", properties=",".join(TICKET), associations="contacts,notes"
            )
        except RefusedCallError as error:
            if error.status == 404:
                return GoneTicket("it was deleted in HubSpot")
            raise
        if text(found, "id") != ticket_id:
            return GoneTicket("it was merged into another one", text(found, "id"))
        told = as_object(found.get("properties"))
        contact = await self._contact(_associated(found, "contacts"))
        entries = await self._conversations(ticket_id)
        entries += await self._notes(_associated(found, "notes"))
        contact_id, person = text(contact, "id"), as_object(contact.get("properties"))
        name = " ".join(filter(None, (text(person, "firstname"), text(person, "lastname"))))
        if not is_among(text_of_html(text(told, "content")), entries):
            # What a form or an import has put there; a conversation holds its first message itself.
            entries.append(
                Entry(
                    f"ticket:{ticket_id}",
                    "customer",
                    name or "Customer",
                    text(told, "createdate"),
                    html=text(told, "content"),
                    contact_id=contact_id,
                )
            )
        return SeenTicket(
            ticket_id,
            ticket_id,
            self._settings.ticket_url(ticket_id),
            text(told, "subject"),
            text(told, "hs_pipeline_stage"),
            text(told, "hs_ticket_priority"),
            "",
            contact_id,
            text(person, "email"),
            name,
            in_order(entries),
            status_means=("closed", "resolved") if text(told, "closed_date") else (),
        )

    async def _contact(self, ids: list[str]) -> Mapping[str, Any]:
        """The one the ticket belongs to; none where there are several, because nobody can tell whose it is."""
        if len(ids) != 1:
            return {}
        found = await self._api.batch("contacts", ids, CONTACT)
        return found[0] if found else {}

    async def _conversations(self, ticket_id: str) -> list[Entry]:
        entries: list[Entry] = []
        for thread in await self._api.pages(_THREADS, associatedTicketId=ticket_id):
            for message in await self._api.pages(f"{_THREADS}/{text(thread, 'id')}/messages", limit=100):
                entry = await self._entry(thread, message)
                if entry is not None:
                    entries.append(entry)
        return entries

    async def _entry(self, thread: Mapping[str, Any], message: Mapping[str, Any]) -> Entry | None:
        kind = text(message, "type")
        if kind not in {"MESSAGE", "COMMENT"} or message.get("archived") is True:
            return None
        if text(as_object(message.get("status")), "statusType") == "FAILED":
            return None
        words, rich = text(message, "text"), text(message, "richText")
        thread_id, message_id = text(thread, "id"), text(message, "id")
        if text(message, "truncationStatus") not in {"", "NOT_TRUNCATED"}:
            whole = await self._api.get(f"{_THREADS}/{thread_id}/messages/{message_id}/original-content")
            words, rich = text(whole, "text") or words, text(whole, "richText") or rich
        senders = objects(message.get("senders"))
        sender: Mapping[str, Any] = senders[0] if senders else {}
        identifier = as_object(sender.get("deliveryIdentifier"))
        incoming = text(message, "direction") == "INCOMING"
        address = text(identifier, "value") if text(identifier, "type") == "HS_EMAIL_ADDRESS" else ""
        answer: Mapping[str, Any] = {
            "thread": thread_id,
            "channel": text(message, "channelId"),
            "channel_account": text(message, "channelAccountId"),
            "to": dict(identifier),
            "actor": text(sender, "actorId"),
        }
        return Entry(
            f"message:{message_id}",
            "note" if kind == "COMMENT" else "customer" if incoming else "agent",
            text(sender, "name") or address or "HubSpot",
            text(message, "createdAt"),
            # Text where there is some: what came back of a reply is compared with it.
            text="" if incoming and rich else words,
            html=rich if incoming or not words else "",
            email=address,
            contact_id=text(thread, "associatedContactId") if incoming else "",
            files=tuple(
                {"name": text(each, "name") or "file", "url": text(each, "url"), "file": text(each, "fileId")}
                for each in objects(message.get("attachments"))
                if text(each, "type") in {"FILE", ""} and (text(each, "url") or text(each, "fileId"))
            ),
            answer=answer if incoming else {},
        )

    async def _notes(self, ids: list[str]) -> list[Entry]:
        found = await self._api.batch("notes", ids, ("hs_note_body", "hs_timestamp", "hs_createdate")) if ids else []
        return [
            Entry(
                f"note:{text(each, 'id')}",
                "note",
                "HubSpot",
                text(told, "hs_timestamp") or text(each, "createdAt"),
                html=text(told, "hs_note_body"),
            )
            for each in found
            if (told := as_object(each.get("properties")))
        ]

    async def file(self, reference: Mapping[str, Any]) -> bytes:
        """Raises RefusedCallError for one that is gone."""
        file_id = str(reference.get("file") or "")
        if not file_id.isdecimal():
            msg = "this file has no number in HubSpot"
            raise RefusedCallError(msg, status=404)
        signed = await self._api.get(f"/files/v3/files/{file_id}/signed-url")
        return (await self._api.elsewhere(text(signed, "url"), FILE)).content

    # News ------------------------------------------------------------------------------------------------------

    async def changed(self, state: Mapping[str, Any]) -> Changed:
        now = self._clock.now()
        if not state:
            is_open = [{"propertyName": "closed_date", "operator": "NOT_HAS_PROPERTY"}]
            found = await self._search(is_open) if self._settings.begins_with_open else []
            begun = await self.changed({"at": now.isoformat(), "seen": {}})
            return Changed([text(each, "id") for each in found], begun.state)
        since = datetime.fromisoformat(state["at"]) - OVERLAP
        filters = [
            {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": str(int(since.timestamp() * 1000))}
        ]
        found = await self._search(filters)
        known: Mapping[str, str] = state["seen"]
        looks = {text(each, "id"): text(_told(each), "hs_lastmodifieddate") for each in found}
        ids = [ticket_id for ticket_id, modified in looks.items() if known.get(ticket_id) != modified]
        threads = await self._api.pages(
            _THREADS, latestMessageTimestampAfter=since.isoformat(), sort="latestMessageTimestamp", limit=100
        )
        for thread in threads:
            ticket_id = text(as_object(thread.get("threadAssociations")), "associatedTicketId")
            newest = text(thread, "latestMessageTimestamp")
            name = f"{THREAD}{text(thread, 'id')}"
            looks[name] = newest
            if ticket_id and known.get(name) != newest:
                ids.append(ticket_id)
        full = len(found) >= MOST_FOUND
        until = moment(text(_told(found[-1]), "hs_lastmodifieddate")) if full else None
        return Changed(ids, {"at": (until or now).isoformat(), "seen": looks}, more=full)

    async def _search(self, filters: list[dict[str, str]]) -> list[Mapping[str, Any]]:
        """Oldest first, at most what a search shows at all; the rest is found from where this one ends."""
        asked: dict[str, Any] = {
            "filterGroups": [{"filters": [*filters, *self._pipelines()]}],
            "sorts": [{"propertyName": "hs_lastmodifieddate", "direction": "ASCENDING"}],
            "properties": ["hs_lastmodifieddate", "closed_date", "hs_pipeline"],
            "limit": 200,
        }
        found: list[Mapping[str, Any]] = []
        while len(found) < MOST_FOUND:
            try:
                told = (await self._api.ask("POST", f"{OBJECTS}/tickets/search", json=asked)).object()
            except UnclearAnswerError as error:
                raise NotReachedError(error.detail) from error
            found += objects(told.get("results"))
            after = text(as_object(as_object(told.get("paging")).get("next")), "after")
            if not after:
                break
            asked["after"] = after
        return found

    def _pipelines(self) -> list[dict[str, Any]]:
        wanted = sorted(self._settings.pipelines)
        return [{"propertyName": "hs_pipeline", "operator": "IN", "values": wanted}] if wanted else []

    async def ticket_of_thread(self, thread_id: str) -> str:
        """ "" for a conversation without one."""
        try:
            thread = await self._api.get(f"{_THREADS}/{thread_id}")
        except RefusedCallError as error:
            if error.status == 404:
                return ""
            raise
        return text(as_object(thread.get("threadAssociations")), "associatedTicketId")

    # Writing ---------------------------------------------------------------------------------------------------

    async def write_reply(self, reply: OutgoingReply, seen: SeenTicket) -> Written:
        to = reply.recipient if reply.recipient.get("thread") else _latest_answer(seen)
        if not to.get("thread"):
            msg = "this ticket has no conversation in HubSpot that a reply could go out by; answer it by e-mail there"
            raise RefusedCallError(msg)
        recipient: dict[str, Any] = {"actorId": to["actor"]} if to.get("actor") else {}
        if to.get("to"):
            recipient["deliveryIdentifiers"] = [to["to"]]
        told: dict[str, Any] = {
            "type": "MESSAGE",
            "senderActorId": f"A-{self._settings.user}",
            "channelId": to["channel"],
            "channelAccountId": to["channel_account"],
            "recipients": [recipient],
            "text": reply.body,
            "richText": html.escape(reply.body, quote=False).replace("\n", "<br>"),
            "attachments": [{"type": "FILE", "fileId": await self._upload(file)} for file in reply.files],
        }
        if seen.subject:
            told["subject"] = f"Re: {seen.subject}"
        answer = await self._api.ask("POST", f"{_THREADS}/{to['thread']}/messages", json=told)
        message = answer.object()
        if text(as_object(message.get("status")), "statusType") == "FAILED":
            msg = "HubSpot took the message and could not send it; look at the conversation there"
            raise RefusedCallError(msg)
        if not text(message, "id"):
            msg = f"HubSpot named no message ({answer.words()})"
            raise UnclearAnswerError(msg)
        return Written(f"message:{text(message, 'id')}")

    async def _upload(self, file: OutgoingFile) -> str:
        """Before anything is written that a customer sees: an upload whose fate is unclear may be made again."""
        options = '{"access": "PRIVATE", "overwrite": false, "duplicateValidationStrategy": "NONE"}'
        try:
            answer = await self._api.ask(
                "POST",
                "/files/v3/files",
                files={"file": (file.name, file.content, file.media_type)},
                data={"folderPath": "/draftdesk", "options": options},
            )
            return text(answer.object(), "id")
        except UnclearAnswerError as error:
            raise NotReachedError(error.detail) from error

    async def write_note(self, ticket_id: str, words: str) -> str:
        """Written and joined to its ticket by one call; what the joining is called is asked, because it differs."""
        labels = objects((await self._api.get("/crm/v4/associations/notes/tickets/labels")).get("results"))
        joined = [
            {"associationCategory": text(each, "category"), "associationTypeId": each.get("typeId")}
            for each in labels
            if text(each, "category") == "HUBSPOT_DEFINED"
        ]
        if not joined:
            msg = "HubSpot does not say how a note is joined to a ticket"
            raise RefusedCallError(msg)
        body = {
            "properties": {
                "hs_note_body": html.escape(words, quote=False).replace("\n", "<br>"),
                "hs_timestamp": self._clock.now().isoformat(),
            },
            "associations": [{"to": {"id": ticket_id}, "types": joined[:1]}],
        }
        note = text((await self._api.ask("POST", f"{OBJECTS}/notes", json=body)).object(), "id")
        if not note:
            msg = "HubSpot named no note"
            raise UnclearAnswerError(msg)
        return f"note:{note}"

    async def set(self, ticket_id: str, field: Literal["status", "priority"], there: str) -> None:
        name = "hs_pipeline_stage" if field == "status" else "hs_ticket_priority"
        await self._api.ask("PATCH", f"{OBJECTS}/tickets/{ticket_id}", json={"properties": {name: there}})

    # Knowing ---------------------------------------------------------------------------------------------------

    async def facts(self, contact_id: str) -> tuple[FactSection, ...]:
        if not contact_id.isdecimal():
            return ()
        found = await self._api.batch("contacts", [contact_id], CONTACT)
        if not found:
            return ()
        told = as_object(found[0].get("properties"))
        name = " ".join(filter(None, (text(told, "firstname"), text(told, "lastname"))))
        facts = (
            CustomerFact("Name", name, slot="client name"),
            CustomerFact("Company", text(told, "company"), slot="company"),
            CustomerFact("Role", text(told, "jobtitle")),
            CustomerFact("E-mail", text(told, "email")),
            CustomerFact("Phone", text(told, "phone")),
            CustomerFact("Lifecycle", text(told, "lifecyclestage")),
            CustomerFact("Lead status", text(told, "hs_lead_status")),
        )
        url = f"https://app.hubspot.com/contacts/{self._settings.portal}/contact/{contact_id}"
        return (FactSection("Contact", tuple(fact for fact in facts if fact.value), url),)

    async def checks(self) -> tuple[HealthCheck, ...]:
        checks: list[HealthCheck] = []
        pipelines = objects((await self._api.get("/crm/v3/pipelines/tickets")).get("results"))
        stages = {
            text(stage, "id"): f"{text(stage, 'label')} ({text(stage, 'id')})"
            for pipeline in pipelines
            for stage in objects(pipeline.get("stages"))
        }
        unknown = [label for stage, label in stages.items() if not self.words.status(stage).here]
        checks.append(
            HealthCheck(
                "tickets", passed=True, detail=f"stages without a meaning: {', '.join(unknown)}" if unknown else ""
            )
        )
        absent = sorted({stage for stage in self.words.statuses.values() if stages and stage not in stages})
        if absent and self.share_changes:
            detail = f"there is no stage {', '.join(absent)}; say under 'Statuses to set there' which to take"
            checks.append(HealthCheck("stages", passed=False, detail=detail))
        for name, path in (("contacts", f"{OBJECTS}/contacts"), ("conversations", _THREADS)):
            try:
                await self._api.get(path, limit=1)
            except CallError as error:
                checks.append(HealthCheck(name, passed=False, detail=error.detail))
            else:
                checks.append(HealthCheck(name, passed=True))
        has_secret = bool(self._settings.client_secret)
        words = "" if has_secret else "no client secret is stored: HubSpot's calls are not taken, news come by polling"
        checks.append(HealthCheck("calls", passed=has_secret, detail=words))
        return tuple(checks)


def _told(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_object(found.get("properties"))


def _associated(found: Mapping[str, Any], kind: str) -> list[str]:
    listed = objects(as_object(as_object(found.get("associations")).get(kind)).get("results"))
    return list(dict.fromkeys(text(each, "id") for each in listed))


def _latest_answer(seen: SeenTicket) -> Mapping[str, Any]:
    """Of the newest message of the customer that has one, where the one that is answered has none."""
    for entry in reversed(seen.entries):
        if entry.answer.get("thread"):
            return entry.answer
    return as_object(None)
