"""How much each source counts."""

from __future__ import annotations

from litestar import Controller, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from desk.accounts.identity import Actor, Permission
from desk.accounts.preferences import checked_weights, load_preferences, save_weights
from desk.api.fields import Answer, Asked
from desk.installation import Installation
from desk.ports import SourceWeights
from desk.web.permissions import needs


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
    ) -> WeightsAnswer:
        """Stored normalised to a sum of 1."""
        async with installation.database.transaction(actor.scope) as session:
            return _answer(await save_weights(session, data.to_weights()))


def _answer(weights: SourceWeights) -> WeightsAnswer:
    return WeightsAnswer(weights.global_kb, weights.tenant_kb, weights.example, weights.correction)
