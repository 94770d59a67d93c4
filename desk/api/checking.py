"""How a program's change waits for its check."""

from __future__ import annotations

from typing import Annotated

from litestar.params import QueryParameter

from desk.accounts.identity import Actor
from desk.comparing.candidates import Candidate
from desk.comparing.cases import most_cases
from desk.comparing.gate import require_check
from desk.installation import Installation

Anyway = Annotated[bool, QueryParameter(description="Make the change although it is not checked, or breaks something.")]


async def check_change(installation: Installation, actor: Actor, change: Candidate, *, anyway: bool) -> None:
    """Raises UncheckedChangeError, which is answered with 409 and the check's id."""
    has_model = await installation.models.for_tenant(actor.tenant_id) is not None or change.provider_id is not None
    await require_check(installation.database, actor, change, most=most_cases(has_model=has_model), anyway=anyway)
