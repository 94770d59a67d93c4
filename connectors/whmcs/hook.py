"""The hook file for a tenant's WHMCS, and the calls it makes.

It runs inside the page request of a customer: it says which ticket something happened to, waits three seconds at the
most, and swallows everything that goes wrong. What was written is read by the desk itself afterwards.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from connectors.whmcs.reading import hint_message, merge_message
from connectors.whmcs.settings import WhmcsSettings
from desk.errors import FalseSignatureError, InvalidInputError
from desk.ports import RawMessage, SetupFile, WebhookAnswer, WebhookRequest

WINDOW_SECONDS = 300
EVENTS = (
    "TicketOpen", "TicketOpenAdmin", "TicketUserReply", "TicketAdminReply", "TicketAddNote", "TicketClose",
    "TicketStatusChange", "TicketDepartmentChange", "TicketPriorityChange", "TicketSubjectChange", "TicketMerge",
    "TicketSplit", "TicketDelete", "TicketDeleteReply",
)  # fmt: skip
_TICKETS = ("ticketid", "ticketId", "originalTicketId", "newTicketID", "newTicketId", "masterTicketId")

_FILE = """<?php
/**
 * Tells Draftdesk which support ticket has changed. Put this file into includes/hooks of WHMCS.
 *
 * It sends the name of what happened and the ids of ticket and reply, signed, and nothing of what anybody wrote.
 * It waits three seconds at the most, and whatever goes wrong stays here: WHMCS goes on in any case.
 */
if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

$draftdeskEvents = array(@EVENTS@);

foreach ($draftdeskEvents as $draftdeskEvent) {
    add_hook($draftdeskEvent, 1, function ($vars) use ($draftdeskEvent) {
        try {
            if (!function_exists('curl_init')) {
                return;
            }
            $told = array('event' => $draftdeskEvent);
            $names = array(@NAMES@);
            foreach ($names as $name) {
                if (isset($vars[$name])) {
                    $told[$name] = $vars[$name];
                }
            }
            $body = json_encode($told);
            $time = (string) time();
            $signature = hash_hmac('sha256', $time . '.' . $body, @SECRET@);
            $call = curl_init(@ADDRESS@);
            curl_setopt_array($call, array(
                CURLOPT_POST => true,
                CURLOPT_POSTFIELDS => $body,
                CURLOPT_HTTPHEADER => array(
                    'Content-Type: application/json',
                    'X-Desk-Timestamp: ' . $time,
                    'X-Desk-Signature: sha256=' . $signature,
                ),
                CURLOPT_RETURNTRANSFER => true,
                CURLOPT_FOLLOWLOCATION => false,
                CURLOPT_NOSIGNAL => true,
                CURLOPT_CONNECTTIMEOUT => 2,
                CURLOPT_TIMEOUT => 3,
            ));
            curl_exec($call);
            curl_close($call);
        } catch (\\Throwable $problem) {
            return;
        }
    });
}
"""


def hook_file(settings: WhmcsSettings, address: str) -> SetupFile:
    words = {
        "EVENTS": ", ".join(_quoted(event) for event in EVENTS),
        "NAMES": ", ".join(_quoted(name) for name in (*_TICKETS, "replyid", "replyId", "mergedTicketIds")),
        "SECRET": _quoted(settings.hook_secret.reveal()),
        "ADDRESS": _quoted(address),
    }
    content = _FILE
    for name, value in words.items():
        content = content.replace(f"@{name}@", value)
    return SetupFile("draftdesk.php", "application/x-php", content.encode())


def _quoted(text: str) -> str:
    """A PHP string in single quotes, in which only the backslash and the quote mean something."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def signature_of(secret: str, timestamp: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def accept(request: WebhookRequest, settings: WhmcsSettings, now: datetime) -> WebhookAnswer:
    """Raises FalseSignatureError, InvalidInputError."""
    timestamp = request.headers.get("x-desk-timestamp", "")
    given = request.headers.get("x-desk-signature", "").encode()
    wanted = signature_of(settings.hook_secret.reveal(), timestamp, request.body)
    if not timestamp.isdecimal() or not hmac.compare_digest(wanted.encode(), given):
        msg = "the call does not carry the signature of this connection's hook file"
        raise FalseSignatureError(msg)
    if abs(now.timestamp() - int(timestamp[:15])) > WINDOW_SECONDS:
        msg = "the call is older or newer than five minutes; check the clock of the server WHMCS runs on"
        raise FalseSignatureError(msg)
    return WebhookAnswer(_hints(_told(request.body), timestamp), status=200, body=b"ok")


def _told(body: bytes) -> Mapping[str, Any]:
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        msg = "the body of the call is no JSON"
        raise InvalidInputError(msg) from error
    named: Mapping[str, Any] = cast("Mapping[str, Any]", told if isinstance(told, dict) else {})
    if named.get("event") not in EVENTS:
        msg = "the call names no event of WHMCS"
        raise InvalidInputError(msg)
    return named


def _hints(told: Mapping[str, Any], timestamp: str) -> tuple[RawMessage, ...]:
    """What a merge has taken away first, then the tickets to look at. The same event twice is one."""
    event = str(told["event"])
    reply = told.get("replyid") or told.get("replyId") or ("" if event == "TicketOpen" else timestamp)
    name = f"{event}:{reply}"
    found: list[RawMessage] = []
    if event == "TicketMerge" and (master := _id(told.get("masterTicketId"))):
        merged: Any = told.get("mergedTicketIds")
        listed = cast("list[Any]", merged) if isinstance(merged, list) else [merged]
        found += [merge_message(each, master, name) for each in map(_id, listed) if each and each != master]
    tickets = dict.fromkeys(ticket for field in _TICKETS if (ticket := _id(told.get(field))))
    return (*found, *(hint_message(f"{name}:{ticket}", ticket) for ticket in tickets))


def _id(value: object) -> str:
    written = str(value).strip()
    return str(int(written)) if written.isdecimal() and 0 < int(written) < 2**63 else ""
