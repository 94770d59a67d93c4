"""Zoho Desk tickets: their threads (mail in and out), their comments (public or not) and their contact."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import getaddresses
from typing import Any, Literal

from connectors.crm.account import Changed, Written
from connectors.crm.api import FILE
from connectors.crm.tickets import Author, Entry, GoneTicket, SeenTicket, in_order, moment
from connectors.crm.words import TicketWords
from connectors.crm.zoho.api import ZohoApi
from connectors.crm.zoho.settings import ZohoSettings
from desk.calls import (
    CallError,
    NotReachedError,
    RefusedCallError,
    UnclearAnswerError,
    as_object,
    call,
    objects,
    text,
)
from desk.egress import Caps, EgressRules
from desk.ports import (
    Clock,
    ConnectionDetails,
    CredentialStore,
    CustomerFact,
    FactSection,
    HealthCheck,
    OutgoingFile,
    OutgoingReply,
)

OVERLAP = timedelta(minutes=5)
MOST_FOUND = 5_000
"""A search shows no more of a range; the rest is found from where this one ends."""
MOST_OPEN = 1_000
KEYS_FRESH = timedelta(hours=1)
MOST_THREADS_KEPT = 2_000
_MEANS: Mapping[str, tuple[str, ...]] = {"OPEN": ("open", "pending"), "ON HOLD": ("on_hold",), "CLOSED": ("closed", "resolved")}  # fmt: skip # noqa: E501
_UNSENT = frozenset({"DRAFT", "FAILED"})


class ThreadContents:
    """What threads hold is asked for one by one and never changes once they are sent, so that it is kept."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Mapping[str, Any]] = {}

    async def of(self, api: ZohoApi, connection: ConnectionDetails, ticket_id: str, row: Mapping[str, Any]) -> Mapping[str, Any]:  # fmt: skip # noqa: E501
        """Raises CallError."""
        name = str(connection.connection_id), text(row, "id")
        if name in self._kept:
            return self._kept[name]
        thread = await api.get(f"/tickets/{ticket_id}/threads/{text(row, 'id')}")
        if text(thread, "status") in {"", "SUCCESS"}:
            if len(self._kept) >= MOST_THREADS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[name] = thread
        return thread


class ZohoAccount:
    """`connectors.crm.account.Account`."""

    def __init__(
        self,
        api: ZohoApi,
        settings: ZohoSettings,
        connection: ConnectionDetails,
        threads: ThreadContents,
        rules: EgressRules,
        clock: Clock,
        store: CredentialStore,
    ) -> None:
        self._api = api
        self._settings = settings
        self._connection = connection
        self._threads = threads
        self._rules = rules
        self._clock = clock
        self._store = store

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
            return GoneTicket("this is no ticket of Zoho Desk")
        try:
            told = await self._api.get(f"/tickets/{ticket_id}", include="contacts,departments")
        except RefusedCallError as error:
            if error.status == 404:
                return GoneTicket("it was deleted in Zoho Desk, or merged into another one")
            raise
        if told.get("isTrashed") is True:
            return GoneTicket("it was moved to the trash in Zoho Desk")
        contact = as_object(told.get("contact"))
        address = text(contact, "email") or text(told, "email")
        contact_id = text(contact, "id") or text(told, "contactId")
        entries: list[Entry] = []
        for row in await self._api.listed(f"/tickets/{ticket_id}/threads", 200):
            if text(row, "status") not in _UNSENT:
                thread = await self._threads.of(self._api, self._connection, ticket_id, row)
                entries.append(_of_thread(ticket_id, thread, contact_id, address))
        entries += [
            _of_comment(ticket_id, each, contact_id)
            for each in await self._api.listed(f"/tickets/{ticket_id}/comments", 100)
        ]
        return SeenTicket(
            ticket_id,
            text(told, "ticketNumber"),
            text(told, "webUrl"),
            text(told, "subject"),
            text(told, "status"),
            text(told, "priority"),
            text(as_object(told.get("department")), "name"),
            contact_id,
            address,
            " ".join(filter(None, (text(contact, "firstName"), text(contact, "lastName")))),
            in_order(entries),
            status_means=_MEANS.get(text(told, "statusType").upper(), ()),
        )

    async def file(self, reference: Mapping[str, Any]) -> bytes:
        return (await self._api.ask("GET", str(reference["path"]), caps=FILE)).content

    # News ------------------------------------------------------------------------------------------------------

    async def changed(self, state: Mapping[str, Any]) -> Changed:
        now = self._clock.now()
        keys_at = await self._renew_keys(str(state.get("keys_at") or ""), now)
        if not state:
            ids = await self._open() if self._settings.begins_with_open else []
            begun = await self.changed({"at": now.isoformat(), "seen": {}, "keys_at": keys_at})
            return Changed(ids, begun.state)
        since = datetime.fromisoformat(state["at"]) - OVERLAP
        span = f"{_stamp(since)},{_stamp(now + OVERLAP)}"
        found = await self._api.listed(
            "/tickets/search", 100, MOST_FOUND, modifiedTimeRange=span, sortBy="modifiedTime", **self._departments()
        )
        known: Mapping[str, str] = state["seen"]
        looks = {text(each, "id"): text(each, "modifiedTime") for each in found}
        ids = [ticket_id for ticket_id, modified in looks.items() if known.get(ticket_id) != modified]
        full = len(found) >= MOST_FOUND
        until = moment(max(looks.values())) if full else None
        return Changed(
            ids, {"at": (until or now).isoformat(), "seen": looks, "keys_at": keys_at}, more=full and bool(ids)
        )

    async def _open(self) -> list[str]:
        found = await self._api.listed("/tickets", 100, MOST_OPEN, sortBy="-modifiedTime", **self._departments())
        return [text(each, "id") for each in reversed(found) if text(each, "statusType").upper() != "CLOSED"]

    def _departments(self) -> dict[str, str]:
        wanted = sorted(self._settings.departments)
        return {"departmentIds": ",".join(wanted)} if wanted else {}

    async def _renew_keys(self, keys_at: str, now: datetime) -> str:
        """Zoho's calls are checked when they come, with keys that are here by then. Raises CallError."""
        if keys_at and self._settings.keys and now - datetime.fromisoformat(keys_at) < KEYS_FRESH:
            return keys_at
        url = f"{self._settings.desk_url}/.well-known/jwks.json"
        answer = await call(self._rules, Caps(20.0, 200_000), "GET", url)
        if not answer.is_success or not objects(answer.object().get("keys")):
            msg = f"the keys that Zoho signs its calls with cannot be had: {answer.words()}"
            raise NotReachedError(msg, answer.retry_after)
        await self._store.write(self._connection, {"keys": answer.content.decode("utf-8", "replace")})
        return now.isoformat()

    # Writing ---------------------------------------------------------------------------------------------------

    async def write_reply(self, reply: OutgoingReply, seen: SeenTicket) -> Written:
        to = str(reply.recipient.get("to") or seen.email)
        if not to:
            msg = "the contact of this ticket has no e-mail address in Zoho Desk"
            raise RefusedCallError(msg)
        told: dict[str, Any] = {
            "channel": "EMAIL",
            "fromEmailAddress": self._settings.from_address,
            "to": to,
            "content": reply.body,
            "contentType": "plainText",
            "attachmentIds": [await self._upload(file) for file in reply.files],
            "isForward": False,
        }
        status = self.words.statuses.get(reply.ticket_status, "")
        if status and self.share_changes and reply.ticket_status in {"resolved", "closed"}:
            told["ticketStatus"] = status
        answer = await self._api.ask("POST", f"/tickets/{seen.ticket_id}/sendReply", json=told)
        thread = answer.object()
        if text(thread, "status") == "FAILED":
            msg = "Zoho Desk took the reply and could not send it; look at the ticket there"
            raise RefusedCallError(msg)
        if not text(thread, "id"):
            msg = f"Zoho Desk named no thread ({answer.words()})"
            raise UnclearAnswerError(msg)
        return Written(f"thread:{text(thread, 'id')}", sets_status="ticketStatus" in told)

    async def _upload(self, file: OutgoingFile) -> str:
        """Before anything is written that a customer sees: an upload whose fate is unclear may be made again."""
        try:
            answer = await self._api.ask("POST", "/uploads", files={"file": (file.name, file.content, file.media_type)})
            return text(answer.object(), "id")
        except UnclearAnswerError as error:
            raise NotReachedError(error.detail) from error

    async def write_note(self, ticket_id: str, words: str) -> str:
        told = {"content": words, "contentType": "plainText", "isPublic": False}
        comment = text((await self._api.ask("POST", f"/tickets/{ticket_id}/comments", json=told)).object(), "id")
        if not comment:
            msg = "Zoho Desk named no comment"
            raise UnclearAnswerError(msg)
        return f"comment:{comment}"

    async def set(self, ticket_id: str, field: Literal["status", "priority"], there: str) -> None:
        await self._api.ask("PATCH", f"/tickets/{ticket_id}", json={field: there})

    # Knowing ---------------------------------------------------------------------------------------------------

    async def facts(self, contact_id: str) -> tuple[FactSection, ...]:
        if not contact_id.isdecimal():
            return ()
        try:
            told = await self._api.get(f"/contacts/{contact_id}", include="accounts")
        except RefusedCallError as error:
            if error.status == 404:
                return ()
            raise
        name = " ".join(filter(None, (text(told, "firstName"), text(told, "lastName"))))
        facts = (
            CustomerFact("Name", name, slot="client name"),
            CustomerFact("Account", text(as_object(told.get("account")), "accountName"), slot="company"),
            CustomerFact("Role", text(told, "title")),
            CustomerFact("E-mail", text(told, "email")),
            CustomerFact("Phone", text(told, "phone") or text(told, "mobile")),
            CustomerFact("Type", text(told, "type")),
            CustomerFact("City", text(told, "city")),
            CustomerFact("Country", text(told, "country")),
            *(
                CustomerFact(label.removeprefix("cf_").replace("_", " ").capitalize(), text(extra, label))
                for extra in (as_object(told.get("cf")),)
                for label in extra
            ),
        )
        return (FactSection("Contact", tuple(fact for fact in facts if fact.value), text(told, "webUrl")),)

    async def checks(self) -> tuple[HealthCheck, ...]:
        organisations = objects((await self._api.get("/organizations")).get("data"))
        ids = [text(each, "id") for each in organisations]
        if self._settings.org not in ids:
            detail = f"this sign-in sees the organisations {', '.join(ids) or 'none'}, and not {self._settings.org}"
            return (HealthCheck("organisation", passed=False, detail=detail),)
        checks = [HealthCheck("organisation", passed=True)]
        for name, path in (("tickets", "/tickets"), ("contacts", "/contacts"), ("departments", "/departments")):
            try:
                await self._api.get(path, limit=1)
            except CallError as error:
                checks.append(HealthCheck(name, passed=False, detail=error.detail))
            else:
                checks.append(HealthCheck(name, passed=True))
        try:
            hooks = objects((await self._api.get("/webhooks")).get("data"))
        except RefusedCallError as error:
            detail = f"not available, news come by polling ({error.detail})"
            return (*checks, HealthCheck("calls", passed=True, detail=detail))
        except CallError as error:
            return (*checks, HealthCheck("calls", passed=False, detail=error.detail))
        off = [text(each, "name") or text(each, "id") for each in hooks if each.get("isEnabled") is False]
        detail = f"Zoho has switched off: {', '.join(off)}" if off else "" if hooks else "none set up: news are polled"
        return (*checks, HealthCheck("calls", passed=not off, detail=detail))


def _of_thread(ticket_id: str, thread: Mapping[str, Any], contact_id: str, contact_address: str) -> Entry:
    author, thread_id = as_object(thread.get("author")), text(thread, "id")
    incoming = text(thread, "direction") == "in"
    named = getaddresses([text(thread, "fromEmailAddress")])
    name, address = named[0] if named else ("", "")
    address = address or text(author, "email")
    is_contact = not address or address.casefold() == contact_address.casefold()
    plain = text(thread, "plainText")
    return Entry(
        f"thread:{thread_id}",
        "customer" if incoming else "agent",
        text(author, "name") or name or address,
        text(thread, "createdTime"),
        text="" if incoming else plain,
        html=text(thread, "content") if incoming or not plain else "",
        email=address,
        contact_id=contact_id if incoming and is_contact else "",
        files=_files(thread, f"/tickets/{ticket_id}/threads/{thread_id}"),
        answer={"to": address} if incoming else {},
    )


def _of_comment(ticket_id: str, comment: Mapping[str, Any], contact_id: str) -> Entry:
    writer, comment_id = as_object(comment.get("commenter")), text(comment, "id")
    is_customer = text(writer, "type") == "END_USER"
    author: Author = "customer" if is_customer else "agent" if comment.get("isPublic") is True else "note"
    is_html = text(comment, "contentType") != "plainText"
    return Entry(
        f"comment:{comment_id}",
        author,
        text(writer, "name") or "Zoho Desk",
        text(comment, "commentedTime"),
        text="" if is_html else text(comment, "content"),
        html=text(comment, "content") if is_html else "",
        contact_id=contact_id if is_customer else "",
        files=_files(comment, f"/tickets/{ticket_id}/comments/{comment_id}"),
    )


def _files(row: Mapping[str, Any], path: str) -> tuple[Mapping[str, str], ...]:
    return tuple(
        {"name": text(each, "name") or "file", "path": f"{path}/attachments/{text(each, 'id')}/content"}
        for each in objects(row.get("attachments"))
        if text(each, "id").isdecimal()
    )


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
