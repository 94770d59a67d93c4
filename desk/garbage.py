"""Keeps Python's garbage collector from walking what lives as long as the process."""

from __future__ import annotations

import gc

NEW_OBJECTS = 20_000
"""Before the youngest are looked at: a request makes some thousands, most of them gone by counting alone."""


def settle() -> None:
    """To be called once everything is loaded; later full collections then have little to walk and stop no request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 20, 20)
