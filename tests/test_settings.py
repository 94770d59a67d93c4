"""Settings are read in one place, refused with their name, and documented without a gap."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from desk.errors import SettingMissingError
from desk.settings import SETTINGS, load_settings
from scripts.settings_table import PAGE, table

ROOT = Path(__file__).resolve().parents[1]


def test_the_table_of_settings_is_complete() -> None:
    assert PAGE.read_text(encoding="utf-8") == table(), "run python scripts/settings_table.py"


def test_only_one_module_reads_the_environment() -> None:
    readers: set[str] = set()
    for package in ("desk", "retrieval", "learning", "connectors", "ui"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                reads = isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
                if reads and isinstance(node.value, ast.Name) and node.value.id == "os":
                    readers.add(str(path.relative_to(ROOT)))
    # __init__ sets a default for numpy before it loads, commands and measurements pass the environment on to
    # processes they start (the reading and the replaying ones get the search path and nothing else), and the guard is
    # a script of its own that must not import the rest.
    assert readers <= {
        "desk/settings.py",
        "desk/__init__.py",
        "desk/cli/serving.py",
        "desk/command_wiring.py",
        "desk/measuring/processes.py",
        "desk/guard.py",
        "desk/supervisor.py",
        "learning/backtest/job.py",
        "retrieval/ingestion/isolation/reader.py",
    }


def test_keys_are_made_once_and_kept_for_the_owner_only(tmp_path: Path) -> None:
    first, second = (load_settings({"DESK_DATA_DIR": str(tmp_path / "data")}) for _ in range(2))
    assert first.secret_key == second.secret_key
    assert first.encryption_keys == second.encryption_keys
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
    assert modes == {"secret.key": 0o600, "encryption.keys": 0o600}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DESK_PORT", "eighty"),
        ("DESK_PORT", "0"),
        ("DESK_DEMO", "maybe"),
        ("DESK_LEASE_SECONDS", "nan"),
        ("DESK_PUBLIC_URL", "desk.example"),
        ("DESK_LOG_LEVEL", "loud"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingMissingError, match=name):
        load_settings({"DESK_DATA_DIR": str(tmp_path), name: value})


def test_secrets_do_not_show_when_settings_are_printed(tmp_path: Path) -> None:
    secrets = {"DESK_SECRET_KEY": "s3cr3t-one", "DESK_DATABASE_URL": "postgresql://u:s3cr3t-two@h/d"}
    settings = load_settings({"DESK_DATA_DIR": str(tmp_path), **secrets, "DESK_LLM_API_KEY": "s3cr3t-three"})
    assert "s3cr3t" not in f"{settings!r} {settings} {settings.secret_key} {settings.database_url}"


def test_every_setting_has_a_meaning() -> None:
    assert all(setting.text.endswith(".") for setting in SETTINGS)
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)
