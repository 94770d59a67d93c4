"""Delivers to somebody who looks at the conversation itself: the web widget's stream, or the chat's transcript.

A reply is visible to the visitor from the moment its row is committed in the thread, which the outbox does in the
same transaction that marks the delivery as sent. So there is nobody to call and nothing that could be lost in between.
"""

from __future__ import annotations

from desk.ports import ConnectionDetails, HealthCheck, OutgoingReply, SendOutcome


class LiveChannel:
    """`desk.ports.Channel` of kind `widget` or `chat`."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    @property
    def kind(self) -> str:
        return self._kind

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        return _shown(reply)

    async def reconcile(self, reply: OutgoingReply) -> SendOutcome:
        """A delivery found in the middle was not in the thread yet, and is by the transaction that follows."""
        return _shown(reply)

    async def check(self, connection: ConnectionDetails) -> tuple[HealthCheck, ...]:
        """Nobody has to be reached."""
        del connection
        return (HealthCheck("conversation", passed=True),)


def _shown(reply: OutgoingReply) -> SendOutcome:
    return SendOutcome("sent", "shown in the conversation", str(reply.delivery_id))
