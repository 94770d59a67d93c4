"""Salesforce cases: the case itself, the e-mails and comments on it, and its contact."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from connectors.crm.account import Changed, Written
from connectors.crm.api import FILE
from connectors.crm.salesforce.api import DATA, SalesforceApi, quoted
from connectors.crm.salesforce.settings import SalesforceSettings
from connectors.crm.tickets import Author, Entry, GoneTicket, SeenTicket, in_order, is_among, moment
from connectors.crm.words import TicketWords
from desk.calls import CallError, RefusedCallError, UnclearAnswerError, as_object, objects, text
from desk.ports import Clock, CustomerFact, FactSection, HealthCheck, OutgoingReply

OVERLAP = timedelta(minutes=5)
"""What was committed later may bear an earlier time."""
LONGEST_COMMENT = 4_000
"""Bytes."""
SPARING_SECONDS = 900.0
_CASE = (
    "SELECT Id, CaseNumber, Subject, Description, Status, IsClosed, Priority, ContactId, Contact.Name, Contact.Email, "
    "SuppliedEmail, SuppliedName, CreatedDate FROM Case WHERE Id = "
)
_MAILS = (
    "SELECT Id, Incoming, Subject, TextBody, HtmlBody, FromAddress, FromName, Status, MessageDate, CreatedDate, "
    "HasAttachment FROM EmailMessage WHERE ParentId = "
)
_COMMENTS = (
    "SELECT Id, CommentBody, IsPublished, CreatedDate, CreatedBy.Name, CreatedBy.UserType FROM CaseComment "
    "WHERE ParentId = "
)
_CONTACT = (
    "SELECT Name, Email, Phone, MobilePhone, Title, Account.Name, Account.Type, MailingCity, MailingCountry "
    "FROM Contact WHERE Id = "
)
_CHANGES = (
    ("SELECT Id, SystemModstamp FROM Case WHERE", "Id"),
    ("SELECT Id, ParentId, SystemModstamp FROM EmailMessage WHERE ParentId != null AND", "ParentId"),
    ("SELECT Id, ParentId, SystemModstamp FROM CaseComment WHERE", "ParentId"),
)
_DRAFT = "5"
_MASTER = "SELECT MasterRecordId FROM Case WHERE Id = "
_ATTACHMENTS = "SELECT Id, Name, ParentId FROM Attachment WHERE ParentId IN "
_LINKS = (
    "SELECT LinkedEntityId, ContentDocument.Title, ContentDocument.FileExtension, "
    "ContentDocument.LatestPublishedVersionId FROM ContentDocumentLink WHERE LinkedEntityId IN "
)
_OPEN_OF = "SELECT COUNT() FROM Case WHERE IsClosed = false AND ContactId = "


class SalesforceAccount:
    """`connectors.crm.account.Account`."""

    def __init__(self, api: SalesforceApi, settings: SalesforceSettings, clock: Clock) -> None:
        self._api = api
        self._settings = settings
        self._clock = clock

    @property
    def words(self) -> TicketWords:
        return self._settings.words

    @property
    def poll_seconds(self) -> float:
        """Seldom once most of the day's calls are used: replies need what is left."""
        return (
            max(self._settings.poll_seconds, SPARING_SECONDS) if self._api.is_sparing else self._settings.poll_seconds
        )

    @property
    def share_changes(self) -> bool:
        return self._settings.share_changes

    @property
    def share_notes(self) -> bool:
        return self._settings.share_notes

    # Reading ---------------------------------------------------------------------------------------------------

    async def ticket(self, ticket_id: str) -> SeenTicket | GoneTicket:
        try:
            name = quoted(ticket_id)
        except RefusedCallError as error:
            return GoneTicket(error.detail)
        cases = await self._api.rows(f"{_CASE}{name}")
        if not cases:
            return await self._gone(name)
        case = cases[0]
        contact = as_object(case.get("Contact"))
        contact_id = text(case, "ContactId")
        address = text(contact, "Email") or text(case, "SuppliedEmail")
        person = text(contact, "Name") or text(case, "SuppliedName")
        mails = [each for each in await self._api.rows(f"{_MAILS}{name}") if text(each, "Status") != _DRAFT]
        files = await self._files([text(each, "Id") for each in mails if each.get("HasAttachment") is True])
        entries = [_of_mail(each, files, contact_id, address) for each in mails]
        entries += [_of_comment(each, contact_id) for each in await self._api.rows(f"{_COMMENTS}{name}")]
        if not is_among(text(case, "Description"), entries):
            entries.append(
                Entry(
                    f"case:{ticket_id}",
                    "customer",
                    person or address or "Customer",
                    text(case, "CreatedDate"),
                    text(case, "Description"),
                    email=address,
                    contact_id=contact_id,
                    answer={"to": address},
                )
            )
        return SeenTicket(
            ticket_id,
            text(case, "CaseNumber"),
            f"{self._settings.domain}/lightning/r/Case/{ticket_id}/view",
            text(case, "Subject"),
            text(case, "Status"),
            text(case, "Priority"),
            "",
            contact_id,
            address,
            person,
            in_order(entries),
            status_means=("closed", "resolved") if case.get("IsClosed") is True else (),
        )

    async def _gone(self, name: str) -> GoneTicket:
        found = await self._api.rows(f"{_MASTER}{name}", deleted=True)
        master = text(found[0], "MasterRecordId") if found else ""
        if master:
            return GoneTicket("it was merged into another case", master)
        return GoneTicket("it was deleted in Salesforce, or the desk's user may not see it any more")

    async def _files(self, mails: list[str]) -> dict[str, list[Mapping[str, str]]]:
        """By e-mail: classic attachments and the newer files."""
        found: dict[str, list[Mapping[str, str]]] = {}
        for at in range(0, len(mails), 100):
            names = ", ".join(quoted(each) for each in mails[at : at + 100])
            for row in await self._api.rows(f"{_ATTACHMENTS}({names})"):
                path = f"{DATA}/sobjects/Attachment/{text(row, 'Id')}/Body"
                found.setdefault(text(row, "ParentId"), []).append({"name": text(row, "Name"), "path": path})
            for row in await self._api.rows(f"{_LINKS}({names})"):
                told = as_object(row.get("ContentDocument"))
                name = ".".join(filter(None, (text(told, "Title"), text(told, "FileExtension"))))
                path = f"{DATA}/sobjects/ContentVersion/{text(told, 'LatestPublishedVersionId')}/VersionData"
                found.setdefault(text(row, "LinkedEntityId"), []).append({"name": name or "file", "path": path})
        return found

    async def file(self, reference: Mapping[str, Any]) -> bytes:
        return (await self._api.ask("GET", str(reference["path"]), caps=FILE)).content

    # News ------------------------------------------------------------------------------------------------------

    async def changed(self, state: Mapping[str, Any]) -> Changed:
        if not state:
            opened = "SELECT Id FROM Case WHERE IsClosed = false ORDER BY SystemModstamp, Id LIMIT 1000"
            found = await self._api.rows(opened) if self._settings.begins_with_open else []
            begun = await self.changed({"at": self._clock.now().isoformat(), "seen": {}})
            return Changed([text(each, "Id") for each in found], begun.state)
        since = datetime.fromisoformat(state["at"]) - OVERLAP
        literal = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        known: Mapping[str, str] = state["seen"]
        looks: dict[str, str] = {}
        ids: list[str] = []
        for asked, case in _CHANGES:
            for row in await self._api.rows(f"{asked} SystemModstamp > {literal} ORDER BY SystemModstamp, Id"):
                looks[text(row, "Id")] = text(row, "SystemModstamp")
                if known.get(text(row, "Id")) != text(row, "SystemModstamp"):
                    ids.append(text(row, case))
        stamps = [at for at in map(moment, looks.values()) if at is not None]
        # The org's own clock counts, and never backwards.
        newest = max([datetime.fromisoformat(state["at"]), *stamps])
        return Changed(ids, {"at": newest.isoformat(), "seen": looks})

    # Writing ---------------------------------------------------------------------------------------------------

    async def write_reply(self, reply: OutgoingReply, seen: SeenTicket) -> Written:
        if reply.files:
            msg = "Salesforce takes no files with a reply from outside; take them out, or put a link into the text"
            raise RefusedCallError(msg)
        if self._settings.reply_as == "comment":
            return Written(await self._comment(seen.ticket_id, reply.body, published=True))
        to = str(reply.recipient.get("to") or seen.email)
        if not to:
            msg = "neither the contact of this case nor the case itself has an e-mail address"
            raise RefusedCallError(msg)
        given: dict[str, Any] = {
            "emailAddresses": to,
            "emailSubject": f"Re: {seen.subject}",
            "emailBody": reply.body,
            "senderType": "CurrentUser",
            "relatedRecordId": seen.ticket_id,
            "logEmailOnSend": True,
        }
        if self._settings.from_address:
            given |= {"senderType": "OrgWideEmailAddress", "senderAddress": self._settings.from_address}
        answer = await self._api.ask("POST", f"{DATA}/actions/standard/emailSimple", json={"inputs": [given]})
        results = objects(answer.data())
        if not results:
            msg = f"Salesforce did not say what became of the e-mail ({answer.words()})"
            raise UnclearAnswerError(msg)
        if results[0].get("isSuccess") is not True:
            errors = "; ".join(text(each, "message") for each in objects(results[0].get("errors")))
            msg = f"Salesforce did not send the e-mail: {errors or answer.words()}"
            raise RefusedCallError(msg)
        # The action names no e-mail: the one it has logged is looked for.
        return Written()

    async def write_note(self, ticket_id: str, words: str) -> str:
        return await self._comment(ticket_id, words, published=False)

    async def _comment(self, ticket_id: str, words: str, *, published: bool) -> str:
        if len(words.encode()) > LONGEST_COMMENT:
            msg = f"a case comment holds {LONGEST_COMMENT:,} bytes, and this is longer"
            raise RefusedCallError(msg)
        told = {"ParentId": ticket_id, "CommentBody": words, "IsPublished": published}
        comment = text((await self._api.ask("POST", f"{DATA}/sobjects/CaseComment", json=told)).object(), "id")
        if not comment:
            msg = "Salesforce named no comment"
            raise UnclearAnswerError(msg)
        return f"comment:{comment}"

    async def set(self, ticket_id: str, field: Literal["status", "priority"], there: str) -> None:
        quoted(ticket_id)
        name = "Status" if field == "status" else "Priority"
        await self._api.ask("PATCH", f"{DATA}/sobjects/Case/{ticket_id}", json={name: there})

    # Knowing ---------------------------------------------------------------------------------------------------

    async def facts(self, contact_id: str) -> tuple[FactSection, ...]:
        try:
            name = quoted(contact_id)
        except RefusedCallError:
            return ()
        found = await self._api.rows(f"{_CONTACT}{name}")
        if not found:
            return ()
        told, account = found[0], as_object(found[0].get("Account"))
        opened = await self._api.get(f"{DATA}/query", q=f"{_OPEN_OF}{name}")
        facts = (
            CustomerFact("Name", text(told, "Name"), slot="client name"),
            CustomerFact("Account", text(account, "Name"), slot="company"),
            CustomerFact("Kind of account", text(account, "Type")),
            CustomerFact("Role", text(told, "Title")),
            CustomerFact("E-mail", text(told, "Email")),
            CustomerFact("Phone", text(told, "Phone") or text(told, "MobilePhone")),
            CustomerFact("City", text(told, "MailingCity")),
            CustomerFact("Country", text(told, "MailingCountry")),
            CustomerFact("Open cases", text(opened, "totalSize")),
        )
        url = f"{self._settings.domain}/lightning/r/Contact/{contact_id}/view"
        return (FactSection("Contact", tuple(fact for fact in facts if fact.value), url),)

    async def checks(self) -> tuple[HealthCheck, ...]:
        limits = as_object((await self._api.get(f"{DATA}/limits")).get("DailyApiRequests"))
        checks = [
            HealthCheck(
                "sign-in", passed=True, detail=f"{text(limits, 'Remaining')} of {text(limits, 'Max')} calls left today"
            )
        ]
        for kind, wanted in (
            ("Case", ("Subject", "Status", "Priority", "ContactId", "SuppliedEmail")),
            ("EmailMessage", ("TextBody", "FromAddress", "Incoming")),
            ("CaseComment", ("CommentBody", "IsPublished")),
            ("Contact", ("Name", "Email")),
        ):
            checks.append(await self._check_fields(kind, wanted))
        return tuple(checks)

    async def _check_fields(self, kind: str, wanted: tuple[str, ...]) -> HealthCheck:
        """Salesforce hides what the user may not see, and says nothing."""
        try:
            fields = objects((await self._api.get(f"{DATA}/sobjects/{kind}/describe")).get("fields"))
        except CallError as error:
            return HealthCheck(kind, passed=False, detail=error.detail)
        hidden = sorted(set(wanted) - {text(each, "name") for each in fields})
        if hidden:
            return HealthCheck(kind, passed=False, detail=f"the desk's user may not see {', '.join(hidden)}")
        if kind != "Case":
            return HealthCheck(kind, passed=True)
        picked = next(objects(each.get("picklistValues")) for each in fields if text(each, "name") == "Status")
        there = [text(each, "value") for each in picked if each.get("active") is not False]
        absent = sorted(set(self.words.statuses.values()) - set(there))
        if absent and self.share_changes:
            detail = f"there is no status {', '.join(absent)}; say under 'Statuses to set there' which to take"
            return HealthCheck(kind, passed=False, detail=detail)
        unknown = [each for each in there if not self.words.status(each).here]
        return HealthCheck(
            kind, passed=True, detail=f"statuses without a meaning: {', '.join(unknown)}" if unknown else ""
        )


def _of_mail(
    mail: Mapping[str, Any], files: Mapping[str, list[Mapping[str, str]]], contact_id: str, contact_address: str
) -> Entry:
    incoming, address, plain = mail.get("Incoming") is True, text(mail, "FromAddress"), text(mail, "TextBody")
    is_contact = incoming and (not address or address.casefold() == contact_address.casefold())
    rich = text(mail, "HtmlBody")
    return Entry(
        f"mail:{text(mail, 'Id')}",
        "customer" if incoming else "agent",
        text(mail, "FromName") or address,
        text(mail, "MessageDate") or text(mail, "CreatedDate"),
        text="" if incoming and rich else plain,
        html=rich if incoming or not plain else "",
        email=address,
        contact_id=contact_id if is_contact else "",
        files=tuple(files.get(text(mail, "Id"), ())),
        answer={"to": address} if incoming else {},
    )


def _of_comment(comment: Mapping[str, Any], contact_id: str) -> Entry:
    writer = as_object(comment.get("CreatedBy"))
    is_portal = text(writer, "UserType") not in {"", "Standard", "AutomatedProcess"}
    author: Author = "customer" if is_portal else "agent" if comment.get("IsPublished") is True else "note"
    return Entry(
        f"comment:{text(comment, 'Id')}",
        author,
        text(writer, "Name") or "Salesforce",
        text(comment, "CreatedDate"),
        text(comment, "CommentBody"),
        contact_id=contact_id if is_portal else "",
    )
