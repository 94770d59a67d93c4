"""What a customer's words say of mood and urgency: for the order of work and for people's eyes, never for a guard."""

from .raising import note_signals, raise_for_waiting
from .reading import Signals, read_signals

__all__ = ["Signals", "note_signals", "raise_for_waiting", "read_signals"]
