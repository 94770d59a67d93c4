"""A Salesforce organisation on loopback, with the nastiness of its sheet: errors in lists and in objects, sessions that
end, pages of a query, fields that are hidden, an action that names nothing, a limit that is 403, 204 after a change."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from desk.ports import WebhookRequest
from tests.connectors.faulty_server import Call, Mishap, Said

KEY, SECRET, ORG = "3MVG9.consumer", "a-consumer-secret", "00D000000000001"
CONTACT = "003000000000001AAA"
DATA = "/services/data/v67.0"
_NUMBERS = count(1)
_PLAN = {"Title": "plan", "FileExtension": "pdf", "LatestPublishedVersionId": "068000000000001AAA"}


def form_for(org: Org) -> dict[str, Any]:
    return {"domain": org.url, "client_id": KEY, "client_secret": SECRET, "org": ORG, "statuses": "Vendor = on_hold"}


@dataclass
class Org:
    url: str = ""
    calls: list[Call] = field(default_factory=list[Call])
    mishaps: dict[str, list[Mishap | None]] = field(default_factory=dict[str, list[Mishap | None]])
    cases: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    deleted: dict[str, str] = field(default_factory=dict[str, str])
    """Case to the one it was merged into, or ""."""
    mails: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    comments: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    sessions: int = 0
    refuses: Said | None = None
    usage: str = "api-usage=10/15000"
    instance: str = ""
    logs_mail: bool = True
    seconds: int = 0
    numbers: Iterator[int] = _NUMBERS
    lock: threading.RLock = field(default_factory=threading.RLock)

    def now(self) -> str:
        self.seconds += 1
        moment = datetime.now(UTC) - timedelta(minutes=10) + timedelta(seconds=self.seconds)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")

    def fresh(self, kind: str) -> str:
        return f"{kind}{next(self.numbers):012d}AAA"

    # What people do in Salesforce ------------------------------------------------------------------------------

    def open(self, words: str, **more: Any) -> str:
        with self.lock:
            case_id, at = self.fresh("500"), self.now()
            self.cases[case_id] = {
                "Id": case_id, "CaseNumber": "00001026", "Subject": "Backups", "Description": words, "Status": "New",
                "IsClosed": False, "Priority": "Medium", "ContactId": CONTACT, "SuppliedEmail": None,
                "SuppliedName": None, "CreatedDate": at, "SystemModstamp": at,
                "Contact": {"Name": "Marta Müller", "Email": "marta@customer.test"}, **more,
            }  # fmt: skip
            return case_id

    def mail(self, case_id: str, words: str, *, incoming: bool = True, **more: Any) -> str:
        with self.lock:
            at = self.now()
            sender = {"FromAddress": "marta@customer.test", "FromName": "Marta Müller"} if incoming else {"FromAddress": "support@acme.test", "FromName": "Olga Operator"}  # fmt: skip # noqa: E501
            made = {
                "Id": self.fresh("02s"), "ParentId": case_id, "Incoming": incoming, "Subject": "Re: Backups",
                "TextBody": words, "HtmlBody": None, "Status": "0" if incoming else "3", "MessageDate": at,
                "CreatedDate": at, "HasAttachment": False, "SystemModstamp": at, **sender, **more,
            }  # fmt: skip
            self.mails.append(made)
            return str(made["Id"])

    def comment(self, case_id: str, words: str, *, published: bool = False, by: str = "Standard") -> str:
        with self.lock:
            at = self.now()
            made = {
                "Id": self.fresh("00a"), "ParentId": case_id, "CommentBody": words, "IsPublished": published,
                "CreatedDate": at, "SystemModstamp": at, "CreatedBy": {"Name": "Olga Operator", "UserType": by},
            }  # fmt: skip
            self.comments.append(made)
            return str(made["Id"])

    def set(self, case_id: str, **values: Any) -> None:
        self.cases[case_id].update(values, SystemModstamp=self.now())

    def sent(self, case_id: str) -> list[dict[str, Any]]:
        return [each for each in self.mails if each["ParentId"] == case_id and not each["Incoming"]]

    # The API ---------------------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Said:
        if call.path == "/services/oauth2/token":
            return self._token(call.form)
        if call.headers.get("authorization") != f"Bearer session-{self.sessions}":
            return _error(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if self.refuses is not None:
            return self.refuses
        with self.lock:
            said = self._api(call)
        return Said(said.status, said.data, {"sforce-limit-info": self.usage})

    def _token(self, form: dict[str, str]) -> Said:
        if form["grant_type"] == "client_credentials" and form.get("client_secret") != SECRET:
            return Said(400, {"error": "invalid_client", "error_description": "invalid client credentials"})
        self.sessions += 1
        return Said(200, {"access_token": f"session-{self.sessions}", "instance_url": self.instance or self.url})

    def _api(self, call: Call) -> Said:  # noqa: PLR0911 - one for each call
        path = call.path.removeprefix(DATA)
        if path in {"/query", "/queryAll"}:
            return self._query(call.query["q"], deleted=path == "/queryAll")
        if path.startswith("/query/"):
            begin, query = path.removeprefix("/query/").split("-", 1)
            return self._page(self._found(bytes.fromhex(query).decode()), int(begin), query)
        if path == "/limits":
            return Said(200, {"DailyApiRequests": {"Max": 15000, "Remaining": 14990}})
        if path.endswith("/describe"):
            return self._describe(path.split("/")[2])
        if path == "/sobjects/CaseComment":
            told = call.json
            name = self.comment(told["ParentId"], told["CommentBody"], published=told["IsPublished"])
            return Said(201, {"id": name, "success": True, "errors": []})
        if path == "/actions/standard/emailSimple":
            return self._send(call.json["inputs"][0])
        if path == "/sobjects/Attachment/00P000000000001AAA/Body":
            return Said(200, b"out of space")
        if path == "/sobjects/ContentVersion/068000000000001AAA/VersionData":
            return Said(200, b"%PDF")
        if path.startswith("/sobjects/Case/") and call.method == "PATCH":
            self.set(path.rsplit("/", 1)[-1], **call.json)
            return Said(204)
        return _error(404, "NOT_FOUND", "The requested resource does not exist")

    def _send(self, told: dict[str, Any]) -> Said:
        if told.get("senderAddress") == "other@acme.test":
            errors = [{"statusCode": "INVALID_PARAMETER", "message": "not an org-wide address"}]
            return Said(400, [{"actionName": "emailSimple", "isSuccess": False, "errors": errors}])
        if self.logs_mail:
            self.mail(told["relatedRecordId"], told["emailBody"].replace("\n", "\r\n"), incoming=False, told=told)
        return Said(200, [{"actionName": "emailSimple", "isSuccess": True, "errors": None, "outputValues": None}])

    def _describe(self, kind: str) -> Said:
        names = {
            "Case": ("Id", "Subject", "Priority", "ContactId", "SuppliedEmail"),
            "EmailMessage": ("TextBody", "Incoming"),
            "CaseComment": ("CommentBody", "IsPublished"),
            "Contact": ("Name", "Email"),
        }[kind]
        fields: list[dict[str, Any]] = [{"name": name} for name in names]
        if kind == "Case":
            values = ("New", "Working", "Closed", "Vendor", "Odd")
            fields.append({"name": "Status", "picklistValues": [{"value": each, "active": True} for each in values]})
        return Said(200, {"fields": fields})

    def _query(self, query: str, *, deleted: bool) -> Said:
        if "COUNT()" in query:
            return Said(200, {"totalSize": 3, "done": True, "records": []})
        if deleted:
            case_id = re.findall(r"'(\w+)'", query)[0]
            found = [{"MasterRecordId": self.deleted[case_id] or None}] if case_id in self.deleted else []
            return Said(200, {"totalSize": len(found), "done": True, "records": found})
        return self._page(self._found(query), 0, query.encode().hex())

    def _page(self, found: list[dict[str, Any]], begin: int, query: str) -> Said:
        following = {"nextRecordsUrl": f"{DATA}/query/{begin + 2}-{query}"} if found[begin + 2 :] else {}
        shown = found[begin : begin + 2]
        return Said(200, {"totalSize": len(found), "done": not following, "records": shown, **following})

    def _found(self, query: str) -> list[dict[str, Any]]:
        table = re.findall(r"FROM (\w+)", query)[0]
        ids = re.findall(r"'(\w+)'", query)
        rows = {
            "Case": list(self.cases.values()),
            "EmailMessage": self.mails,
            "CaseComment": self.comments,
            "Contact": [{"Id": CONTACT, "Name": "Marta Müller", "Email": None, "Account": {"Name": "Müller & Söhne"}}],
            "Attachment": [{"Id": "00P000000000001AAA", "Name": "log.txt"}],
            "ContentDocumentLink": [{"ContentDocument": _PLAN}],
        }[table]
        if table in {"Attachment", "ContentDocumentLink"}:
            return [{**each, "ParentId": ids[0], "LinkedEntityId": ids[0]} for each in rows]
        if since := re.search(r"SystemModstamp > (\S+)", query):
            begin = datetime.fromisoformat(since.group(1))
            return [each for each in rows if datetime.fromisoformat(each["SystemModstamp"]) > begin]
        if "IsClosed = false" in query:
            return [each for each in rows if not each["IsClosed"]]
        column = "Id" if "WHERE Id =" in query else "ParentId"
        return [each for each in rows if each[column] in ids]


def _error(status: int, code: str, message: str) -> Said:
    return Said(status, [{"message": message, "errorCode": code, "fields": []}])


def posted(*notifications: tuple[str, str], org: str = ORG, before: str = "") -> WebhookRequest:
    """An outbound message; each notification has its own id and a case's."""
    told = "".join(
        f'<Notification><Id>{name}</Id><sObject xsi:type="sf:Case" '
        f'xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>{case}</sf:Id></sObject></Notification>'
        for name, case in notifications
    )
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<soapenv:Envelope '
        'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
        '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
        f"<OrganizationId>{org}</OrganizationId><SessionId xsi:nil='true'/>{told}"
        "</notifications></soapenv:Body></soapenv:Envelope>"
    )
    return WebhookRequest("POST", "https://desk.example/hooks/in/abc", {"content-type": "text/xml"}, body.encode())
