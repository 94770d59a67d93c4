"""Errors named for what the person who meets them can do, each with the HTTP status it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from uuid import UUID

    from desk.ports import ModelAttempt

ChannelReason = Literal["sign_in", "settings", "quota", "network", "tls", "protocol"]


class DeskError(Exception):
    """Base of every error whose sentence may be shown to a person."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NotFoundError(DeskError):
    """The thing does not exist, or belongs to another tenant, which must look the same."""

    status = 404
    title = "Not found"


class ConflictError(DeskError):
    """Someone else was first, or what was seen is no longer the newest: look again and decide again."""

    status = 409
    title = "Changed meanwhile"


class UncheckedChangeError(DeskError):
    """The tenant wants changes to be checked against its corrections first; `comparison` is that check."""

    status = 409
    title = "Not checked yet"

    def __init__(self, detail: str, comparison: UUID) -> None:
        super().__init__(detail)
        self.comparison = comparison


class InvalidInputError(DeskError):
    """The input cannot be used as it is; the sentence says what to change."""

    status = 400
    title = "Check the input"


class NotAllowedError(DeskError):
    """The person is known but this needs another role or scope."""

    status = 403
    title = "Not allowed"


class SignInRequiredError(DeskError):
    """No valid session, token or key came with the request."""

    status = 401
    title = "Sign in"


class TooLargeError(DeskError):
    status = 413
    title = "Too large"


class SettingMissingError(DeskError):
    """A setting has to be given before this can work; the sentence names it."""

    status = 500
    title = "A setting is missing"


class ServiceUnavailableError(DeskError):
    """The desk cannot take this in right now and has stored nothing: try again."""

    status = 503
    title = "Try again shortly"


class ModelUnavailableError(DeskError):
    """No language model in the chain gave a usable answer; `attempts` say what each one did."""

    status = 502
    title = "No model answered"

    def __init__(self, detail: str, attempts: tuple[ModelAttempt, ...] = ()) -> None:
        super().__init__(detail)
        self.attempts = attempts


class NoEvidenceError(DeskError):
    """Nothing the desk knows answers this question: add knowledge, or write the reply yourself."""

    status = 422
    title = "No draft"


class RefusedDocumentError(DeskError):
    """A document cannot be read; the sentence is the reason shown beside the file."""

    status = 422
    title = "Document refused"


class RefusedAddressError(DeskError):
    """An outgoing URL points where the desk must not connect to."""

    status = 400
    title = "Address refused"


class UnreadableMessageError(DeskError):
    """A message that came in cannot be read; it stays visible with the reason, and can be tried again."""

    status = 422
    title = "Message not readable"


class FalseSignatureError(DeskError):
    """A call to one of the desk's webhook addresses does not carry the signature it must."""

    status = 403
    title = "Signature refused"


class ChannelError(DeskError):
    """The system at the other end of a channel cannot be reached, refuses, or says what nobody expects.

    `reason` says whose turn it is: `sign_in` and `settings` a person's, `quota` the mailbox owner's, `network`, `tls`
    and `protocol` pass or are the other side's.
    """

    status = 502
    title = "The other side does not answer as it should"

    def __init__(self, reason: ChannelReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: ChannelReason = reason
