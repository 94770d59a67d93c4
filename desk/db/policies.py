"""The database's half of tenant isolation: roles, forced row-level security, and the few functions that look across.

Everything here is idempotent DDL, run by `desk migrate` as the owner after the migrations, and checked at start-up.
"""

from __future__ import annotations

from sqlalchemy import inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from desk.errors import SettingMissingError
from desk.models.base import GLOBAL_TENANT_ID, Row, TenantRow, Work

TENANT = "(SELECT nullif(current_setting('app.tenant_id', true), '')::uuid)"
USER = "(SELECT nullif(current_setting('app.user_id', true), '')::uuid)"


def tenant_tables() -> list[type[TenantRow]]:
    """Every mapped class that belongs to a tenant, by table name."""
    classes = [mapper.class_ for mapper in Row.registry.mappers if issubclass(mapper.class_, TenantRow)]
    return sorted(classes, key=table_name)


def table_name(row: type[TenantRow]) -> str:
    return str(inspect(row).local_table.description)


def work_tables() -> list[str]:
    return [table_name(row) for row in tenant_tables() if issubclass(row, Work)]


def policy_statements(app_role: str) -> list[str]:
    """All DDL that makes the tables safe for `app_role`, in order."""
    role = f'"{app_role}"'
    statements = [
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE ON SCHEMA public TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        f"REVOKE ALL ON TABLE alembic_version FROM {role}",
        f"GRANT SELECT ON TABLE alembic_version TO {role}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
        f"CREATE SCHEMA IF NOT EXISTS saq AUTHORIZATION {role}",
    ]
    for row in tenant_tables():
        statements += _tenant_policies(table_name(row), readable_by_all=row.access == "tenant_and_global")
    statements += _account_policies()
    statements += ["DROP FUNCTION IF EXISTS desk_find_key(text)", *_functions()]
    for signature in FUNCTIONS:
        statements += [
            f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC",
            f"GRANT EXECUTE ON FUNCTION {signature} TO {role}",
        ]
    return statements


def _tenant_policies(table: str, *, readable_by_all: bool) -> list[str]:
    own = f"tenant_id = {TENANT}"
    readable = f"{own} OR tenant_id = '{GLOBAL_TENANT_ID}'" if readable_by_all else own
    return _policies(table, select=readable, insert=own, update=own, delete=own)


def _account_policies() -> list[str]:
    """Tenants and users carry no tenant_id: a transaction sees its own tenant, its members and itself."""
    own_tenant = f"id = {TENANT}"
    visible_user = f"id = {USER} OR id IN (SELECT user_id FROM memberships)"
    return [
        *_policies("tenants", select=own_tenant, insert=own_tenant, update=own_tenant, delete=own_tenant),
        *_policies("users", select=visible_user, insert=f"id = {USER}", update=visible_user, delete=f"id = {USER}"),
    ]


def _policies(table: str, *, select: str, insert: str, update: str, delete: str) -> list[str]:
    statements = [f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY", f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"]
    clauses = {
        "select": f"FOR SELECT USING ({select})",
        "insert": f"FOR INSERT WITH CHECK ({insert})",
        "update": f"FOR UPDATE USING ({update}) WITH CHECK ({update})",
        "delete": f"FOR DELETE USING ({delete})",
    }
    for verb, clause in clauses.items():
        statements += [
            f"DROP POLICY IF EXISTS {table}_{verb} ON {table}",
            f"CREATE POLICY {table}_{verb} ON {table} {clause}",
        ]
    # Forced policies bind the owner too; this one lets its migrations and the functions below see every row.
    statements += [
        f"DROP POLICY IF EXISTS {table}_owner ON {table}",
        f"CREATE POLICY {table}_owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)",
    ]
    return statements


FUNCTIONS = (
    "desk_find_login(text)",
    "desk_known_key(text)",
    "desk_memberships_of(uuid)",
    "desk_tenant_by_slug(text)",
    "desk_all_tenants()",
    "desk_find_widget(text)",
    "desk_find_hook(text)",
    "desk_claim_work(text, integer, double precision)",
    "desk_work_waiting()",
    "desk_states_of_week()",
)


def _functions() -> list[str]:
    """SECURITY DEFINER functions with a pinned search_path: the only code that sees more than one tenant.

    They run as the owner and return ids and what signing in needs, never content.
    """
    header = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"
    allowed = ", ".join(f"'{table}'" for table in work_tables())
    waiting = " UNION ALL ".join(
        f"SELECT '{table}'::text, count(*), extract(epoch FROM now() - min(due_at))::double precision FROM {table}"
        " WHERE due_at <= now() AND (lease_until IS NULL OR lease_until < now())"
        for table in work_tables()
    )
    return [
        f"""CREATE OR REPLACE FUNCTION desk_find_login(address text)
        RETURNS TABLE (id uuid, password_hash text, is_active boolean) {header} STABLE AS $$ BEGIN
          RETURN QUERY SELECT u.id, u.password_hash, u.is_active FROM users u WHERE lower(u.email) = lower(address);
        END $$""",
        f"""CREATE OR REPLACE FUNCTION desk_known_key(hash text)
        RETURNS TABLE (id uuid, tenant_id uuid, name text, scopes text[], last_used_at timestamptz) {header} STABLE
        AS $$ BEGIN
          RETURN QUERY SELECT k.id, k.tenant_id, k.name, k.scopes, k.last_used_at FROM api_keys k
            WHERE k.key_hash = hash AND k.revoked_at IS NULL;
        END $$""",
        f"""CREATE OR REPLACE FUNCTION desk_memberships_of(person uuid)
        RETURNS TABLE (tenant_id uuid, role text, slug text, name text) {header} STABLE AS $$ BEGIN
          RETURN QUERY SELECT m.tenant_id, m.role::text, t.slug::text, t.name FROM memberships m
            JOIN tenants t ON t.id = m.tenant_id WHERE m.user_id = person ORDER BY m.created_at;
        END $$""",
        f"""CREATE OR REPLACE FUNCTION desk_tenant_by_slug(wanted text)
        RETURNS TABLE (id uuid) {header} STABLE AS $$ BEGIN
          RETURN QUERY SELECT t.id FROM tenants t WHERE t.slug = wanted;
        END $$""",
        f"""CREATE OR REPLACE FUNCTION desk_all_tenants()
        RETURNS TABLE (id uuid, slug text) {header} STABLE AS $$ BEGIN
          RETURN QUERY SELECT t.id, t.slug::text FROM tenants t WHERE t.id <> '{GLOBAL_TENANT_ID}' ORDER BY t.id;
        END $$""",
        f"""CREATE OR REPLACE FUNCTION desk_find_widget(key text)
        RETURNS TABLE (id uuid, tenant_id uuid) {header} STABLE AS $$ BEGIN
          RETURN QUERY SELECT c.id, c.tenant_id FROM connections c WHERE c.public_key = key AND c.is_active;
        END $$""",
        f"""CREATE OR REPLACE FUNCTION desk_find_hook(key text)
        RETURNS TABLE (id uuid, tenant_id uuid) {header} STABLE AS $$ BEGIN
          RETURN QUERY SELECT c.id, c.tenant_id FROM connections c WHERE c.public_key = key AND c.channel <> 'widget';
        END $$""",
        f"""CREATE OR REPLACE FUNCTION desk_claim_work(kind text, most integer, lease_seconds double precision)
        RETURNS TABLE (id uuid, tenant_id uuid, fence integer) {header} AS $$ BEGIN
          IF kind NOT IN ({allowed}) THEN RAISE EXCEPTION 'no such kind of work: %', kind; END IF;
          RETURN QUERY EXECUTE format(
            'UPDATE %1$I SET lease_until = now() + make_interval(secs => $2), fence = %1$I.fence + 1,
                    attempts = %1$I.attempts + 1
             WHERE id IN (SELECT w.id FROM %1$I w WHERE w.due_at <= now()
                          AND (w.lease_until IS NULL OR w.lease_until < now())
                          ORDER BY w.due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
             RETURNING %1$I.id, %1$I.tenant_id, %1$I.fence', kind) USING most, lease_seconds;
        END $$""",
        f"""CREATE OR REPLACE FUNCTION desk_work_waiting()
        RETURNS TABLE (kind text, waiting bigint, oldest_seconds double precision) {header} STABLE AS $$ BEGIN
          RETURN QUERY {waiting};
        END $$""",
        # Version 7 ids begin with their time: the primary key finds the last seven days.
        f"""CREATE OR REPLACE FUNCTION desk_states_of_week()
        RETURNS TABLE (kind text, state text, number bigint) {header} STABLE AS $$
        DECLARE since uuid := (lpad(to_hex((extract(epoch FROM now() - interval '7 days') * 1000)::bigint), 12, '0')
                               || '00000000000000000000')::uuid;
        BEGIN
          RETURN QUERY SELECT 'drafts', d.state::text, count(*) FROM drafts d WHERE d.id >= since GROUP BY d.state
            UNION ALL
            SELECT 'deliveries', d.state::text, count(*) FROM deliveries d WHERE d.id >= since GROUP BY d.state;
        END $$""",
    ]


async def apply_policies(connection: AsyncConnection, app_role: str) -> None:
    for statement in policy_statements(app_role):
        await connection.exec_driver_sql(statement)


async def assert_isolation(connection: AsyncConnection) -> None:
    """Refuse to start when the connection could see past its tenant. Raises SettingMissingError."""
    role = (
        await connection.execute(
            text("SELECT rolsuper, rolbypassrls, current_user FROM pg_roles WHERE rolname = current_user")
        )
    ).one()
    if role.rolsuper or role.rolbypassrls:
        msg = f"the database role {role.current_user!r} can bypass row-level security; run `desk migrate`"
        raise SettingMissingError(msg)
    guarded = set(
        (
            await connection.execute(
                text(
                    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                    " WHERE n.nspname = 'public' AND c.relrowsecurity AND c.relforcerowsecurity"
                    " AND NOT pg_has_role(current_user, c.relowner, 'MEMBER')"
                )
            )
        ).scalars()
    )
    missing = sorted(name for name in guarded_tables() if name not in guarded)
    if missing:
        msg = f"row-level security is not forced on {', '.join(missing)}; run `desk migrate`"
        raise SettingMissingError(msg)


def guarded_tables() -> set[str]:
    """Tables that must have forced row-level security."""
    return {table_name(row) for row in tenant_tables()} | {"tenants", "users"}
