"""A Zoho Desk on loopback, with the nastiness of its sheet: 204 for empty lists, lists that hold only summaries, ids
beyond 2^53 as strings, sign-in errors with HTTP 200, tokens that end, limits without Retry-After."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from desk.ports import WebhookRequest
from tests.connectors.faulty_server import Call, Mishap, Said

ORG, CODE, CLIENT, SECRET, FROM = "60001280952", "1000.code", "1000.ABC", "a-client-secret", "support@acme.test"


def form_for(zoho: ZohoDesk) -> dict[str, Any]:
    return {
        "centre": "eu",
        "org": ORG,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "grant_code": CODE,
        "from_address": FROM,
        "accounts_url": zoho.url,
        "desk_url": zoho.url,
    }


_NUMBERS = count(9_007_199_254_740_993, 2)
"""Never used twice, by no organisation."""


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    del name
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


@dataclass
class ZohoDesk:
    url: str = ""
    calls: list[Call] = field(default_factory=list[Call])
    mishaps: dict[str, list[Mishap | None]] = field(default_factory=dict[str, list[Mishap | None]])
    tickets: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    threads: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    comments: dict[str, list[dict[str, Any]]] = field(default_factory=dict[str, list[dict[str, Any]]])
    codes: set[str] = field(default_factory=lambda: {CODE})
    tokens: int = 0
    refuses: Said | None = None
    refuses_token: Said | None = None
    numbers: Iterator[int] = _NUMBERS
    seconds: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def now(self) -> str:
        self.seconds += 1
        moment = datetime.now(UTC) - timedelta(minutes=10) + timedelta(seconds=self.seconds)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def fresh(self) -> str:
        return str(next(self.numbers))

    # What people do in Zoho Desk -------------------------------------------------------------------------------

    def open(self, content: str, subject: str = "Backups", **more: Any) -> str:
        with self.lock:
            ticket_id = self.fresh()
            self.tickets[ticket_id] = {
                "id": ticket_id, "ticketNumber": "101", "subject": subject, "status": "Open", "statusType": "OPEN",
                "priority": None, "contactId": "7001", "modifiedTime": self.now(), "webUrl": f"https://desk.test/{ticket_id}",
            }  # fmt: skip
            self.threads[ticket_id], self.comments[ticket_id] = [], []
            self.customer_writes(ticket_id, content, isDescriptionThread=True, **more)
            return ticket_id

    def customer_writes(self, ticket_id: str, content: str, **more: Any) -> str:
        author = {"type": "END_USER", "name": "Marta Müller", "email": "marta@customer.test"}
        return self.add(ticket_id, {"direction": "in", "content": content, "author": author,
                                    "fromEmailAddress": '"Marta Müller"<marta@customer.test>', **more})  # fmt: skip

    def agent_writes(self, ticket_id: str, content: str, **more: Any) -> str:
        author = {"type": "AGENT", "name": "Olga Operator"}
        return self.add(ticket_id, {"direction": "out", "content": content, "author": author, **more})

    def add(self, ticket_id: str, thread: dict[str, Any]) -> str:
        with self.lock:
            thread = {"id": self.fresh(), "createdTime": self.now(), "status": "SUCCESS", "attachments": [], **thread}
            self.threads[ticket_id].append(thread)
            self.set(ticket_id)
            return str(thread["id"])

    def comment(self, ticket_id: str, content: str, *, public: bool = False, by: str = "AGENT") -> str:
        with self.lock:
            made = {"id": self.fresh(), "commentedTime": self.now(), "content": content, "isPublic": public,
                    "contentType": "plainText", "commenter": {"name": "Olga Operator", "type": by}}  # fmt: skip
            self.comments[ticket_id].append(made)
            self.set(ticket_id)
            return str(made["id"])

    def set(self, ticket_id: str, **values: Any) -> None:
        self.tickets[ticket_id].update(values, modifiedTime=self.now())

    def sent(self, ticket_id: str) -> list[dict[str, Any]]:
        return [each for each in self.threads[ticket_id] if each["direction"] == "out"]

    # The API ---------------------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Said:
        if call.path == "/oauth/v2/token":
            return self.refuses_token or self._token(call.form)
        if call.path == "/.well-known/jwks.json":
            public = json.loads(RSAAlgorithm.to_jwk(key("zoho").public_key()))
            return Said(200, {"keys": [{**public, "kid": "k1", "alg": "RS256", "use": "sig"}]})
        if call.headers.get("authorization") != f"Zoho-oauthtoken token-{self.tokens}":
            return Said(401, {"errorCode": "INVALID_OAUTH", "message": "The OAuth Token you provided is invalid."})
        if self.refuses is not None:
            return self.refuses
        with self.lock:
            return self._api(call, call.path.removeprefix("/api/v1/").split("/"))

    def _token(self, form: dict[str, str]) -> Said:
        if form.get("client_secret") != SECRET:
            return Said(200, {"error": "invalid_client"})
        if form["grant_type"] == "authorization_code":
            if form["code"] not in self.codes:
                return Said(200, {"error": "invalid_code"})
            self.codes.discard(form["code"])
        elif form["refresh_token"] != "1000.refresh":
            return Said(200, {"error": "invalid_code"})
        self.tokens += 1
        lasting = {"refresh_token": "1000.refresh"} if form["grant_type"] == "authorization_code" else {}
        return Said(200, {"access_token": f"token-{self.tokens}", "expires_in": 3600, "api_domain": "x", **lasting})

    def _api(self, call: Call, path: list[str]) -> Said:  # noqa: PLR0911 - one for each call
        match (call.method, *path):
            case ("GET", "organizations"):
                return _list([{"id": ORG}], call)
            case ("GET", "tickets"):
                return _list(list(self.tickets.values()), call)
            case ("GET", "tickets", "search"):
                begin, end = call.query["modifiedTimeRange"].split(",")
                found = [each for each in self.tickets.values() if begin <= each["modifiedTime"] <= end]
                return _list(sorted(found, key=lambda each: each["modifiedTime"]), call)
            case ("POST", "uploads"):
                return Said(200, {"id": "4001"})
            case ("GET", "contacts", "7001"):
                account, own = {"accountName": "Müller & Söhne"}, {"cf_plan": "Webspace M", "cf_x": None}
                person = {"id": "7001", "firstName": "Marta", "lastName": "Müller", "email": None}
                return Said(200, {**person, "account": account, "cf": own})
            case ("GET", "departments" | "contacts"):
                return _list([], call)
            case ("GET", "webhooks"):
                return Said(403, {"errorCode": "LICENSE_ACCESS_LIMITED", "message": "Not in this edition"})
            case (_, "tickets", ticket_id, *rest) if ticket_id in self.tickets:
                return self._ticket(call, ticket_id, rest)
            case _:
                return Said(404, {"errorCode": "URL_NOT_FOUND", "message": "The URL you are accessing is not found."})

    def _ticket(self, call: Call, ticket_id: str, rest: list[str]) -> Said:  # noqa: PLR0911 - one for each call
        match (call.method, *rest):
            case ("GET",):
                contact = {"id": "7001", "firstName": "Marta", "lastName": "Müller", "email": "marta@customer.test"}
                return Said(
                    200, {**self.tickets[ticket_id], "contact": contact, "department": {"id": "1", "name": "Technical"}}
                )
            case ("PATCH",):
                self.set(ticket_id, **call.json)
                return Said(200, self.tickets[ticket_id])
            case ("GET", "threads"):
                rows = [
                    {name: each[name] for name in ("id", "direction", "status")} for each in self.threads[ticket_id]
                ]
                return _list([{**row, "summary": "only the begin..."} for row in rows], call)
            case ("GET", "threads", thread_id):
                return Said(200, next(each for each in self.threads[ticket_id] if each["id"] == thread_id))
            case ("GET", "threads", _, "attachments", "55", "content"):
                return Said(200, b"out of space")
            case ("GET", "comments"):
                return _list(self.comments[ticket_id], call)
            case ("POST", "comments"):
                name = self.comment(ticket_id, call.json["content"], public=call.json["isPublic"])
                return Said(200, {"id": name})
            case ("POST", "sendReply"):
                if call.json["fromEmailAddress"] != FROM:
                    wrong = [{"fieldName": "/fromEmailAddress", "errorType": "invalid"}]
                    return Said(422, {"errorCode": "INVALID_DATA", "message": "The data is invalid", "errors": wrong})
                html = call.json["content"].replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br />")
                told = {name: call.json.get(name) for name in ("to", "attachmentIds", "ticketStatus")}
                name = self.agent_writes(ticket_id, f"<div>{html}</div>", told=told)
                return Said(200, {"id": name, "status": "PENDING"})
            case _:
                return Said(404, {"errorCode": "URL_NOT_FOUND", "message": "not found"})


def _list(found: list[dict[str, Any]], call: Call) -> Said:
    begin, most = int(call.query.get("from", 0)), int(call.query.get("limit", 10))
    if most > 100 and "threads" not in call.path:
        return Said(422, {"errorCode": "UNPROCESSABLE_ENTITY", "message": "limit"})
    shown = found[begin : begin + most]
    return Said(200, {"data": shown}) if shown else Said(204)


def posted(events: Any, *, signer: str = "zoho", kid: str = "k1", **claims: Any) -> WebhookRequest:
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    said = {"iss": f"orgId:{ORG}", "aud": "webhookId:42", "exp": datetime.now(UTC) + timedelta(minutes=1), **claims}
    told = {name: value for name, value in said.items() if value is not None}
    token = jwt.encode(told, key(signer), "RS256", {"kid": kid})
    return WebhookRequest("POST", "https://desk.example/hooks/in/abc", {"x-zdesk-jwt": token}, body)
