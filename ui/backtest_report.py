"""The report of `desk backtest`: one HTML file that needs nothing beside it, to be read, sent on or printed."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from desk.clock import SystemClock
from desk.history.account import BacktestAccount
from ui.presenting.backtests import shown_account
from ui.rendering import STATIC, environment

_STYLES = ("css/tokens.css", "report.css", "css/replays.css")


def backtest_report(
    account: BacktestAccount, *, name: str, command: str, left_out: Sequence[str], documents: bool
) -> str:
    """`left_out`: what could not be read, a sentence each. `documents`: whether drafts could quote from any."""
    styles = "\n".join((STATIC / sheet).read_text(encoding="utf-8") for sheet in _STYLES)
    return (
        environment(SystemClock())
        .get_template("backtest_report.html")
        .render(
            account=shown_account(account, shown=len(account.worst), address=lambda _: "", documents=documents),
            name=name,
            command=command,
            left_out=left_out,
            styles=Markup(styles),  # noqa: S704 - our own style sheets
        )
    )
