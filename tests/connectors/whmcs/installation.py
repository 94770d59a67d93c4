# ruff: noqa: N802 - methods carry the names of the API's actions
"""A WHMCS on loopback, with the nastiness of the sheet: strings for numbers, wrapped lists that can be missing, HTML
instead of JSON, no id and no key for replies, answers that are lost after the work was done."""

from __future__ import annotations

import base64
import html
import json
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs

IDENTIFIER, SECRET, ACCESS_KEY = "an-identifier", "a-secret-of-the-api", "key!#1"
ADMIN = "support"
Mishap = Literal["html", "html_500", "lost", "refuse_ip", "rate_limit", "warning", "lost_before"]
"""`lost`: done, and the connection is closed without an answer. `lost_before`: closed, and nothing was done."""
_PRODUCTS = [
    {
        "id": "31", "name": "Webspace M", "domain": "marta.example", "status": "Active", "nextduedate": "2026-12-24",
        "recurringamount": "12.00", "billingcycle": "Monthly", "serverhostname": "web7.acme.test",
        "username": "marta", "password": "hosting-password",
    },
    {"id": "30", "name": "Old plan", "domain": "gone.example", "status": "Terminated", "nextduedate": "0000-00-00"},
]  # fmt: skip
_INVOICES = [
    {
        "id": "4711", "invoicenum": "", "duedate": "2026-11-30", "total": "12.00", "status": "Unpaid",
        "currencycode": "EUR",
    },
    {
        "id": "4600", "invoicenum": "R-4600", "duedate": "2026-10-30", "total": "12.00", "status": "Paid",
        "currencycode": "EUR",
    },
]  # fmt: skip


@dataclass
class Whmcs:
    """The data, and what goes wrong next. Times are those of a server two hours east of Greenwich."""

    url: str = ""
    tickets: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    mishaps: dict[str, list[Mishap | None]] = field(default_factory=dict[str, list[Mishap | None]])
    """By action, used up one a call."""
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])
    forbidden: set[str] = field(default_factory=set[str])
    """Actions the API role does not allow."""
    refused_extensions: tuple[str, ...] = (".exe",)
    next_id: int = 100
    seconds: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    def now(self) -> str:
        """A second later each time; entries of one second would be in no order."""
        self.seconds += 1
        east = datetime.now(UTC) + timedelta(hours=2) - timedelta(minutes=10) + timedelta(seconds=self.seconds)
        return east.strftime("%Y-%m-%d %H:%M:%S")

    def fresh(self) -> int:
        self.next_id += 1
        return self.next_id

    # What people do in WHMCS itself ---------------------------------------------------------------------------

    def open(
        self, message: str, subject: str = "Backups", *, userid: int = 7, files: Mapping[str, bytes] | None = None
    ) -> int:
        with self.lock:
            ticket_id = self.fresh()
            name, email = ("Marta Müller", "marta@customer.test") if userid else ("Guest", "guest@elsewhere.test")
            opening = self._entry(message, userid, name, email, files=files) | {"replyid": "0"}
            self.tickets[ticket_id] = {
                "id": ticket_id, "tid": f"ABC-{ticket_id}", "c": "client-access-code", "deptid": 1, "userid": userid,
                "name": name, "email": email, "subject": subject, "status": "Open", "priority": "Medium",
                "date": opening["date"], "lastreply": opening["date"], "replies": [opening], "notes": [],
            }  # fmt: skip
            return ticket_id

    def customer_writes(self, ticket_id: int, message: str, files: Mapping[str, bytes] | None = None) -> int:
        ticket = self.tickets[ticket_id]
        return self._add(ticket, self._entry(message, ticket["userid"], ticket["name"], ticket["email"], files=files),
                         "Customer-Reply")  # fmt: skip

    def admin_writes(self, ticket_id: int, message: str, admin: str = "Olga Operator") -> int:
        return self._add(self.tickets[ticket_id], self._entry(message, 0, "", "", admin=admin), "Answered")

    def admin_notes(self, ticket_id: int, message: str, admin: str = "Olga Operator") -> int:
        with self.lock:
            note_id = self.fresh()
            note = {"noteid": note_id, "date": self.now(), "message": message, "admin": admin}
            self.tickets[ticket_id]["notes"].append(note)
            self.tickets[ticket_id]["lastreply"] = note["date"]
            return note_id

    def set(self, ticket_id: int, **values: Any) -> None:
        with self.lock:
            self.tickets[ticket_id].update(values)

    def merge(self, gone: int, master: int) -> None:
        """The opening message becomes a reply with a number of its own."""
        with self.lock:
            merged, kept = self.tickets.pop(gone), self.tickets[master]
            merged["replies"][0]["replyid"] = str(self.fresh())
            kept["replies"] += merged["replies"]
            kept["lastreply"] = self.now()

    def replies(self, ticket_id: int) -> list[str]:
        return [html.unescape(each["message"]) for each in self.tickets[ticket_id]["replies"] if each["admin"]]

    def _entry(
        self,
        message: str,
        userid: int,
        name: str,
        email: str,
        *,
        admin: str = "",
        files: Mapping[str, bytes] | None = None,
    ) -> dict[str, Any]:
        return {
            "userid": userid, "contactid": 0, "name": name, "email": email, "requestor_name": name,
            "requestor_email": email, "requestor_type": "Operator" if admin else "Owner" if userid else "Guest",
            "date": self.now(), "message": html.escape(message, quote=True).replace("\n", "\r\n"), "admin": admin,
            "files": dict(files or {}),
        }  # fmt: skip

    def _add(self, ticket: dict[str, Any], entry: dict[str, Any], status: str) -> int:
        with self.lock:
            entry["replyid"] = str(self.fresh())
            ticket["replies"].append(entry)
            ticket["status"], ticket["lastreply"] = status, entry["date"]
            return int(entry["replyid"])

    # The API ---------------------------------------------------------------------------------------------------

    def answer(self, form: Mapping[str, str]) -> dict[str, Any]:
        action = form.get("action", "")
        if (form.get("identifier"), form.get("secret")) != (IDENTIFIER, SECRET):
            return _error("Authentication Failed")
        if action in self.forbidden:
            return _error("API Access Not Allowed: the role has no permission for this action")
        with self.lock:
            known: Callable[[Mapping[str, str]], dict[str, Any]] | None = getattr(self, f"_{action}", None)
            return known(form) if known else _error("Action not found")

    def _GetTickets(self, form: Mapping[str, str]) -> dict[str, Any]:
        if form.get("ignore_dept_assignments") != "true":
            return {"result": "success", "totalresults": "0", "startnumber": 0, "numreturned": 0, "tickets": ""}
        wanted = form.get("status", "")
        groups = {
            "All Active Tickets": {"Open", "Answered", "Customer-Reply", "On Hold", "In Progress", "Vendor"},
            "Awaiting Reply": {"Open", "Customer-Reply"},
        }
        statuses = groups.get(wanted, {wanted} if wanted else None)
        found = [each for each in self.tickets.values() if statuses is None or each["status"] in statuses]
        found.sort(key=lambda each: each["lastreply"], reverse=True)
        start = int(form.get("limitstart", 0))
        page = found[start : start + int(form.get("limitnum", 25))]
        if not found:
            return {"result": "success", "totalresults": 0, "startnumber": 0, "numreturned": 0}
        return {
            "result": "success", "totalresults": str(len(found)), "startnumber": str(start),
            "numreturned": str(len(page)), "tickets": {"ticket": [self._head(each) for each in page]},
        }  # fmt: skip

    def _head(self, ticket: Mapping[str, Any]) -> dict[str, Any]:
        names = ("id", "tid", "c", "deptid", "userid", "name", "email", "subject", "status", "priority", "lastreply")
        return {name: str(ticket[name]) for name in names} | {"attachments": [[]], "flag": "0"}

    def _GetTicket(self, form: Mapping[str, str]) -> dict[str, Any]:
        ticket = self.tickets.get(int(form.get("ticketid", 0)))
        if ticket is None:
            return _error("Ticket ID Not Found")
        replies = [
            {name: value for name, value in each.items() if name != "files"}
            | {"attachments": [{"filename": file, "index": str(at)} for at, file in enumerate(each["files"])] or [[]]}
            for each in ticket["replies"]
        ]
        return {
            "result": "success", "ticketid": str(ticket["id"]), "deptname": self._departments()[ticket["deptid"]],
            **self._head(ticket), "replies": {"reply": replies},
            "notes": {"note": ticket["notes"]} if ticket["notes"] else "",
        }  # fmt: skip

    def _GetTicketAttachment(self, form: Mapping[str, str]) -> dict[str, Any]:
        for ticket in self.tickets.values():
            for entry in ticket["replies"]:
                owner = ticket["id"] if form["type"] == "ticket" else int(entry["replyid"])
                is_opening = entry["replyid"] == "0"
                if is_opening == (form["type"] == "ticket") and str(owner) == form["relatedid"]:
                    name, content = list(entry["files"].items())[int(form["index"])]
                    return {"result": "success", "filename": name, "data": base64.b64encode(content).decode()}
        return _error("Invalid Related ID")

    def _AddTicketReply(self, form: Mapping[str, str]) -> dict[str, Any]:
        ticket = self.tickets.get(int(form["ticketid"]))
        if ticket is None:
            return _error("Ticket ID not found")
        if not form.get("message"):
            return _error("Message is required")
        assert "noemail" not in form, "the customer would never be told"
        assert "clientid" not in form, "it would be the customer's own reply"
        given: list[dict[str, str]] = json.loads(base64.b64decode(form["attachments"])) if "attachments" in form else []
        files = {
            each["name"]: base64.b64decode(each["data"])
            for each in given
            if not each["name"].endswith(self.refused_extensions)
        }
        entry = self._entry(form["message"], 0, "", "", admin=form["adminusername"], files=files)
        self._add(ticket, entry, form.get("status", "Answered"))
        return {"result": "success"}

    def _AddTicketNote(self, form: Mapping[str, str]) -> dict[str, Any]:
        if int(form["ticketid"]) not in self.tickets:
            return _error("Ticket ID not found")
        self.admin_notes(int(form["ticketid"]), form["message"], "API")
        return {"result": "success"}

    def _UpdateTicket(self, form: Mapping[str, str]) -> dict[str, Any]:
        ticket = self.tickets.get(int(form["ticketid"]))
        if ticket is None:
            return _error("Ticket ID not found")
        if "status" in form and form["status"] not in _STATUSES:
            return _error(f"Invalid Status. Valid statuses are: {', '.join(_STATUSES)}")
        changes: dict[str, Any] = {name: form[name] for name in ("status", "priority", "subject") if name in form}
        if "deptid" in form:
            changes["deptid"] = int(form["deptid"])
        ticket.update(changes)
        return {"result": "success", "ticketid": form["ticketid"]}

    def _GetSupportDepartments(self, form: Mapping[str, str]) -> dict[str, Any]:
        del form
        listed = [{"id": str(key), "name": name} for key, name in self._departments().items()]
        return {"result": "success", "totalresults": "2", "departments": {"department": listed}}

    def _departments(self) -> dict[int, str]:
        return {1: "Technical", 2: "Billing"}

    def _GetSupportStatuses(self, form: Mapping[str, str]) -> dict[str, Any]:
        del form
        return {"result": "success", "statuses": {"status": [{"title": each, "count": "0"} for each in _STATUSES]}}

    def _GetClientsDetails(self, form: Mapping[str, str]) -> dict[str, Any]:
        if form.get("clientid") != "7":
            return _error("Client Not Found")
        client = {
            "id": "7", "firstname": "Marta", "lastname": "M&uuml;ller", "companyname": "Müller &amp; Söhne",
            "email": "marta@customer.test", "status": "Active", "datecreated": "2019-03-01", "countryname": "Germany",
            "credit": "0.00", "cclastfour": "4242", "securityqans": "Rex",
        }  # fmt: skip
        return {"result": "success", **client, "client": client,
                "stats": {"productsnumactive": "1", "productsnumtotal": "2"}}  # fmt: skip

    def _GetClientsProducts(self, form: Mapping[str, str]) -> dict[str, Any]:
        del form
        return {"result": "success", "totalresults": "2", "products": {"product": _PRODUCTS}}

    def _GetClientsDomains(self, form: Mapping[str, str]) -> dict[str, Any]:
        del form
        return {"result": "success", "totalresults": 0, "domains": ""}

    def _GetInvoices(self, form: Mapping[str, str]) -> dict[str, Any]:
        del form
        return {"result": "success", "totalresults": "2", "invoices": {"invoice": _INVOICES}}


_STATUSES = ("Open", "Answered", "Customer-Reply", "On Hold", "In Progress", "Vendor", "Closed")


def _error(message: str) -> dict[str, Any]:
    return {"result": "error", "message": message}


class _Handler(BaseHTTPRequestHandler):
    installed: Whmcs

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        form = {name: values[-1] for name, values in parse_qs(raw.decode(), keep_blank_values=True).items()}
        action = form.get("action", "")
        self.installed.calls.append((action, form))
        waiting = self.installed.mishaps.get(action)
        mishap = waiting.pop(0) if waiting else None
        is_write = action.startswith(("Add", "Update"))
        if mishap == "lost" or (is_write and mishap in {"html", "html_500", "warning"}):
            self.installed.answer(form)
        if mishap in {"lost", "lost_before"}:
            self.close_connection = True
            self.connection.close()
            return
        self._say(mishap, form)

    def _say(self, mishap: Mishap | None, form: Mapping[str, str]) -> None:
        match mishap:
            case "html":
                self._send(200, b"<html><body><h1>Down for maintenance</h1></body></html>", "text/html")
            case "html_500":
                self._send(500, b"<html><title>Oops</title></html>", "text/html")
            case "warning":
                self._send(200, b'<br />Warning: Undefined index in x.php\n{"result":"success"}', "text/html")
            case "refuse_ip":
                self._send(403, json.dumps(_error("Invalid IP 203.0.113.9")).encode())
            case "rate_limit":
                self._send(429, b"<html>Slow down</html>", "text/html", {"Retry-After": "7"})
            case _:
                self._send(200, json.dumps(self.installed.answer(form)).encode())

    def _send(
        self, status: int, body: bytes, kind: str = "application/json", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        del format, args


@contextmanager
def whmcs_server() -> Generator[Whmcs]:
    installed = Whmcs()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"installed": installed}))
    server.daemon_threads = True
    running = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    running.start()
    installed.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield installed
    finally:
        server.shutdown()
        server.server_close()
        running.join(5)


def form_for(installed: Whmcs) -> dict[str, Any]:
    return {
        "url": installed.url,
        "identifier": IDENTIFIER,
        "secret": SECRET,
        "access_key": ACCESS_KEY,
        "admin": ADMIN,
        "time_zone": "Etc/GMT-2",
        "statuses": "Vendor = on_hold",
    }
