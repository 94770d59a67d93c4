"""What may be sent without a person, the kill switch, and trying a question out."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from desk.accounts.identity import Actor, Permission
from desk.accounts.preferences import CertificationTerms, EscalationRules
from desk.api.draft_answers import DraftAnswer, tried_draft_answer
from desk.api.fields import Answer, Asked
from desk.api.weights import AskedWeights
from desk.drafting.trials import drafting_with, try_question
from desk.installation import Installation
from desk.policy.quiet import QuietHours, quiet_hours
from desk.policy.tenant_policy import PolicyChange, TenantPolicy, change_policy, read_policy
from desk.web.permissions import needs


class ChannelPolicyAnswer(Answer):
    channel: str
    mode: str
    threshold: float
    daily_cap: int
    ticket_cap: int
    delay_seconds: int
    faq_send: bool
    """FAQ answers that surely fit go out by themselves."""
    quiet_hours: QuietHours | None
    """When nothing is sent by machine."""


class PolicyAnswer(Answer):
    stopped: bool
    """The kill switch: no automatic reply goes out on any channel."""
    channels: list[ChannelPolicyAnswer]
    escalation: EscalationRules
    certification: CertificationTerms
    """What is accepted of automatic replies on the channels in mode `certified`."""
    allowed_links: list[str]
    checks_required: bool
    """Changes of prompt, weights, models and documents are answered 409 until the corrections were replayed with them;
    `comparison_id` names the check, and `?anyway=true` lets the change pass on record."""


class AskedPlayground(Asked):
    subject: str
    body: str
    prompt_id: UUID | None = None
    weights: AskedWeights | None = None
    channel: str | None = None
    """Whose policy decides; without it none lets anything out."""
    model: str = ""
    """Key of a configured model, `none` for the desk's own writer; empty: as configured."""


class ModelOptionAnswer(Answer):
    key: str
    words: str


class ModelOptionsAnswer(Answer):
    items: list[ModelOptionAnswer]


class PolicyController(Controller):
    path = "/policy"
    tags = ("policy",)

    @get("/", opt=needs(Permission.SIGNED_IN))
    async def show(self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]) -> PolicyAnswer:
        async with installation.database.transaction(actor.scope) as session:
            return _answer(await read_policy(session))

    @put("/", opt=needs(Permission.TUNING))
    async def change(
        self,
        data: JSONBody[PolicyChange],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> PolicyAnswer:
        """Change what is given and leave the rest."""
        async with installation.database.transaction(actor.scope) as session:
            return _answer(await change_policy(session, data))

    @post("/stop", status_code=200, opt=needs(Permission.TICKETS))
    async def stop(self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]) -> PolicyAnswer:
        """The kill switch, for everybody who works the queue: automatic replies stop at once."""
        async with installation.database.transaction(actor.scope) as session:
            return _answer(await change_policy(session, PolicyChange(stopped=True)))

    @post("/resume", status_code=200, opt=needs(Permission.TUNING))
    async def resume(self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]) -> PolicyAnswer:
        """Let automatic replies go out again."""
        async with installation.database.transaction(actor.scope) as session:
            return _answer(await change_policy(session, PolicyChange(stopped=False)))


@post("/playground", status_code=200, opt=needs(Permission.SIGNED_IN), tags=["playground"])
async def playground(
    data: JSONBody[AskedPlayground],
    actor: NamedDependency[Actor],
    installation: NamedDependency[Installation],
) -> DraftAnswer:
    """What the desk would draft for this question; nothing is stored but what a model was paid."""
    trial = await try_question(
        installation.database,
        await drafting_with(installation.drafting, installation.model_options, actor, data.model),
        actor,
        subject=data.subject,
        body=data.body,
        prompt_id=data.prompt_id,
        weights=data.weights.to_weights() if data.weights else None,
        channel=data.channel,
    )
    return tried_draft_answer(trial.context, trial.finished, prompt_id=trial.inputs.prompt_id, ticket_id=None)


@get("/playground/models", opt=needs(Permission.SIGNED_IN), tags=["playground"])
async def playground_models(
    actor: NamedDependency[Actor], installation: NamedDependency[Installation]
) -> ModelOptionsAnswer:
    """Which of the configured models a try can be made with."""
    offered = await installation.model_options.offered(actor.tenant_id)
    return ModelOptionsAnswer([ModelOptionAnswer(one.key, one.words) for one in offered])


def _answer(policy: TenantPolicy) -> PolicyAnswer:
    return PolicyAnswer(
        stopped=policy.stopped,
        channels=[
            ChannelPolicyAnswer(
                row.channel,
                row.mode,
                row.threshold,
                row.daily_cap,
                row.ticket_cap,
                row.delay_seconds,
                row.faq_send,
                quiet_hours(row),
            )
            for row in policy.channels
        ],
        escalation=policy.escalation,
        certification=policy.certification,
        allowed_links=list(policy.allowed_links),
        checks_required=policy.checks_required,
    )
