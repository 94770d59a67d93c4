"""What is asked about a system that is connected by its JSON."""

from __future__ import annotations

from desk.ports import ChannelForm, FormField, SetupStep

DEFAULT_TEMPLATE = """{
  "id": "{delivery_id}",
  "ticket_id": "{ticket_id}",
  "in_reply_to": "{message_id}",
  "subject": "{subject}",
  "body": "{body}",
  "status": "{status}",
  "customer": {"id": "{customer_id}", "email": "{customer_email}", "name": "{customer_name}"},
  "attachments": "{attachments}"
}"""
REPLY_VALUES = frozenset({
    "delivery_id", "desk_ticket_id", "ticket_id", "message_id", "subject", "body", "status", "customer_id",
    "customer_email", "customer_name", "approved_at", "automatic", "attachments",
})  # fmt: skip
LOOK_UP_VALUES = frozenset({"delivery_id", "desk_ticket_id", "ticket_id", "message_id", "customer_id"})

_PATH = "JMESPath, such as "


def _path(name: str, label: str, example: str, words: str = "", *, is_advanced: bool = False) -> FormField:
    return FormField(
        name,
        label,
        required=name == "body",
        placeholder=example,
        help=words or f"{_PATH}{example}",
        is_advanced=is_advanced,
    )


INCOMING = (
    FormField(
        "signature",
        "How its calls are recognised",
        kind="choice",
        choices=(
            ("standard", "Standard Webhooks signature"),
            ("hmac", "HMAC-SHA256 of the body in a header"),
            ("token", "A fixed token in a header (weakest: whoever reads one call can make others)"),
        ),
    ),
    FormField(
        "signing_secret",
        "Secret",
        kind="secret",
        help="Empty: the desk makes one. When it is replaced, the one before goes on working beside it.",
    ),
    FormField(
        "signature_header",
        "Header with the signature or token",
        is_advanced=True,
        placeholder="X-Signature",
        help="Not needed for Standard Webhooks. Empty: X-Signature for an HMAC, Authorization for a token.",
    ),
    FormField(
        "signature_prefix",
        "What stands before it in the header",
        is_advanced=True,
        placeholder="sha256=",
        help="Empty: nothing before an HMAC, Bearer before a token in Authorization.",
    ),
    FormField(
        "signature_encoding",
        "The HMAC is written as",
        kind="choice",
        is_advanced=True,
        choices=(("hex", "Hexadecimal"), ("base64", "Base64")),
    ),
    _path("body", "Text of the message", "ticket.message.text"),
    FormField(
        "body_kind", "The text is", kind="choice", choices=(("plain", "Plain text"), ("html", "HTML"))
    ),
    _path("subject", "Subject", "ticket.subject"),
    _path("ticket_id", "Id of the ticket", "ticket.id", "Messages with the same id come into the same ticket."),
    _path("message_id", "Id of the message", "ticket.message.id", "What comes again under the same id is known."),
    _path("customer_id", "Id of the customer", "ticket.customer.id"),
    _path("customer_email", "E-mail address of the customer", "ticket.customer.email"),
    _path("customer_name", "Name of the customer", "ticket.customer.name"),
    _path("attachments", "Files", "ticket.message.files", "A list of addresses, or of objects with url and name."),
    _path("sent_at", "When it was written", "ticket.message.created_at", is_advanced=True),
    _path(
        "author",
        "Who wrote it",
        "ticket.message.author_kind",
        "Finds agent for a colleague's reply, note for an internal note; anything else is the customer.",
        is_advanced=True,
    ),
    _path(
        "skip",
        "Leave out when",
        "event != 'message.created'",
        "True for what is no message, and for replies that came from the desk.",
        is_advanced=True,
    ),
    _path(
        "items",
        "List of messages",
        "tickets",
        "Where one call brings several. Empty: the whole JSON is one.",
        is_advanced=True,
    ),
)  # fmt: skip

OUTGOING = (
    FormField(
        "reply_url",
        "Address for replies",
        placeholder="https://crm.example.com/api/tickets/{ticket_id}/replies",
        help="Approved replies are posted here. Empty: they wait in the ticket.",
    ),
    FormField(
        "auth",
        "Signing in there",
        kind="choice",
        choices=(
            ("none", "Only by the signature"),
            ("bearer", "Bearer token"),
            ("basic", "User name and password"),
            ("header", "A key in a header"),
            ("oauth", "OAuth 2 client credentials"),
        ),
    ),
    FormField("auth_name", "User name, name of the header, or client id"),
    FormField("auth_secret", "Token, password, key or client secret", kind="secret"),
    FormField("token_url", "Token address", is_advanced=True, help="For OAuth 2 only."),
    FormField("scope", "Scope", is_advanced=True, help="For OAuth 2 only; empty asks for none."),
    FormField(
        "reply_method",
        "Method",
        kind="choice",
        is_advanced=True,
        choices=(("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH")),
    ),
    FormField(
        "reply_template",
        "What is sent",
        kind="lines",
        is_advanced=True,
        default=DEFAULT_TEMPLATE,
        help=f"JSON. Placeholders stand inside quotes: {', '.join(sorted(REPLY_VALUES))}.",
    ),
    _path("sent_when", "It was taken when the answer says", "ok", "Empty: any 2xx counts.", is_advanced=True),
    _path("reply_id", "Id of the reply in the answer", "reply.id", is_advanced=True),
    FormField(
        "retry_statuses",
        "Answers after which it was surely not taken",
        default="408, 425, 429",
        is_advanced=True,
        help="HTTP statuses. Such a reply is sent again later; a 503 with Retry-After counts as one of them.",
    ),
    FormField(
        "is_idempotent",
        "It takes the same Idempotency-Key once only, so that a reply whose answer was lost may be sent again",
        kind="switch",
        is_advanced=True,
    ),
    FormField(
        "lookup_url",
        "Address to look a reply up",
        is_advanced=True,
        placeholder="https://crm.example.com/api/replies?key={delivery_id}",
        help="Asked when an answer was lost. Without it a person decides.",
    ),
    _path("lookup_found", "It arrived when the answer says", "length(items) > `0`", is_advanced=True),
    _path("lookup_id", "Id of the reply in that answer", "items[0].id", is_advanced=True),
)

POLLING = (
    FormField(
        "poll_url",
        "Address to ask for news",
        is_advanced=True,
        placeholder="https://crm.example.com/api/messages?since={cursor}",
        help="For systems that do not call, and to fill gaps. Pages are followed by the Link header.",
    ),
    _path(
        "poll_items",
        "List of messages there",
        "data",
        "Each is read by the same expressions as a call. Empty: as in a call.",
        is_advanced=True,
    ),
    _path("poll_cursor", "Where the next look begins", "max(data[].updated_at)", is_advanced=True),
    FormField(
        "poll_start",
        "Where the first look begins",
        is_advanced=True,
        help="Empty: what is there at the first look counts as known.",
    ),
    FormField(
        "poll_seconds",
        "Ask every",
        kind="choice",
        is_advanced=True,
        choices=(("60", "minute"), ("15", "15 seconds"), ("300", "5 minutes"), ("900", "15 minutes")),
    ),
)

FACTS = (
    FormField(
        "contact_url",
        "Address of a customer's facts",
        is_advanced=True,
        placeholder="https://crm.example.com/api/customers/{customer_id}",
    ),
    FormField(
        "contact_facts",
        "Facts to show",
        kind="lines",
        is_advanced=True,
        placeholder="Plan = plan.name\nBalance = join(' ', [balance, currency])",
        help="One a line: what it is called, then a JMESPath expression. They stand beside the ticket and may be used "
        "in drafts.",
    ),
)

FORM = ChannelForm(
    title="Any other system",
    summary="Messages by webhook or polling, in the other system's own JSON; replies as JSON of your choosing.",
    group="CRMs and other systems",
    fields=(*INCOMING, *OUTGOING, *POLLING, *FACTS),
    steps=(
        SetupStep("Have the other system post its messages, as JSON, to this address.", shows="webhook"),
        SetupStep(
            "It must sign its calls with this secret. Calls without the right signature are turned away.",
            shows="signing_secret",
        ),
        SetupStep(
            "Say below where in that JSON text, subject and customer stand. Paste a sample under 'What a sample "
            "becomes' to see it before anything is connected."
        ),
    ),
)
