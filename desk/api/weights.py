"""How much each source counts."""

from __future__ import annotations

from uuid import UUID

from litestar import Controller, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from desk.accounts.identity import Actor, Permission
from desk.accounts.preferences import checked_weights, load_preferences, save_weights
from desk.api.checking import Anyway, check_change
from desk.api.fields import Answer, Asked, Limit
from desk.comparing.candidates import Candidate
from desk.installation import Installation
from desk.paging import STANDARD_PAGE
from desk.ports import SourceWeights
from desk.web.permissions import needs
from desk.weighing import past_replies, preview, recommend


class AskedWeights(Asked):
    """Zero or more, at least one above zero."""

    global_kb: float
    tenant_kb: float
    example: float
    correction: float

    def to_weights(self) -> SourceWeights:
        """Raises InvalidInputError when they cannot be normalised."""
        return checked_weights(SourceWeights(self.global_kb, self.tenant_kb, self.example, self.correction))


class WeightsAnswer(Answer):
    """Normalised to a sum of 1."""

    global_kb: float
    tenant_kb: float
    example: float
    correction: float


class SourceEvidenceAnswer(Answer):
    kind: str
    used: float
    """Approved replies that came from it; one that came from several counts in parts."""
    found: int
    """Approved replies for which it was among what was found."""


class RecommendationAnswer(Answer):
    weights: WeightsAnswer
    replies: int
    """Approved replies, newest first, that it was computed from."""
    needed: int
    enough: bool
    """False: too few replies, and the weights are still mostly the default ones."""
    sources: list[SourceEvidenceAnswer]


class MovedReplyAnswer(Answer):
    ticket_id: UUID
    number: int
    subject: str
    title: str
    kind: str
    before: int
    after: int


class PreviewAnswer(Answer):
    """Places of the sources that approved replies came from, now and under the weights asked for."""

    replies: int
    better: int
    worse: int
    same: int
    first_before: int
    first_after: int
    moved: list[MovedReplyAnswer]


class WeightsController(Controller):
    path = "/weights"
    tags = ("weights",)

    @get("/", opt=needs(Permission.SIGNED_IN))
    async def show(self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]) -> WeightsAnswer:
        async with installation.database.transaction(actor.scope) as session:
            return _answer((await load_preferences(session)).weights.normalised())

    @put("/", opt=needs(Permission.TUNING))
    async def change(
        self,
        data: JSONBody[AskedWeights],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        anyway: Anyway = False,
    ) -> WeightsAnswer:
        """Stored normalised to a sum of 1."""
        weights = data.to_weights()
        await check_change(installation, actor, Candidate(weights=weights.normalised()), anyway=anyway)
        async with installation.database.transaction(actor.scope) as session:
            return _answer(await save_weights(session, weights))

    @get("/recommendation", opt=needs(Permission.SIGNED_IN))
    async def recommendation(
        self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> RecommendationAnswer:
        """From which sources the approved replies really came."""
        async with installation.database.transaction(actor.scope) as session:
            found = recommend(await past_replies(session))
        return RecommendationAnswer(
            weights=_answer(found.weights),
            replies=found.replies,
            needed=found.needed,
            enough=found.is_enough,
            sources=[SourceEvidenceAnswer(one.kind, one.used, one.found) for one in found.sources],
        )

    @post("/preview", opt=needs(Permission.SIGNED_IN), status_code=200)
    async def preview(
        self,
        data: JSONBody[AskedWeights],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
    ) -> PreviewAnswer:
        """What they would have changed on the tenant's own past tickets. Stores nothing; `limit` is of `moved`."""
        wanted = data.to_weights()
        async with installation.database.transaction(actor.scope) as session:
            current = (await load_preferences(session)).weights
            shown = preview(await past_replies(session), current, wanted)
        return PreviewAnswer(
            replies=shown.replies,
            better=shown.better,
            worse=shown.worse,
            same=shown.same,
            first_before=shown.first_before,
            first_after=shown.first_after,
            moved=[
                MovedReplyAnswer(one.ticket_id, one.number, one.subject, one.title, one.kind, one.before, one.after)
                for one in shown.moved[:limit]
            ],
        )


def _answer(weights: SourceWeights) -> WeightsAnswer:
    return WeightsAnswer(weights.global_kb, weights.tenant_kb, weights.example, weights.correction)
