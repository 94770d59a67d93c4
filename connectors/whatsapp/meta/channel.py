"""WhatsApp by Meta's Cloud API: `WebhookChannel`, `PartedChannel` and more of kind `whatsapp_meta`.

Meta has no way to list messages, neither those that came in nor those that went out. Gaps are filled by Meta itself,
which repeats a call for up to seven days until it is answered; a reply whose answer was lost is recognised when its
status comes, by the name it was given (`biz_opaque_callback_data`).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx

from connectors.whatsapp.meta import catalogue, incoming, outgoing
from connectors.whatsapp.meta.errors import SIGN_IN, code_of, verdict_of, words_of
from connectors.whatsapp.meta.graph import NEVER_SENT, Answer, Graph
from connectors.whatsapp.meta.settings import FORM, MetaSettings, configure, read_settings
from connectors.whatsapp.shapes import as_objects
from desk.egress import EgressRules
from desk.errors import ChannelError, DeskError, InvalidInputError
from desk.ports import (
    ApprovedTemplate,
    ChannelForm,
    Clock,
    ConfiguredChannel,
    ConnectionDetails,
    FileReference,
    HealthCheck,
    Inbound,
    InboundFile,
    OutgoingReply,
    SendOutcome,
    WebhookAnswer,
    WebhookRequest,
)

ANSWER_SECONDS = 20.0
LARGEST_FILE = 25_000_000


class MetaWhatsApp:
    def __init__(self, rules: EgressRules, clock: Clock, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._rules = rules
        self._graph = Graph(rules, clock, answer_seconds)

    @property
    def kind(self) -> str:
        return "whatsapp_meta"

    @property
    def form(self) -> ChannelForm:
        return FORM

    def facts(self, connection: ConnectionDetails) -> tuple[tuple[str, str], ...]:
        return (("Phone number id", str(connection.settings.get("phone_number_id") or "")),)

    def configure(self, given: Mapping[str, Any], before: ConfiguredChannel | None) -> ConfiguredChannel:
        return configure(given, before, self._rules)

    def accept(self, request: WebhookRequest, connection: ConnectionDetails) -> WebhookAnswer:
        return incoming.accept(request, read_settings(connection.settings))

    def parse(self, raw: bytes, connection: ConnectionDetails) -> Inbound:
        return incoming.parse(raw, read_settings(connection.settings))

    def parts(self, reply: OutgoingReply) -> tuple[OutgoingReply, ...]:
        return outgoing.parts(reply)

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        try:
            settings = read_settings(reply.configuration)
            self._rules.check_url(settings.api_address)
            media_id = await self._upload(settings, reply)
            said = outgoing.message(reply, media_id)
            address = settings.address(f"{settings.phone_number_id}/messages")
        except ChannelError as error:
            return SendOutcome("retry" if error.reason == "network" else "failed", error.detail)
        except DeskError as error:
            return SendOutcome("failed", error.detail)
        try:
            return _outcome(await self._graph.call(settings, "POST", address, json=said))
        except DeskError as error:
            return SendOutcome("failed", error.detail)
        except NEVER_SENT as error:
            return SendOutcome("retry", f"Meta could not be reached ({type(error).__name__})")
        except httpx.HTTPError as error:
            return SendOutcome("uncertain", f"Meta's answer was lost ({type(error).__name__}); its status will tell")

    async def reconcile(self, reply: OutgoingReply) -> SendOutcome:
        """Meta tells of a message only by the statuses it sends; one that comes settles this by itself."""
        del reply
        return SendOutcome("uncertain", "Meta cannot be asked whether it was sent; its status will tell when it comes")

    def trial(self, connection: ConnectionDetails, delivery_id: UUID) -> Mapping[str, Any]:
        del delivery_id
        number = read_settings(connection.settings).test_number
        digits = "".join(letter for letter in number if letter.isdigit())
        if not digits:
            msg = "enter a number for tests first, and write to the desk's number from it"
            raise InvalidInputError(msg)
        return {"whatsapp": digits}

    async def check(self, connection: ConnectionDetails) -> tuple[HealthCheck, ...]:
        try:
            settings = read_settings(connection.settings)
            self._rules.check_url(settings.api_address)
        except DeskError as error:
            return (HealthCheck("settings", passed=False, detail=error.detail),)
        return (await self._check_number(settings), await self._check_subscription(settings))

    async def templates(self, connection: ConnectionDetails) -> tuple[ApprovedTemplate, ...]:
        try:
            settings = read_settings(connection.settings)
        except InvalidInputError as error:
            raise ChannelError("settings", error.detail) from error
        return await catalogue.all_templates(self._graph, settings)

    async def fetch_file(self, connection: ConnectionDetails, reference: FileReference) -> InboundFile:
        settings, wanted = read_settings(connection.settings), reference.reference
        declared = str(wanted.get("mime_type") or "")
        try:
            told = await self._graph.ask(settings, "GET", settings.address(str(wanted["id"])))
        except ChannelError as error:
            if error.reason in {"network", "sign_in"}:
                raise
            return InboundFile(reference.name, declared, b"")
        size = int(told.get("file_size") or 0)
        if size > LARGEST_FILE:
            return InboundFile(f"{reference.name} ({size / 1e6:.0f} MB, too large to be kept)", declared, b"")
        status, content = await self._graph.download(settings, str(told.get("url") or ""), LARGEST_FILE)
        if status in {401, 403, 429} or status >= 500:
            msg = f"Meta does not give the file out now (HTTP {status})"
            raise ChannelError("network", msg)
        if status != 200 or not _is_whole(content, str(wanted.get("sha256") or told.get("sha256") or "")):
            return InboundFile(reference.name, declared, b"")
        return InboundFile(reference.name, declared, content)

    async def _upload(self, settings: MetaSettings, reply: OutgoingReply) -> str:
        """Before the message, which then only names it: an upload that nobody uses is deleted by Meta."""
        if not reply.files or reply.recipient.get("template"):
            return ""
        file = reply.files[0]
        outgoing.media_kind(file)
        told = await self._graph.ask(
            settings,
            "POST",
            settings.address(f"{settings.phone_number_id}/media"),
            data={"messaging_product": "whatsapp", "type": file.media_type},
            files={"file": (file.name, file.content, file.media_type)},
        )
        return str(told.get("id") or "")

    async def _check_number(self, settings: MetaSettings) -> HealthCheck:
        fields = {"fields": "display_phone_number,verified_name,quality_rating"}
        try:
            told = await self._graph.ask(settings, "GET", settings.address(settings.phone_number_id), params=fields)
        except ChannelError as error:
            return HealthCheck("number", passed=False, detail=error.detail)
        words = (str(told.get(name) or "") for name in ("display_phone_number", "verified_name"))
        quality = str(told.get("quality_rating") or "").lower()
        shown = ", ".join(each for each in words if each) + (f", quality {quality}" if quality else "")
        return HealthCheck("number", passed=True, detail=shown)

    async def _check_subscription(self, settings: MetaSettings) -> HealthCheck:
        """Without it Meta calls nobody; subscribing again changes nothing."""
        address = settings.address(f"{settings.business_account_id}/subscribed_apps")
        try:
            told = await self._graph.ask(settings, "GET", address)
            if told.get("data"):
                return HealthCheck("webhook", passed=True, detail="Meta calls your app for this account")
            await self._graph.ask(settings, "POST", address)
        except ChannelError as error:
            return HealthCheck("webhook", passed=False, detail=error.detail)
        return HealthCheck("webhook", passed=True, detail="your app was not subscribed to this account; now it is")


def _outcome(answer: Answer) -> SendOutcome:
    if answer.error:
        code = code_of(answer.error)
        words = words_of(answer.error)
        verdict = verdict_of(code, answer.status)
        if code in SIGN_IN:
            return SendOutcome("failed", words)
        return SendOutcome(verdict, words, retry_after_seconds=answer.retry_after if verdict == "retry" else None)
    key = next((str(each.get("id") or "") for each in as_objects(answer.body.get("messages"))), "")
    if not key:
        return SendOutcome("uncertain", f"Meta answered without naming the message (HTTP {answer.status})")
    return SendOutcome("sent", "", key)


def _is_whole(content: bytes, sha256: str) -> bool:
    """Meta gives the digest in hex in one place and in base64 in another; one it does not give is not checked."""
    if not sha256:
        return True
    digest = hashlib.sha256(content)
    return sha256 in {digest.hexdigest(), _base64(digest.digest())}


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
