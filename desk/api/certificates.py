"""Certified sending: how far it is, what was granted and ended, what went out under it, and what people say of that."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from desk.accounts.identity import Actor, Permission
from desk.accounts.preferences import CertificationTerms
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.api.ticket_answers import DeliveryAnswer, delivery_answer
from desk.installation import Installation
from desk.judging import judge, replies_to_check, sent_under
from desk.models import Delivery, SendingCertificate, Ticket
from desk.paging import STANDARD_PAGE
from desk.policy.endings import revoke
from desk.policy.overview import GroupStanding, Standing, list_certificates, simulate_policy, standing
from desk.web.permissions import needs


class CertificateAnswer(Answer):
    id: UUID
    group: str
    channels: list[str]
    state: str
    """active, replaced or revoked."""
    threshold: float
    """Lowest calibrated probability that may be sent."""
    risk: float
    confidence: float
    bound: float
    """Upper bound on the share of replies your agents would have changed."""
    labels: int
    errors: int
    look: int
    granted_at: datetime
    ended_at: datetime | None
    ended_because: str


class ProgressAnswer(Answer):
    group: str
    labels: int
    """Counted towards the next look: those whose score promises the accepted risk."""
    needed: int
    forgiven: int
    """Errors among the needed that the look forgives."""
    look: int
    expected_error: float | None
    labels_in_all: int
    certificate: CertificateAnswer | None


class ReliabilityAnswer(Answer):
    promised: float
    kept: float
    drafts: int


class CoverageAnswer(Answer):
    coverage: float
    error: float
    threshold: float


class StandingAnswer(Answer):
    terms: CertificationTerms
    channels: list[str]
    is_on: bool
    labels: int
    groups: list[ProgressAnswer]
    reliability: list[ReliabilityAnswer]
    calibration_error: float
    risk_coverage: list[CoverageAnswer]


class SimulationAnswer(Answer):
    drafts: int
    sent: int
    changed: int
    bound: float


class SentReply(Answer):
    delivery: DeliveryAnswer
    ticket_id: UUID
    ticket_number: int
    subject: str
    judgement: str | None
    """asked, good or wrong."""


class AskedRevocation(Asked):
    reason: str = "revoked by hand"


class AskedJudgement(Asked):
    good: bool
    reason: str = ""
    correct_reply: str = ""


class CertificateController(Controller):
    """Thresholds are for those who set the policy: whoever reviews drafts and knows them can tell which ones were
    drawn for blind review."""

    path = "/policy"
    tags = ("policy",)

    @get("/certificates", opt=needs(Permission.TUNING))
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[CertificateAnswer]:
        """Newest first, those that have ended too."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_certificates(session, limit=limit, offset=offset)
        return Listed([_certificate(row) for row in page.items], page.total, page.limit, page.offset)

    @get("/certification", opt=needs(Permission.TUNING))
    async def show(self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]) -> StandingAnswer:
        """How far each group is from its next certificate, and how honest the scores have been."""
        async with installation.database.transaction(actor.scope) as session:
            return _standing(await standing(session))

    @get("/simulation", opt=needs(Permission.TUNING))
    async def simulate(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        threshold: FromQuery[float | None] = None,
        mode: FromQuery[str] = "certified",
        last: FromQuery[int] = 200,
    ) -> SimulationAnswer:
        """How many of the last reviewed drafts would have gone out, and how many of those a person changed.

        In mode `certified` without a threshold the certificates are played forward over the reviews.
        """
        async with installation.database.transaction(actor.scope) as session:
            found = await simulate_policy(session, mode=mode, threshold=threshold, last=last)
        return SimulationAnswer(found.drafts, found.sent, found.changed, round(found.bound, 4))

    @post("/certificates/{certificate_id:uuid}/revoke", status_code=200, opt=needs(Permission.TUNING))
    async def revoke(
        self,
        certificate_id: FromPath[UUID],
        data: JSONBody[AskedRevocation],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> CertificateAnswer:
        """End it now; its group begins to collect labels anew."""
        async with installation.database.transaction(actor.scope) as session:
            return _certificate(await revoke(session, certificate_id, data.reason.strip() or "revoked by hand"))

    @get("/certificates/{certificate_id:uuid}/replies", opt=needs(Permission.TUNING))
    async def replies(
        self,
        certificate_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[SentReply]:
        """The recall list: what went out, or may have, under this certificate."""
        async with installation.database.transaction(actor.scope) as session:
            page = await sent_under(session, certificate_id, limit=limit, offset=offset)
        return Listed([_reply(*row) for row in page.items], page.total, page.limit, page.offset)

    @get("/replies-to-check", opt=needs(Permission.SIGNED_IN))
    async def to_check(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[SentReply]:
        """Automatic replies that were drawn for a look after they were sent. Oldest first."""
        async with installation.database.transaction(actor.scope) as session:
            page = await replies_to_check(session, limit=limit, offset=offset)
        return Listed([_reply(*row) for row in page.items], page.total, page.limit, page.offset)


@post("/deliveries/{delivery_id:uuid}/judge", status_code=200, opt=needs(Permission.TICKETS), tags=["deliveries"])
async def judge_reply(
    delivery_id: FromPath[UUID],
    data: JSONBody[AskedJudgement],
    actor: NamedDependency[Actor],
    installation: NamedDependency[Installation],
) -> DeliveryAnswer:
    """Say whether a sent reply is one you would have sent; 409 when somebody has said so already."""
    return delivery_answer(
        await judge(
            installation.database,
            actor,
            installation.analyser,
            delivery_id,
            good=data.good,
            reason=data.reason,
            correct_reply=data.correct_reply,
        )
    )


def _certificate(row: SendingCertificate) -> CertificateAnswer:
    return CertificateAnswer(
        id=row.id,
        group=row.group_name,
        channels=row.channels,
        state=row.state,
        threshold=row.threshold,
        risk=row.risk,
        confidence=row.confidence,
        bound=round(row.bound, 4),
        labels=row.labels,
        errors=row.errors,
        look=row.look,
        granted_at=row.created_at,
        ended_at=row.ended_at,
        ended_because=row.ended_because,
    )


def _standing(found: Standing) -> StandingAnswer:
    return StandingAnswer(
        terms=found.terms,
        channels=found.channels,
        is_on=found.is_on,
        labels=found.labels,
        groups=[_progress(group) for group in found.groups],
        reliability=[
            ReliabilityAnswer(round(each.promised, 4), round(each.kept, 4), each.drafts) for each in found.reliability
        ],
        calibration_error=round(found.calibration_error, 4),
        risk_coverage=[
            CoverageAnswer(round(each.coverage, 4), round(each.error, 4), round(each.threshold, 4))
            for each in found.risk_coverage
        ],
    )


def _progress(group: GroupStanding) -> ProgressAnswer:
    progress, expected = group.progress, group.progress.expected_error
    return ProgressAnswer(
        group=group.name,
        labels=progress.labels,
        needed=progress.needed,
        forgiven=progress.forgiven,
        look=progress.look,
        expected_error=None if expected is None else round(expected, 4),
        labels_in_all=group.labels,
        certificate=None if group.certificate is None else _certificate(group.certificate),
    )


def _reply(delivery: Delivery, ticket: Ticket) -> SentReply:
    return SentReply(delivery_answer(delivery), ticket.id, ticket.number, ticket.subject, delivery.judgement)
