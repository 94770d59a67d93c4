"""What outside systems post to the desk's own addresses: signed, answered at once, read later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable
from urllib.parse import parse_qsl

from desk.ports.channels import ConnectionDetails
from desk.ports.inbound import InboundChannel, RawMessage


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One call, as it came over the wire."""

    method: str
    """GET or POST."""
    url: str
    """What the sender called: the desk's public address with path and query byte for byte, because signatures cover
    them. Whatever scheme, host or port a proxy in between has written does not count."""
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case; of a repeated one the last."""
    body: bytes = field(repr=False)

    @property
    def query(self) -> dict[str, str]:
        """Decoded; of a repeated name the last."""
        return dict(parse_qsl(self.url.partition("?")[2], keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What to keep, and what to say once it is kept."""

    messages: tuple[RawMessage, ...] = ()
    """A delivery of several taken apart, in its order. All are committed before anything is answered, or none."""
    status: int = 200
    body: bytes = field(default=b"", repr=False)
    media_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@runtime_checkable
class WebhookChannel(InboundChannel, Protocol):
    """A channel whose other side calls the desk at `/hooks/in/{token}`."""

    def accept(self, request: WebhookRequest, connection: ConnectionDetails) -> WebhookAnswer:
        """Check the signature and take the call apart; pure, and no more than that: what it says is read later.

        Raises FalseSignatureError, InvalidInputError for a call that is none.
        """
        ...


__all__ = ["WebhookAnswer", "WebhookChannel", "WebhookRequest"]
