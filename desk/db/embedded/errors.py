"""What can stand in the way of the embedded PostgreSQL, each saying what to do about it."""

from __future__ import annotations

from desk.errors import DeskError


class EmbeddedDatabaseError(DeskError):
    """The embedded PostgreSQL cannot serve; the sentence says why and what to do."""

    status = 503
    title = "The embedded database is not available"


class BinariesMissingError(EmbeddedDatabaseError):
    """Install the PostgreSQL programs, or point the desk at another server."""


class DataFolderNotAllowedError(EmbeddedDatabaseError):
    """Give the data folder to the user who runs the desk, or run as its owner."""


class OtherMajorVersionError(EmbeddedDatabaseError):
    """The data was written by another major version of PostgreSQL: dump and load it."""


class DiskFullError(EmbeddedDatabaseError):
    """Free space where the data folder lives."""


class ServerBusyError(EmbeddedDatabaseError):
    """Another process holds the data folder and does not let go: look at it, then try again."""


class ServerNotStartedError(EmbeddedDatabaseError):
    """PostgreSQL ended or did not answer; its own words are in the sentence."""
