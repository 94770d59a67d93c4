"""Outbound messages of Salesforce: SOAP, up to a hundred notifications a call, repeated for a day until they are taken.

They bear no signature. Whoever knows the connection's own address and the organisation's id can make the desk look at
a case, and nothing more: what a call says is not believed, it is read from the API.
"""

from __future__ import annotations

import hmac
from importlib import import_module
from typing import Any

from connectors.crm.salesforce.settings import SalesforceSettings
from connectors.crm.tickets import hint
from desk.errors import FalseSignatureError, InvalidInputError
from desk.ports import RawMessage, WebhookAnswer, WebhookRequest

_etree = import_module("lxml.etree")  # compiled and without stubs
_OUTBOUND = "{http://soap.sforce.com/2005/09/outbound}"
MOST_NOTIFICATIONS = 100
_ACK = (
    b'<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
    b'<soapenv:Body><notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack>'
    b"</notificationsResponse></soapenv:Body></soapenv:Envelope>"
)


def accept(request: WebhookRequest, settings: SalesforceSettings) -> WebhookAnswer:
    """Raises FalseSignatureError, InvalidInputError."""
    if request.method != "POST":
        return WebhookAnswer(body=b"Salesforce posts here.")
    told = _read(request.body).find(f".//{_OUTBOUND}notifications")
    if told is None:
        msg = "the body is no outbound message of Salesforce"
        raise InvalidInputError(msg)
    org = str(told.findtext(f"{_OUTBOUND}OrganizationId") or "")
    if not settings.org or not hmac.compare_digest(org[:15].encode(), settings.org[:15].encode()):
        msg = "the outbound message is not of the organisation that this connection names"
        raise FalseSignatureError(msg)
    found = told.findall(f"{_OUTBOUND}Notification")[:MOST_NOTIFICATIONS]
    messages = tuple(message for each in found for message in _messages(each))
    return WebhookAnswer(messages, body=_ACK, media_type="text/xml")


def _read(body: bytes) -> Any:
    parser: Any = _etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )
    try:
        root: Any = _etree.fromstring(body, parser)
    except (_etree.XMLSyntaxError, ValueError) as error:
        msg = "the body is no XML"
        raise InvalidInputError(msg) from error
    if root.getroottree().docinfo.doctype:
        msg = "the body has a document type, which no outbound message has"
        raise InvalidInputError(msg)
    return root


def _messages(notification: Any) -> list[RawMessage]:
    name = str(notification.findtext(f"{_OUTBOUND}Id") or "")
    record = notification.find(f"{_OUTBOUND}sObject")
    if record is None or not name:
        return []
    values = {_etree.QName(each).localname: str(each.text or "") for each in record if isinstance(each.tag, str)}
    kind = next((str(value).rpartition(":")[2] for key, value in record.attrib.items() if key.endswith("}type")), "")
    case = values.get("Id", "") if kind in {"", "Case"} else values.get("ParentId", "")
    return [hint(name, case)] if case else []
