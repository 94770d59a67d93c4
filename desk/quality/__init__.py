"""How well a conversation went, from what is recorded of it: for people and the order of lists, never a guard."""

from .renewing import renew_quality
from .scoring import band_of

__all__ = ["band_of", "renew_quality"]
