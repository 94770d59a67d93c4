"""The vectors once more, as pgvector keeps them: a table beside `embeddings`, made only where DESK_VECTOR_BACKEND asks.

Its rows are written in the transaction that writes the embedding, wherever the table exists, and go with the embedding
by a cascade, so the two cannot differ. It stands in a schema of its own: a database without pgvector lacks it, and no
migration may depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine

from desk.db.policies import TENANT
from desk.db.roles import DatabaseAddress
from desk.errors import SettingMissingError
from desk.models.base import GLOBAL_TENANT_ID
from desk.ports import Vectors

TABLE = "desk_vectors.items"
EXTENSION = "vector"
GRAPH_DIMENSIONS = 4_000
"""pgvector's most for an index of half-precision vectors."""
_BATCH = 500
_PRESENT = "vector_table"


async def prepare_vector_table(address: DatabaseAddress, dimension: int) -> None:
    """Extension, table, policies, an index for this dimension, and the vectors that are not there yet.

    Run as the owner by `desk migrate`; safe to run at every start. Raises SettingMissingError when the server has no
    pgvector.
    """
    engine = create_async_engine(address.owner_url())
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7361002)")
            await _create_extension(connection)
            for statement in _statements(address.app.username or "", dimension):
                await connection.exec_driver_sql(statement)
            while await _copy_some(connection):
                pass
    finally:
        await engine.dispose()


async def has_vector_table(session: AsyncSession) -> bool:
    """Asked once a connection pool and then remembered; the answer "no" is asked again with every transaction."""
    known = session.get_bind().engine.get_execution_options().get(_PRESENT)
    if known:
        return True
    found = (await session.execute(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": TABLE})).scalar_one()
    if found:
        session.get_bind().engine.update_execution_options(**{_PRESENT: True})
    return bool(found)


async def store_vectors(
    session: AsyncSession, tenant_id: UUID, source: str, model: str, ids: Mapping[UUID, UUID], vectors: Vectors
) -> None:
    """`ids`: item to embedding row, in the order of `vectors`."""
    await session.execute(
        text(
            f"INSERT INTO {TABLE} (embedding_id, tenant_id, source, item_id, model, dimension, vector)"  # noqa: S608
            " SELECT e, :tenant, :source, i, :model, :dimension, v::vector"
            " FROM unnest(CAST(:embeddings AS uuid[]), CAST(:items AS uuid[]), CAST(:vectors AS text[])) AS n(e, i, v)"
            " ON CONFLICT (embedding_id) DO UPDATE SET vector = excluded.vector, dimension = excluded.dimension"
        ),
        {
            "tenant": tenant_id,
            "source": source,
            "model": model,
            "dimension": vectors.shape[1],
            "embeddings": [str(row) for row in ids.values()],
            "items": [str(item_id) for item_id in ids],
            "vectors": as_text(vectors),
        },
    )


def as_text(vectors: Vectors) -> list[str]:
    """As pgvector reads them."""
    rows: Sequence[Sequence[float]] = vectors.tolist()
    return [f"[{','.join(map(repr, row))}]" for row in rows]


async def _create_extension(connection: AsyncConnection) -> None:
    known = await connection.execute(
        text("SELECT 1 FROM pg_available_extensions WHERE name = :name"), {"name": EXTENSION}
    )
    if known.one_or_none() is None:
        msg = (
            "DESK_VECTOR_BACKEND is pgvector, and this PostgreSQL server has no pgvector extension: install it"
            " (on Debian and Ubuntu the package postgresql-<version>-pgvector), or set DESK_VECTOR_BACKEND to memory"
        )
        raise SettingMissingError(msg)
    try:
        await connection.exec_driver_sql(f"CREATE EXTENSION IF NOT EXISTS {EXTENSION}")
    except DBAPIError as error:
        msg = (
            "DESK_VECTOR_BACKEND is pgvector, and the role of DESK_DATABASE_URL may not create the extension: let an"
            f" administrator run CREATE EXTENSION vector in this database ({error.orig})"
        )
        raise SettingMissingError(msg) from error


def _statements(app_role: str, dimension: int) -> list[str]:
    own = f"tenant_id = {TENANT}"
    statements = [
        "CREATE SCHEMA IF NOT EXISTS desk_vectors",
        f'GRANT USAGE ON SCHEMA desk_vectors TO "{app_role}"',
        f"""CREATE TABLE IF NOT EXISTS {TABLE} (
            embedding_id uuid PRIMARY KEY REFERENCES public.embeddings (id) ON DELETE CASCADE,
            tenant_id uuid NOT NULL, source text NOT NULL, item_id uuid NOT NULL, model text NOT NULL,
            dimension integer NOT NULL, vector vector NOT NULL)""",
        f"CREATE INDEX IF NOT EXISTS ix_items_tenant ON {TABLE} (tenant_id, source, model)",
        f'GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLE} TO "{app_role}"',
        f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {TABLE} FORCE ROW LEVEL SECURITY",
    ]
    if dimension <= GRAPH_DIMENSIONS:
        statements.append(
            f"CREATE INDEX IF NOT EXISTS ix_items_graph_{dimension} ON {TABLE}"
            f" USING hnsw ((vector::halfvec({dimension})) halfvec_ip_ops) WHERE dimension = {dimension}"
        )
    policies = {
        "readable": f"FOR SELECT USING ({own} OR tenant_id = '{GLOBAL_TENANT_ID}')",
        "added": f"FOR INSERT WITH CHECK ({own})",
        "changed": f"FOR UPDATE USING ({own}) WITH CHECK ({own})",
        "removed": f"FOR DELETE USING ({own})",
        "owner": "TO CURRENT_USER USING (true) WITH CHECK (true)",
    }
    for name, clause in policies.items():
        statements += [f"DROP POLICY IF EXISTS {name} ON {TABLE}", f"CREATE POLICY {name} ON {TABLE} {clause}"]
    return statements


async def _copy_some(connection: AsyncConnection) -> bool:
    """A batch of the vectors that were embedded before the table was made; False when there is none left."""
    rows = (
        await connection.execute(
            text(
                "SELECT e.id, e.tenant_id, e.source, e.item_id, e.model, e.dimension, e.vector"  # noqa: S608
                f" FROM embeddings e LEFT JOIN {TABLE} v ON v.embedding_id = e.id"
                " WHERE v.embedding_id IS NULL LIMIT :most"
            ),
            {"most": _BATCH},
        )
    ).all()
    if not rows:
        return False
    await connection.execute(
        text(
            f"INSERT INTO {TABLE} (embedding_id, tenant_id, source, item_id, model, dimension, vector)"  # noqa: S608
            " VALUES (:id, :tenant, :source, :item, :model, :dimension, CAST(CAST(:vector AS text) AS vector))"
        ),
        [
            {
                "id": row.id,
                "tenant": row.tenant_id,
                "source": row.source,
                "item": row.item_id,
                "model": row.model,
                "dimension": row.dimension,
                "vector": as_text(np.frombuffer(row.vector, dtype="<f4")[np.newaxis])[0],
            }
            for row in rows
        ],
    )
    return True
