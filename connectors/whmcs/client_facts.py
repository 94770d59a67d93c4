"""What WHMCS knows of a client: the account, services, domains and invoices. Never a password or a card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.whmcs.api import RefusedCallError, WhmcsApi, WhmcsError, as_channel_error, inner, number, rows, text
from connectors.whmcs.settings import WhmcsSettings
from desk.ports import CustomerFact, FactSection

MOST_OF_A_KIND = 25
_LIVE = frozenset({"active", "suspended", "pending"})
_OPEN_INVOICE = frozenset({"unpaid", "overdue", "payment pending", "collections"})


async def client_facts(api: WhmcsApi, settings: WhmcsSettings, client_id: str) -> tuple[FactSection, ...]:
    """Empty for a guest. Raises ChannelError."""
    if not client_id.isdecimal():
        return ()
    try:
        answer = await api.call(settings, "GetClientsDetails", clientid=client_id, stats="true")
        sections = [_account(answer, settings, client_id)]
        for title, action, given, made in (
            ("Services", "GetClientsProducts", {"clientid": client_id, "limitnum": MOST_OF_A_KIND}, _services),
            ("Domains", "GetClientsDomains", {"clientid": client_id, "limitnum": MOST_OF_A_KIND}, _domains),
            (
                "Invoices",
                "GetInvoices",
                {"userid": client_id, "limitnum": MOST_OF_A_KIND, "orderby": "duedate", "order": "desc"},
                _invoices,
            ),
        ):
            try:
                sections.append(made(await api.call(settings, action, **given), settings, client_id))
            except RefusedCallError as error:
                if error.kind != "permission":
                    raise
                sections.append(FactSection(title, (CustomerFact("Not shown", f"allow {action} in the API role"),)))
    except RefusedCallError as error:
        if "client" in error.detail.casefold() and "not found" in error.detail.casefold():
            return ()
        raise as_channel_error(error) from error
    except WhmcsError as error:
        raise as_channel_error(error) from error
    return tuple(section for section in sections if section.facts)


def _account(answer: Mapping[str, Any], settings: WhmcsSettings, client_id: str) -> FactSection:
    client, figures = inner(answer, "client") or answer, inner(answer, "stats")
    name = " ".join(part for part in (text(client, "firstname"), text(client, "lastname")) if part)
    facts = (
        CustomerFact("Name", name or text(client, "fullname"), slot="client name"),
        CustomerFact("Company", text(client, "companyname"), slot="company"),
        CustomerFact("E-mail", text(client, "email")),
        CustomerFact("Status", text(client, "status")),
        CustomerFact("Client since", _date(text(client, "datecreated"))),
        CustomerFact("Country", text(client, "countryname") or text(client, "country")),
        CustomerFact("Credit", text(client, "credit") if _is_amount(text(client, "credit")) else ""),
        CustomerFact("Services", _count(figures, "productsnumactive", "productsnumtotal")),
        CustomerFact("Notes", text(client, "notes")),
    )
    url = f"{settings.url}/{settings.admin_folder}/clientssummary.php?userid={client_id}"
    return FactSection("Account", _filled(facts), url)


def _services(answer: Mapping[str, Any], settings: WhmcsSettings, client_id: str) -> FactSection:
    facts: list[CustomerFact] = []
    for product in rows(answer, "products", "product"):
        is_live = text(product, "status").casefold() in _LIVE
        name, domain = text(product, "name") or text(product, "groupname"), text(product, "domain")
        url = (
            f"{settings.url}/{settings.admin_folder}/clientsservices.php?userid={client_id}&id={number(product, 'id')}"
        )
        title = f"{name} ({text(product, 'status')})" if not is_live or text(product, "status") != "Active" else name
        facts += [
            CustomerFact("Service", title, url, "service name" if is_live else ""),
            CustomerFact("Domain", domain, slot="service domain" if is_live else ""),
            CustomerFact("Next due", _date(text(product, "nextduedate")), slot="next due date" if is_live else ""),
            CustomerFact(
                "Price",
                _priced(text(product, "recurringamount"), text(product, "billingcycle")),
            ),
            CustomerFact("Server", text(product, "serverhostname") or text(product, "servername")),
        ]
    return FactSection("Services", _filled(tuple(facts)))


def _domains(answer: Mapping[str, Any], settings: WhmcsSettings, client_id: str) -> FactSection:
    facts: list[CustomerFact] = []
    for domain in rows(answer, "domains", "domain"):
        status = text(domain, "status")
        url = f"{settings.url}/{settings.admin_folder}/clientsdomains.php?userid={client_id}&id={number(domain, 'id')}"
        name = text(domain, "domainname")
        slot = "domain name" if status == "Active" else ""
        facts += [
            CustomerFact("Domain", name, url, slot) if name else CustomerFact("Domain", ""),
            CustomerFact(
                "Expires", _date(text(domain, "expirydate")), slot="domain expiry date" if status == "Active" else ""
            ),
            CustomerFact("Status", status if status != "Active" else ""),
        ]
    return FactSection("Domains", _filled(tuple(facts)))


def _invoices(answer: Mapping[str, Any], settings: WhmcsSettings, client_id: str) -> FactSection:
    """Those to be paid first; only they fill slots, because a draft that names a paid one asks for money twice."""
    del client_id
    found = sorted(
        rows(answer, "invoices", "invoice"), key=lambda one: text(one, "status").casefold() not in _OPEN_INVOICE
    )
    facts: list[CustomerFact] = []
    for invoice in found[:10]:
        is_open = text(invoice, "status").casefold() in _OPEN_INVOICE
        invoice_id = number(invoice, "id")
        url = f"{settings.url}/{settings.admin_folder}/invoices.php?action=edit&id={invoice_id}"
        amount = _money(text(invoice, "balance") if _is_amount(text(invoice, "balance")) else text(invoice, "total"))
        amount = f"{amount} {text(invoice, 'currencycode')}".strip() if amount else ""
        facts += [
            CustomerFact(
                "Invoice", text(invoice, "invoicenum") or str(invoice_id), url, "invoice number" if is_open else ""
            ),
            CustomerFact("Amount", amount, slot="invoice amount" if is_open else ""),
            CustomerFact("Due", _date(text(invoice, "duedate")), slot="invoice due date" if is_open else ""),
            CustomerFact("Status", text(invoice, "status")),
        ]
    return FactSection("Invoices", _filled(tuple(facts)))


def _filled(facts: tuple[CustomerFact, ...]) -> tuple[CustomerFact, ...]:
    return tuple(fact for fact in facts if fact.value)


def _date(value: str) -> str:
    day = value[:10]
    return "" if not day or day.startswith("0000") else day


def _is_amount(value: str) -> bool:
    return any(digit in "123456789" for digit in value)


def _money(value: str) -> str:
    return value if _is_amount(value) else ""


def _priced(amount: str, cycle: str) -> str:
    return f"{amount} {cycle.lower()}".strip() if _is_amount(amount) else ""


def _count(figures: Mapping[str, Any], live: str, total: str) -> str:
    return f"{number(figures, live)} active of {number(figures, total)}" if number(figures, total) else ""
