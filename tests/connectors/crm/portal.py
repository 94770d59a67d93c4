"""A HubSpot on loopback, with the nastiness of its sheet: ids as strings, values that are null, batches that answer
207, searches that lag behind, merged tickets that answer under another id, events that are repeated."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.crm.hubspot.calls import signature
from desk.ports import WebhookRequest
from desk.secret import Secret
from tests.connectors.faulty_server import Call, Mishap, Said

TOKEN, CLIENT_SECRET, PORTAL, USER = "pat-eu1-a-token", "a-client-secret", "8812345", "51234567"
THREADS = "/conversations/v3/conversations/threads"


def form_for(portal: Portal) -> dict[str, Any]:
    return {
        "api_url": portal.url,
        "token": TOKEN,
        "client_secret": CLIENT_SECRET,
        "portal": PORTAL,
        "user": USER,
        "statuses": "8834211 = on_hold",
    }


@dataclass
class Portal:
    url: str = ""
    calls: list[Call] = field(default_factory=list[Call])
    mishaps: dict[str, list[Mishap | None]] = field(default_factory=dict[str, list[Mishap | None]])
    tickets: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    merged: dict[str, str] = field(default_factory=dict[str, str])
    threads: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    notes: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    next_id: int = 9_007_199_254_740_993
    tokens: int = 0
    seconds: int = 0
    lag: set[str] = field(default_factory=set[str])
    """Tickets that a search does not know of yet."""
    refuses: Said | None = None
    """What everything answers."""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def now(self) -> str:
        self.seconds += 1
        moment = datetime.now(UTC) - timedelta(minutes=10) + timedelta(seconds=self.seconds)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def fresh(self) -> str:
        self.next_id += 2
        return str(self.next_id)

    # What people do in HubSpot ---------------------------------------------------------------------------------

    def open(self, words: str = "", subject: str = "Backups", *, contact: bool = True) -> str:
        with self.lock:
            ticket_id, at = self.fresh(), self.now()
            self.tickets[ticket_id] = {
                "subject": subject, "content": words or None, "hs_pipeline": "0", "hs_pipeline_stage": "1",
                "hs_ticket_priority": None, "createdate": at, "hs_lastmodifieddate": at, "closed_date": None,
                "contact": contact,
            }  # fmt: skip
            return ticket_id

    def converse(self, words: str, **more: Any) -> tuple[str, str]:
        """A ticket with a conversation that a customer has begun by e-mail."""
        ticket_id, thread_id = self.open(), self.fresh()
        self.threads[thread_id] = {"ticket": ticket_id, "messages": []}
        self.customer_writes(thread_id, words, **more)
        return ticket_id, thread_id

    def customer_writes(self, thread_id: str, words: str, **more: Any) -> str:
        sender = {
            "actorId": "V-301", "name": "Marta Müller", "senderField": "FROM",
            "deliveryIdentifier": {"type": "HS_EMAIL_ADDRESS", "value": "marta@customer.test"},
        }  # fmt: skip
        return self.add(
            thread_id, {"type": "MESSAGE", "direction": "INCOMING", "senders": [sender], "text": words, **more}
        )

    def agent_writes(self, thread_id: str, words: str, kind: str = "MESSAGE") -> str:
        sender = {"actorId": "A-77", "name": "Olga Operator"}
        return self.add(thread_id, {"type": kind, "direction": "OUTGOING", "senders": [sender], "text": words})

    def add(self, thread_id: str, message: dict[str, Any]) -> str:
        with self.lock:
            message = {
                "id": f"m-{self.fresh()}", "createdAt": self.now(), "channelId": "1002", "channelAccountId": "424242",
                "richText": None, "truncationStatus": "NOT_TRUNCATED", "archived": False, "attachments": [], **message,
            }  # fmt: skip
            thread = self.threads[thread_id]
            thread["messages"].append(message)
            thread["latest"] = message["createdAt"]
            return str(message["id"])

    def set(self, ticket_id: str, **values: Any) -> None:
        self.tickets[ticket_id].update(values, hs_lastmodifieddate=self.now())

    def sent(self, thread_id: str) -> list[str]:
        return [each["text"] for each in self.threads[thread_id]["messages"] if each["direction"] == "OUTGOING"]

    def event(self, kind: str, object_id: str, **more: Any) -> dict[str, Any]:
        return {
            "eventId": 100, "subscriptionId": 11, "portalId": int(PORTAL), "appId": 1, "occurredAt": 1767000000000,
            "subscriptionType": kind, "attemptNumber": 0, "objectId": int(object_id), **more,
        }  # fmt: skip

    # The API ---------------------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Said:
        if call.path.startswith("/cdn/"):
            return Said(200, b"out of space") if "authorization" not in call.headers else Said(400, b"leaked")
        if call.path == "/oauth/v1/token":
            return self._token(call.form)
        if call.headers.get("authorization") not in {f"Bearer {TOKEN}", f"Bearer oauth-{self.tokens}"}:
            return Said(401, {"status": "error", "category": "EXPIRED_AUTHENTICATION", "message": "expired"})
        if self.refuses is not None:
            return self.refuses
        with self.lock:
            for prefix, handler in (
                ("/crm/v3/objects/tickets/search", self._search),
                ("/crm/v3/objects/tickets/", self._ticket),
                ("/crm/v3/objects/contacts/batch/read", self._contacts),
                ("/crm/v3/objects/notes/batch/read", self._read_notes),
                ("/crm/v3/objects/notes", self._note),
                ("/crm/v4/associations/notes/tickets/labels", self._labels),
                ("/crm/v3/pipelines/tickets", self._stages),
                (f"{THREADS}/", self._thread),
                (THREADS, self._list_threads),
                ("/files/v3/files", self._files),
            ):
                if call.path.startswith(prefix):
                    return handler(call)
        return Said(200, {"results": []})

    def _token(self, form: dict[str, str]) -> Said:
        if form.get("refresh_token") != f"refresh-{self.tokens}" or form.get("client_secret") != CLIENT_SECRET:
            return Said(400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"})
        self.tokens += 1
        told = {"access_token": f"oauth-{self.tokens}", "refresh_token": f"refresh-{self.tokens}", "expires_in": 1800}
        return Said(200, told)

    def _ticket(self, call: Call) -> Said:
        asked = call.path.rsplit("/", 1)[-1]
        ticket_id = self.merged.get(asked, asked)
        ticket = self.tickets.get(ticket_id)
        if ticket is None:
            return Said(404, {"status": "error", "message": "resource not found", "category": "OBJECT_NOT_FOUND"})
        if call.method == "PATCH":
            self.set(ticket_id, **call.json["properties"])
        notes = [
            {"id": key, "type": "note_to_ticket"} for key, each in self.notes.items() if each["ticket"] == ticket_id
        ]
        associations = {"notes": {"results": notes}} if notes else {}
        if ticket["contact"]:
            # The same contact under two labels.
            associations["contacts"] = {"results": [{"id": "301", "type": "a"}, {"id": "301", "type": "b"}]}
        told = {name: value for name, value in ticket.items() if name != "contact"}
        return Said(200, {"id": ticket_id, "properties": told, "archived": False, "associations": associations})

    def _search(self, call: Call) -> Said:
        asked = call.json
        filters = {each["propertyName"]: each for each in asked["filterGroups"][0]["filters"]}
        since = int(filters.get("hs_lastmodifieddate", {}).get("value", "0"))
        found = [
            {"id": key, "properties": {name: each[name] for name in asked["properties"]}}
            for key, each in self.tickets.items()
            if key not in self.lag
            and datetime.fromisoformat(each["hs_lastmodifieddate"]).timestamp() * 1000 >= since
            and ("closed_date" not in filters or each["closed_date"] is None)
        ]
        begin, size = int(asked.get("after", 0)), 3
        page = {"next": {"after": str(begin + size)}} if found[begin + size :] else None
        return Said(
            200, {"total": len(found), "results": found[begin : begin + size], **({"paging": page} if page else {})}
        )

    def _contacts(self, call: Call) -> Said:
        known = {"firstname": "Marta", "lastname": "Müller", "email": "marta@customer.test", "company": None,
                 "lifecyclestage": "customer", "phone": ""}  # fmt: skip
        ids = [each["id"] for each in call.json["inputs"]]
        found = [{"id": each, "properties": known} for each in ids if each == "301"]
        status = 200 if len(found) == len(ids) else 207
        return Said(
            status, {"status": "COMPLETE", "results": found, "errors": [] if status == 200 else [{"status": "error"}]}
        )

    def _read_notes(self, call: Call) -> Said:
        ids = [each["id"] for each in call.json["inputs"]]
        return Said(200, {"results": [{"id": each, "properties": self.notes[each]["properties"]} for each in ids]})

    def _note(self, call: Call) -> Said:
        note_id, told = self.fresh(), call.json
        self.notes[note_id] = {
            "ticket": told["associations"][0]["to"]["id"],
            "properties": told["properties"],
            "type": told["associations"][0]["types"],
        }
        return Said(201, {"id": note_id, "properties": told["properties"]})

    def _labels(self, call: Call) -> Said:
        del call
        labels = [
            {"category": "USER_DEFINED", "typeId": 7, "label": "odd"},
            {"category": "HUBSPOT_DEFINED", "typeId": 228},
        ]
        return Said(200, {"results": labels})

    def _stages(self, call: Call) -> Said:
        del call
        stages = [{"id": each, "label": f"Stage {each}"} for each in ("1", "2", "3", "4", "8834211", "555")]
        return Said(200, {"results": [{"id": "0", "label": "Support", "stages": stages}]})

    def _list_threads(self, call: Call) -> Said:
        wanted, since = call.query.get("associatedTicketId"), call.query.get("latestMessageTimestampAfter")
        found = [
            self._shown_thread(key)
            for key, each in self.threads.items()
            if (wanted is None or each["ticket"] == wanted)
            and (since is None or datetime.fromisoformat(each["latest"]) > datetime.fromisoformat(since))
        ]
        return Said(200, {"results": found})

    def _shown_thread(self, thread_id: str) -> dict[str, Any]:
        thread = self.threads[thread_id]
        return {
            "id": thread_id, "status": "OPEN", "associatedContactId": "301", "latestMessageTimestamp": thread["latest"],
            **({"threadAssociations": {"associatedTicketId": thread["ticket"]}} if thread["ticket"] else {}),
        }  # fmt: skip

    def _thread(self, call: Call) -> Said:
        thread_id, _, rest = call.path.removeprefix(f"{THREADS}/").partition("/")
        if thread_id not in self.threads:
            return Said(404, {"status": "error", "message": "no such thread"})
        if rest.endswith("/original-content"):
            return Said(200, {"text": "the whole of it", "richText": ""})
        if not rest:
            return Said(200, self._shown_thread(thread_id))
        if call.method == "POST":
            told = call.json
            if not told["recipients"][0].get("deliveryIdentifiers"):
                return Said(400, {"status": "error", "category": "VALIDATION_ERROR", "message": "no recipient"})
            sender = [{"actorId": told["senderActorId"], "name": "Desk"}]
            written = {"type": "MESSAGE", "direction": "OUTGOING", "senders": sender, "text": told["text"]}
            sent_with = {"attachments": told["attachments"], "recipients": told["recipients"]}
            name = self.add(thread_id, {**written, **sent_with})
            return Said(201, {"id": name, "status": {"statusType": "SENT"}})
        messages = self.threads[thread_id]["messages"]
        begin = int(call.query.get("after", 0))
        page = {"paging": {"next": {"after": str(begin + 2)}}} if messages[begin + 2 :] else {}
        return Said(200, {"results": messages[begin : begin + 2], **page})

    def _files(self, call: Call) -> Said:
        if call.path.endswith("/signed-url"):
            return (
                Said(200, {"url": f"{self.url}/cdn/a?sig=1"}) if "/77/" in call.path else Said(404, {"message": "gone"})
            )
        return Said(201, {"id": "501"})


def posted(events: Any, *, secret: str = CLIENT_SECRET, at: float | None = None, **headers: str) -> WebhookRequest:
    """A call as HubSpot makes it, with the signature of version 1 beside the one of version 3."""
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    moment = datetime.now(UTC).timestamp() if at is None else at
    url, stamp = "https://desk.example/hooks/in/abc?x=%3A%2Fb", str(int(moment * 1000))
    signed: Mapping[str, str] = {
        "x-hubspot-signature-version": "v1",
        "x-hubspot-signature": "0" * 64,
        "x-hubspot-request-timestamp": stamp,
        "x-hubspot-signature-v3": signature(Secret(secret), "POST", url, body, stamp),
    }
    return WebhookRequest("POST", url, {**signed, **headers}, body)
