"""WhatsApp by Twilio: `WebhookChannel`, `WatchedChannel`, `PartedChannel` and more of kind `whatsapp_twilio`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin
from uuid import UUID

import httpx
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.rest import Client
from twilio.rest.api.v2010.account.message import MessageInstance

from connectors.whatsapp.shapes import as_object
from connectors.whatsapp.templates import variables_in
from connectors.whatsapp.twilio import incoming, outgoing
from connectors.whatsapp.twilio.errors import verdict_of, words_of
from connectors.whatsapp.twilio.settings import FORM, TwilioSettings, configure, read_settings
from connectors.whatsapp.twilio.transport import client_of
from desk.egress import Caps, EgressRules, guarded_client
from desk.errors import ChannelError, DeskError, InvalidInputError, RefusedAddressError
from desk.ports import (
    ApprovedTemplate,
    Batch,
    ChannelForm,
    Clock,
    ConfiguredChannel,
    ConnectionDetails,
    Feed,
    FileReference,
    HealthCheck,
    Inbound,
    InboundFile,
    OutgoingReply,
    SendOutcome,
    TemplateVariable,
    WebhookAnswer,
    WebhookRequest,
)

ANSWER_SECONDS = 15.0
LOOK_UP_AFTER_SECONDS = 3.0
POLL_SECONDS = 60.0
OVERLAP = timedelta(minutes=15)
"""Looked at again each time: a message may be listed later than one that was sent after it."""
PAGE = 200
MOST_LISTED = 1_000
LARGEST_FILE = 25_000_000
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class TwilioWhatsApp:
    def __init__(
        self,
        rules: EgressRules,
        clock: Clock,
        *,
        answer_seconds: float = ANSWER_SECONDS,
        look_up_after_seconds: float = LOOK_UP_AFTER_SECONDS,
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._answer_seconds = answer_seconds
        self._look_up_after_seconds = look_up_after_seconds

    @property
    def kind(self) -> str:
        return "whatsapp_twilio"

    @property
    def form(self) -> ChannelForm:
        return FORM

    def facts(self, connection: ConnectionDetails) -> tuple[tuple[str, str], ...]:
        return (("Number", str(connection.settings.get("number") or "")),)

    def configure(self, given: Mapping[str, Any], before: ConfiguredChannel | None) -> ConfiguredChannel:
        return configure(given, before, self._rules)

    def accept(self, request: WebhookRequest, connection: ConnectionDetails) -> WebhookAnswer:
        return incoming.accept(request, read_settings(connection.settings), self._clock.now())

    def parse(self, raw: bytes, connection: ConnectionDetails) -> Inbound:
        return incoming.parse(raw, read_settings(connection.settings))

    def parts(self, reply: OutgoingReply) -> tuple[OutgoingReply, ...]:
        return outgoing.parts(reply)

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        try:
            settings = read_settings(reply.configuration)
            said = outgoing.message(reply, settings)
            made = await self._client(settings).messages.create_async(**said)
        except DeskError as error:
            return SendOutcome("failed", error.detail)
        except (TwilioRestException, TwilioServiceException) as error:
            return await self._refused(reply, error)
        except NEVER_SENT as error:
            return SendOutcome("retry", f"Twilio could not be reached ({type(error).__name__})")
        except (httpx.HTTPError, TwilioException, ValueError) as error:
            # An answer that is lost, or is no JSON: the message may be on its way.
            return await self._look_up_soon(reply, f"Twilio's answer was lost ({type(error).__name__})")
        return _outcome(made) or await self._look_up_soon(reply, "Twilio answered without naming the message")

    async def reconcile(self, reply: OutgoingReply) -> SendOutcome:
        try:
            settings = read_settings(reply.configuration)
            return await self._look_up(reply, settings, "")
        except DeskError as error:
            return SendOutcome("uncertain", f"could not be looked up: {error.detail}")

    @asynccontextmanager
    async def watch(self, connection: ConnectionDetails) -> AsyncGenerator[Feed]:
        try:
            settings = read_settings(connection.settings)
        except InvalidInputError as error:
            raise ChannelError("settings", error.detail) from error
        yield MessageList(self._client(settings), settings, self._clock)

    def trial(self, connection: ConnectionDetails, delivery_id: UUID) -> Mapping[str, Any]:
        del delivery_id
        number = read_settings(connection.settings).test_number
        if not number:
            msg = "enter a number for tests first, and write to the desk's number from it"
            raise InvalidInputError(msg)
        return {"whatsapp": f"whatsapp:{number}"}

    async def check(self, connection: ConnectionDetails) -> tuple[HealthCheck, ...]:
        try:
            settings = read_settings(connection.settings)
            account = await _asked(self._client(settings).api.v2010.accounts(settings.account_sid).fetch_async())
        except DeskError as error:
            return (HealthCheck("account", passed=False, detail=error.detail),)
        found = HealthCheck("account", account.status == "active", f"{account.friendly_name}, {account.status}")
        try:
            await _asked(self._client(settings).messages.list_async(to=settings.sender, limit=1, page_size=1))
        except ChannelError as error:
            return (found, HealthCheck("messages", passed=False, detail=error.detail))
        return (found, HealthCheck("messages", passed=True, detail=f"messages to {settings.number} can be listed"))

    async def templates(self, connection: ConnectionDetails) -> tuple[ApprovedTemplate, ...]:
        try:
            settings = read_settings(connection.settings)
        except InvalidInputError as error:
            raise ChannelError("settings", error.detail) from error
        listed = self._client(settings).content.v1.content_and_approvals.list_async(limit=MOST_LISTED, page_size=PAGE)
        return tuple(
            _template(each.sid or "", each.friendly_name or "", each.language or "", each.variables, each.types,
                      each.approval_requests)
            for each in await _asked(listed)
        )  # fmt: skip

    async def fetch_file(self, connection: ConnectionDetails, reference: FileReference) -> InboundFile:
        settings, wanted = read_settings(connection.settings), reference.reference
        declared, address = str(wanted.get("type") or ""), str(wanted.get("url") or "")
        if not address:
            declared, address = await self._listed_file(settings, str(wanted["message"]), int(wanted["at"]))
        if not incoming.is_of_twilio(address, settings):
            return InboundFile(reference.name, declared, b"")
        status, content = await self._download(address, settings)
        if status in {401, 403, 429} or status >= 500:
            msg = f"Twilio does not give the file out now (HTTP {status})"
            raise ChannelError("network", msg)
        name = reference.name if status != 413 else f"{reference.name} (too large to be kept)"
        return InboundFile(name, declared, content if status == 200 else b"")

    async def _listed_file(self, settings: TwilioSettings, message: str, at: int) -> tuple[str, str]:
        media = await _asked(self._client(settings).messages(message).media.list_async(limit=incoming.MOST_FILES))
        if at >= len(media):
            return "", ""
        address = str(media[at].uri or "").removesuffix(".json")
        return str(media[at].content_type or ""), urljoin(f"{settings.api_address}/", address)

    async def _download(self, address: str, settings: TwilioSettings) -> tuple[int, bytes]:
        """Status and bytes. The address redirects to a store elsewhere, which must not see the credentials."""
        auth: httpx.BasicAuth | None = httpx.BasicAuth(*settings.credentials)
        try:
            for _ in range(4):
                async with guarded_client(self._rules, Caps(self._answer_seconds * 4, LARGEST_FILE)) as client:
                    answer = await client.get(address, auth=auth)
                target = answer.headers.get("location")
                if answer.status_code not in {301, 302, 303, 307, 308} or not target:
                    return answer.status_code, answer.content
                address, auth = urljoin(address, target), None
        except RefusedAddressError as error:
            raise ChannelError("protocol", error.detail) from error
        except httpx.HTTPError as error:
            if "longer than" in str(error):
                return 413, b""
            raise ChannelError("network", f"the file could not be fetched ({type(error).__name__})") from error
        return 508, b""

    def _client(self, settings: TwilioSettings) -> Client:
        self._rules.check_url(settings.api_address)
        return client_of(self._rules, settings, self._answer_seconds)

    async def _refused(self, reply: OutgoingReply, error: TwilioRestException | TwilioServiceException) -> SendOutcome:
        code, told = _said(error)
        verdict = verdict_of(code, int(error.status))
        if verdict == "uncertain":
            return await self._look_up_soon(reply, words_of(code, told))
        return SendOutcome(verdict, words_of(code, told))

    async def _look_up_soon(self, reply: OutgoingReply, why: str) -> SendOutcome:
        await asyncio.sleep(self._look_up_after_seconds)
        try:
            return await self._look_up(reply, read_settings(reply.configuration), why)
        except DeskError as error:
            return SendOutcome("uncertain", f"{why}; could not be looked up: {error.detail}")

    async def _look_up(self, reply: OutgoingReply, settings: TwilioSettings, why: str) -> SendOutcome:
        """Only one message with these words to this person since the approval is surely this one. None found says
        nothing: it may still be on its way into the list. Raises ChannelError, InvalidInputError."""
        to = outgoing.address_of(reply.recipient)
        since = reply.approved_at - timedelta(seconds=5)
        listed = await _asked(
            self._client(settings).messages.list_async(to=to, from_=settings.sender, limit=MOST_LISTED, page_size=PAGE)
        )
        same = [
            each
            for each in listed
            if (each.date_created is None or each.date_created >= since)
            and each.sid not in reply.known_keys
            and _is_same(each, reply)
        ]
        if len(same) == 1:
            return _outcome(same[0], "found in Twilio's list") or SendOutcome("uncertain", why)
        seen = "Twilio lists several like it" if same else "Twilio does not list it"
        return SendOutcome("uncertain", "; ".join(each for each in (why, seen) if each))


class MessageList:
    """The messages that came in, as Twilio lists them: what fills the gaps of calls that never arrived."""

    def __init__(self, client: Client, settings: TwilioSettings, clock: Clock) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock

    async def fetch(self, cursor: Mapping[str, Any]) -> Batch:
        now = self._clock.now()
        if not cursor:
            return Batch((), {"since": now.isoformat()})
        since = datetime.fromisoformat(str(cursor["since"])) - OVERLAP
        listed = await _asked(
            self._client.messages.list_async(
                to=self._settings.sender, date_sent_after=since, limit=MOST_LISTED, page_size=PAGE
            )
        )
        came = [each for each in listed if each.direction == "inbound" and each.sid]
        came.sort(key=lambda each: (each.date_sent or now, str(each.sid)))
        return Batch(tuple(incoming.listed_message(_kept(each)) for each in came), {"since": now.isoformat()})

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, POLL_SECONDS))


def _outcome(message: MessageInstance, detail: str = "") -> SendOutcome | None:
    """None for a message without a name."""
    if not message.sid:
        return None
    if message.status in {"failed", "undelivered", "canceled"}:
        return SendOutcome("failed", words_of(int(message.error_code or 0), message.error_message or ""), message.sid)
    return SendOutcome("sent", detail, message.sid)


def _kept(message: MessageInstance) -> dict[str, Any]:
    sent = message.date_sent or message.date_created
    return {
        "sid": message.sid,
        "from": message.from_,
        "to": message.to,
        "body": message.body,
        "num_media": message.num_media,
        "date_sent": sent.isoformat() if sent else "",
    }


def _is_same(message: MessageInstance, reply: OutgoingReply) -> bool:
    if not str(message.direction or "").startswith("outbound"):
        return False
    if reply.files or reply.recipient.get("template"):
        # The list names neither a file's address nor a template: nothing tells one from another.
        return False
    return (message.body or "").split() == reply.body.split()


def _template(
    sid: str, name: str, language: str, variables: object, types: object, approval: object
) -> ApprovedTemplate:
    kinds, asked = as_object(types), as_object(approval)
    text = as_object(kinds.get("twilio/text") or kinds.get("twilio/quick-reply"))
    body = str(text.get("body") or "")
    examples = as_object(variables)
    return ApprovedTemplate(
        key=sid,
        name=str(asked.get("name") or name),
        language=language,
        category=str(asked.get("category") or "").lower(),
        status=str(asked.get("status") or "unsubmitted").lower(),
        body=body,
        variables=tuple(TemplateVariable(each, str(examples.get(each) or "")) for each in variables_in(body)),
        hindrance="" if body else "it is of a kind the desk does not fill in",
    )


def _said(error: TwilioRestException | TwilioServiceException) -> tuple[int, str]:
    told = error.msg if isinstance(error, TwilioRestException) else error.detail or error.title
    code = int(error.code or 0)
    # Without a code of Twilio's own the SDK repeats the HTTP status there.
    return (0 if code == error.status else code), str(told or "")


async def _asked(call: Any) -> Any:
    """The answer of a call that changes nothing. Raises ChannelError."""
    try:
        return await call
    except RefusedAddressError as error:
        raise ChannelError("settings", error.detail) from error
    except (TwilioRestException, TwilioServiceException) as error:
        code, told = _said(error)
        reason = "network" if error.status == 429 or int(error.status) >= 500 else "settings"
        raise ChannelError("sign_in" if int(error.status) == 401 else reason, words_of(code, told)) from error
    except httpx.HTTPError as error:
        raise ChannelError("network", f"Twilio cannot be reached ({type(error).__name__})") from error
    except (TwilioException, ValueError) as error:
        raise ChannelError("protocol", "Twilio's answer is not what it should be") from error
