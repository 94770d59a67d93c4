"""How to reach a server on its Unix socket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from desk.secret import Secret


@dataclass(frozen=True)
class PostgresAddress:
    """`port` only names the socket file in `socket_directory`; the server listens on no network address."""

    socket_directory: Path
    port: int
    superuser: str
    password: Secret
    """The superuser's."""

    def asyncpg_url(self, role: str, password: Secret, database: str) -> Secret:
        """For `sqlalchemy.ext.asyncio.create_async_engine` (`postgresql+asyncpg://`)."""
        return self._url("postgresql+asyncpg", role, password, database)

    def psycopg_url(self, role: str, password: Secret, database: str) -> Secret:
        """For libpq: `psycopg.connect`, SAQ, `pg_dump --dbname` (`postgresql://`)."""
        return self._url("postgresql", role, password, database)

    def superuser_url(self, database: str = "postgres") -> Secret:
        """For libpq, as the superuser: making roles, databases and extensions."""
        return self.psycopg_url(self.superuser, self.password, database)

    def _url(self, driver: str, role: str, password: Secret, database: str) -> Secret:
        # Not SQLAlchemy's rendering: it leaves spaces as they are, which libpq refuses.
        user, key, name, folder = (
            quote(part, safe="") for part in (role, password.reveal(), database, str(self.socket_directory))
        )
        return Secret(f"{driver}://{user}:{key}@/{name}?host={folder}&port={self.port}")
