"""WhatsApp's customer service window: free text for 24 hours after the customer's last message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

WINDOW = timedelta(hours=24)


def window_until(written_at: datetime) -> str:
    """As the desk keeps it: UTC, whole seconds, so that texts compare like the moments."""
    return (written_at.astimezone(UTC) + WINDOW).isoformat(timespec="seconds")
