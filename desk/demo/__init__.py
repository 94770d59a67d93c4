"""The demo desk of a first start: two fictional hosting companies with knowledge, customers and weeks of tickets."""

from __future__ import annotations

from desk.demo.seeding import seed_demo

__all__ = ["seed_demo"]
