"""What an edit changed, and whether the installation is well."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from desk.db.roles import DatabaseAddress
from tests.desk.cli.conftest import Command


def test_check_edit_tells_a_reversal_from_courtesy(tmp_path: Path) -> None:
    draft, sent, kind = (tmp_path / name for name in ("draft.txt", "sent.txt", "kind.txt"))
    draft.write_text("Hello Mia,\n\nYou can cancel within 5 days.\n", encoding="utf-8")
    sent.write_text("Hello Mia,\n\nYou cannot cancel within 5 days.\n", encoding="utf-8")
    kind.write_text("Hello Mia,\n\nThank you for asking. You can cancel within 5 days.\n", encoding="utf-8")
    desk = Command({})
    reversal = desk.json("check-edit", str(draft), str(sent))
    assert (reversal["meaning_changed"], reversal["verdict"]) == (True, "correction")
    change = next(one for one in reversal["changes"] if one["kind"] == "negation")
    text = draft.read_text(encoding="utf-8")
    assert text[slice(*change["span_before"])] == change["before"]
    courteous = desk.json("check-edit", str(draft), str(kind))
    assert (courteous["meaning_changed"], courteous["verdict"]) == (False, "example")
    assert "cannot" in desk.run("check-edit", str(draft), str(sent)).stdout


@pytest.fixture
def as_owner(fresh_desk: Command, fresh_address: DatabaseAddress) -> Command:
    assert fresh_address.owner is not None
    return fresh_desk.with_settings(DESK_DATABASE_URL=fresh_address.owner.render_as_string(hide_password=False))


def test_doctor_is_content_with_a_new_installation(as_owner: Command) -> None:
    as_owner.new_tenant()
    checks = _examined(as_owner, 0)
    assert checks.pop("worker") == "warn"
    assert set(checks.values()) == {"ok"}
    assert {"database", "migrations", "isolation", "keys", "queue", "indexes", "disk", "clock", "channels"} <= set(
        checks
    )


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        ("ALTER TABLE messages NO FORCE ROW LEVEL SECURITY", "isolation"),
        ("DROP POLICY tickets_select ON tickets", "isolation"),
        ('UPDATE connections SET configuration = \'{"callback_url": "http://10.0.0.1/hook"}\'', "channels"),
        ("UPDATE connections SET secrets = 'gAAAA-not-a-token'", "keys"),
        ("UPDATE index_counters SET value = value + 1 WHERE tenant_id IN (SELECT tenant_id FROM index_log)", "indexes"),
        (
            "UPDATE document_versions SET state = 'waiting', attempts = 0, due_at = now() - interval '1 hour'",
            "worker",
        ),
    ],
)
def test_doctor_finds_what_is_wrong(
    fresh_desk: Command, fresh_address: DatabaseAddress, tmp_path: Path, damage: str, name: str
) -> None:
    article = tmp_path / "article.md"
    article.write_text("# Quotas\n\nA mailbox holds ten gigabytes.\n", encoding="utf-8")
    fresh_desk.json("ingest", str(article), "--tenant", fresh_desk.new_tenant())
    _execute(fresh_address, damage)
    assert _examined(fresh_desk, 1)[name] == "fail"


def test_doctor_finds_a_schema_that_is_not_the_models(as_owner: Command, fresh_address: DatabaseAddress) -> None:
    _execute(fresh_address, "ALTER TABLE tickets DROP COLUMN summary")
    assert _examined(as_owner, 1)["migrations"] == "fail"


def _execute(address: DatabaseAddress, statement: str) -> None:
    assert address.owner is not None
    owner = address.owner.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(owner) as connection:
        connection.execute(statement.encode())


def test_doctor_says_so_when_there_is_no_database(tmp_path: Path) -> None:
    desk = Command({"DESK_DATA_DIR": str(tmp_path), "DESK_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    assert _examined(desk, 1) == {"database": "fail", "disk": "ok", "storage": "ok"}


def _examined(desk: Command, exit_code: int) -> dict[str, str]:
    result = desk.run("doctor", "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == exit_code, result.stdout
    assert report["ok"] is (exit_code == 0)
    assert all(check["ok"] is (check["outcome"] != "fail") for check in report["checks"])
    return {check["name"]: check["outcome"] for check in report["checks"]}
