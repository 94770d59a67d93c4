"""Drafts and the replies they become: look, approve, reject, explain, replay, undo."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from sqlalchemy import select

from desk.accounts.identity import Actor, Permission
from desk.api.draft_answers import DraftAnswer, draft_answer, tried_draft_answer
from desk.api.fields import Answer, Asked
from desk.api.ticket_answers import DeliveryAnswer, delivery_answer
from desk.api.weights import AskedWeights
from desk.attachments.kept import AttachmentLimits
from desk.attachments.threads import checked_ids, files_of_deliveries
from desk.delivery import resolve_uncertain
from desk.drafting.trials import drafting_with, replay_draft
from desk.errors import NotFoundError
from desk.installation import Installation
from desk.models import Decision, Delivery
from desk.ports import EditAnalysis
from desk.review import approve, cancel_delivery, reject
from desk.tickets import draft_view
from desk.web.permissions import needs


class AskedApproval(Asked):
    based_on_seq: int
    """`last_inbound_seq` of the ticket as the agent saw it."""
    body: str | None = None
    """The reply as the agent changed it; without it the draft goes out as it is."""
    resolve: bool = False
    attachments: list[UUID] = msgspec.field(default_factory=list[UUID])
    """Ids of files that were uploaded to this ticket; they go out with the reply."""


class AskedRejection(Asked):
    reason: str
    correct_reply: str | None = None


class AskedReplay(Asked):
    prompt_id: UUID | None = None
    weights: AskedWeights | None = None
    model: str = ""
    """Key of a configured model (`GET /api/v1/playground/models`), `none` for the desk's own writer; empty: as
    configured."""


class AskedResolution(Asked):
    decision: Literal["sent", "send_again"] = msgspec.field(name="as")


class ChangeAnswer(Answer):
    kind: str
    before: str
    after: str
    span_before: tuple[int, int]
    span_after: tuple[int, int]
    meaning: bool


class AnalysisAnswer(Answer):
    similarity: float
    meaning_changed: bool
    changes: list[ChangeAnswer]
    notes: str
    learned: str
    """example, correction or none: what will be learned when the undo window closes."""


class Approved(Answer):
    delivery: DeliveryAnswer
    analysis: AnalysisAnswer


class DraftController(Controller):
    path = "/drafts"
    tags = ("drafts",)
    opt = needs(Permission.TICKETS)

    @get("/{draft_id:uuid}")
    async def show(
        self, draft_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> DraftAnswer:
        return await _draft(installation, actor, draft_id)

    @post("/{draft_id:uuid}/approve", status_code=200)
    async def approve(
        self,
        draft_id: FromPath[UUID],
        data: JSONBody[AskedApproval],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Approved:
        """Send it. 409 when someone else was first or the customer has written again."""
        approval = await approve(
            installation.database,
            actor,
            installation.analyser,
            draft_id,
            body=data.body,
            based_on_seq=data.based_on_seq,
            resolve=data.resolve,
            undo_seconds=installation.settings.undo_seconds,
            attachments=checked_ids(data.attachments, AttachmentLimits.of(installation.settings)),
        )
        answer = await described_delivery(installation, actor, approval.delivery)
        return Approved(answer, _analysis(approval.analysis, approval.learned))

    @post("/{draft_id:uuid}/reject", status_code=200)
    async def reject(
        self,
        draft_id: FromPath[UUID],
        data: JSONBody[AskedRejection],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> DraftAnswer:
        """It is not to be used; the reason is learned as a correction."""
        await reject(installation.database, actor, draft_id, reason=data.reason, correct_reply=data.correct_reply)
        return await _draft(installation, actor, draft_id)

    @get("/{draft_id:uuid}/decision")
    async def decision(
        self, draft_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> dict[str, Any]:
        """All that the draft was decided from, as it was then."""
        async with installation.database.transaction(actor.scope) as session:
            await draft_view(session, draft_id)
            found = await session.execute(select(Decision.record).where(Decision.draft_id == draft_id))
            record = found.scalar_one_or_none()
        if record is None:
            msg = "nothing has been decided about this draft"
            raise NotFoundError(msg)
        return record

    @post("/{draft_id:uuid}/replay", status_code=200)
    async def replay(
        self,
        draft_id: FromPath[UUID],
        data: JSONBody[AskedReplay],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> DraftAnswer:
        """Decide again with another prompt, other weights or another model; nothing is stored but its cost."""
        trial = await replay_draft(
            installation.database,
            await drafting_with(installation.drafting, installation.model_options, actor, data.model),
            actor,
            draft_id,
            prompt_id=data.prompt_id,
            weights=data.weights.to_weights() if data.weights else None,
        )
        return tried_draft_answer(
            trial.context, trial.finished, prompt_id=trial.inputs.prompt_id, ticket_id=trial.context.ticket_id
        )


class DeliveryController(Controller):
    path = "/deliveries"
    tags = ("deliveries",)
    opt = needs(Permission.TICKETS)

    @post("/{delivery_id:uuid}/cancel", status_code=200)
    async def cancel(
        self, delivery_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> DeliveryAnswer:
        """Undo within the window: nothing is sent and nothing learned. 409 afterwards."""
        delivery = await cancel_delivery(installation.database, actor, delivery_id)
        return await described_delivery(installation, actor, delivery)

    @post("/{delivery_id:uuid}/resolve", status_code=200)
    async def resolve(
        self,
        delivery_id: FromPath[UUID],
        data: JSONBody[AskedResolution],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> DeliveryAnswer:
        """Say what became of an uncertain or failed reply."""
        delivery = await resolve_uncertain(installation.database, actor, delivery_id, data.decision)
        return await described_delivery(installation, actor, delivery)


async def described_delivery(installation: Installation, actor: Actor, delivery: Delivery) -> DeliveryAnswer:
    """With its files."""
    async with installation.database.transaction(actor.scope) as session:
        files = await files_of_deliveries(session, [delivery.id])
    return delivery_answer(delivery, files.get(delivery.id, ()))


async def _draft(installation: Installation, actor: Actor, draft_id: UUID) -> DraftAnswer:
    async with installation.database.transaction(actor.scope) as session:
        return draft_answer(await draft_view(session, draft_id))


def _analysis(analysis: EditAnalysis, learned: str) -> AnalysisAnswer:
    return AnalysisAnswer(
        similarity=round(analysis.similarity, 4),
        meaning_changed=analysis.meaning_changed,
        changes=[
            ChangeAnswer(
                change.kind, change.before, change.after, change.span_before, change.span_after, change.meaning
            )
            for change in analysis.changes
        ],
        notes=analysis.notes,
        learned=learned,
    )
