"""An own PostgreSQL for a desk that was given none: the wheel's programs under our supervision.

Everything lives in `<data folder>/postgres`. Why it is done this way: docs/decisions/0003-embedded-postgresql.md.
"""

from __future__ import annotations

from desk.db.embedded.address import PostgresAddress
from desk.db.embedded.binaries import find_installation
from desk.db.embedded.errors import (
    BinariesMissingError,
    DataFolderNotAllowedError,
    DiskFullError,
    EmbeddedDatabaseError,
    OtherMajorVersionError,
    ServerBusyError,
    ServerNotStartedError,
)
from desk.db.embedded.server import EmbeddedPostgres, lease_server

__all__ = (
    "BinariesMissingError",
    "DataFolderNotAllowedError",
    "DiskFullError",
    "EmbeddedDatabaseError",
    "EmbeddedPostgres",
    "OtherMajorVersionError",
    "PostgresAddress",
    "ServerBusyError",
    "ServerNotStartedError",
    "find_installation",
    "lease_server",
)
