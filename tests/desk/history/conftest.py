"""The desk over the database of this test process, with one embedding model for all tests."""

from __future__ import annotations

from tests.ui.conftest import installation

__all__ = ["installation"]
