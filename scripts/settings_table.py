"""Writes docs/settings.md from `desk.settings.SETTINGS`; a test keeps the two the same."""

from __future__ import annotations

from pathlib import Path

from desk.settings import SETTINGS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"


def table() -> str:
    lines = [
        "# Settings",
        "",
        "Environment variables, or lines of a `.env` file where the desk is started. This page is made by",
        "`python scripts/settings_table.py`.",
        "",
        "| setting | default | meaning |",
        "|---|---|---|",
    ]
    for setting in SETTINGS:
        default = "" if setting.default in {None, ""} else f"`{setting.default}`"
        lines.append(f"| `{setting.name}` | {default} | {setting.text} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(table(), encoding="utf-8")
