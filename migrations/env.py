"""Alembic's entry: runs on the connection that `desk.db.migrate` hands over, in its one transaction."""

from __future__ import annotations

from typing import Any, Literal

from advanced_alchemy.types import GUID, DateTimeUTC, EncryptedText
from alembic import context

from desk.db.migrate import compare_type, include_object
from desk.models import metadata


def plain_type(kind: str, value: Any, _: Any) -> str | Literal[False]:
    """Migrations name database types, so that they keep working when a library's own types change."""
    if kind == "type" and isinstance(value, GUID):
        return "sa.Uuid()"
    if kind == "type" and isinstance(value, DateTimeUTC):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(value, EncryptedText):
        return "sa.Text()"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    compare_type=compare_type,
    include_object=include_object,
    render_item=plain_type,
)
connection.exec_driver_sql("SET LOCAL lock_timeout = '5s'")
context.run_migrations()
