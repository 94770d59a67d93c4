"""Prompt versions: writing, copying, comparing, activating."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from desk.accounts.identity import Actor, Permission
from desk.api.checking import Anyway, check_change
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.comparing.candidates import Candidate
from desk.drafting.prompt_history import compare_prompts, list_prompts
from desk.drafting.prompts import PromptText, activate, add_version, deactivate_own, duplicate, get_prompt
from desk.installation import Installation
from desk.models import GLOBAL_TENANT_ID, PromptVersion
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs


class AskedPrompt(Asked):
    name: str
    system_prompt: str
    """May hold `{tone}`."""
    context_template: str
    """Holds `{context}`."""
    task_template: str
    """Holds `{content}`; may hold `{subject}` and `{department}`."""
    temperature: float = 0.3
    max_tokens: int = 1000


class PromptAnswer(Answer):
    id: UUID
    name: str
    number: int
    system_prompt: str
    context_template: str
    task_template: str
    temperature: float
    max_tokens: int
    is_active: bool
    is_global: bool
    copied_from: UUID | None
    created_by: str
    created_at: datetime


class PromptDiff(Answer):
    before: UUID
    after: UUID
    fields: dict[str, list[str]]
    """Lines of a unified diff for each field that differs."""


class PromptController(Controller):
    path = "/prompts"
    tags = ("prompts",)

    @get("/", opt=needs(Permission.SIGNED_IN))
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[PromptAnswer]:
        """The active ones first. The tenant's own active version is used before the global one."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_prompts(session, limit=limit, offset=offset)
        return Listed([_answer(row) for row in page.items], page.total, page.limit, page.offset)

    @get("/{prompt_id:uuid}", opt=needs(Permission.SIGNED_IN))
    async def show(
        self, prompt_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> PromptAnswer:
        async with installation.database.transaction(actor.scope) as session:
            return _answer(await get_prompt(session, prompt_id))

    @post("/", opt=needs(Permission.TUNING))
    async def create(
        self,
        data: JSONBody[AskedPrompt],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> PromptAnswer:
        """The next version of the prompt of this name; it is used once it is activated."""
        prompt = PromptText(
            name=data.name,
            system_prompt=data.system_prompt,
            context_template=data.context_template,
            task_template=data.task_template,
            temperature=data.temperature,
            max_tokens=data.max_tokens,
        )
        async with installation.database.transaction(actor.scope) as session:
            return _answer(await add_version(session, prompt, created_by=actor.label))

    @post("/{prompt_id:uuid}/duplicate", opt=needs(Permission.TUNING))
    async def copy(
        self, prompt_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> PromptAnswer:
        """An own version to build on; the only way to change a global prompt."""
        async with installation.database.transaction(actor.scope) as session:
            return _answer(await duplicate(session, prompt_id, created_by=actor.label))

    @post("/{prompt_id:uuid}/activate", status_code=200, opt=needs(Permission.TUNING))
    async def activate(
        self,
        prompt_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        anyway: Anyway = False,
    ) -> PromptAnswer:
        """Drafts use this version from now on."""
        await check_change(installation, actor, Candidate(prompt_id=prompt_id), anyway=anyway)
        async with installation.database.transaction(actor.scope) as session:
            return _answer(await activate(session, prompt_id))

    @post("/deactivate", status_code=204, opt=needs(Permission.TUNING))
    async def back_to_global(
        self, actor: NamedDependency[Actor], installation: NamedDependency[Installation], anyway: Anyway = False
    ) -> None:
        """Use the global default again."""
        actor.require(Permission.TICKETS)  # an operator's own active prompt is the global default itself
        await check_change(installation, actor, Candidate(standard_prompt=True), anyway=anyway)
        async with installation.database.transaction(actor.scope) as session:
            await deactivate_own(session)

    @get("/{prompt_id:uuid}/diff", opt=needs(Permission.SIGNED_IN))
    async def diff(
        self,
        prompt_id: FromPath[UUID],
        against: FromQuery[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> PromptDiff:
        """What this version changed against another."""
        async with installation.database.transaction(actor.scope) as session:
            return PromptDiff(against, prompt_id, await compare_prompts(session, against, prompt_id))


def _answer(row: PromptVersion) -> PromptAnswer:
    return PromptAnswer(
        id=row.id,
        name=row.name,
        number=row.number,
        system_prompt=row.system_prompt,
        context_template=row.context_template,
        task_template=row.task_template,
        temperature=row.temperature,
        max_tokens=row.max_tokens,
        is_active=row.is_active,
        is_global=row.tenant_id == GLOBAL_TENANT_ID,
        copied_from=row.copied_from,
        created_by=row.created_by,
        created_at=row.created_at,
    )
