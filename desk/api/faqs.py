"""FAQs: writing, publishing, finding, files, and what would be worth having."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, HttpMethod, Response, delete, get, post, route
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, MultipartBody, QueryParameter

from desk.accounts.identity import Actor, Permission
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.faq_files import export_faqs, import_faqs
from desk.faq_suggestions import suggest_faqs
from desk.faqs import (
    FaqChange,
    FaqText,
    FaqView,
    change_faq,
    create_faq,
    delete_faq,
    faq_categories,
    faq_view,
    list_faqs,
)
from desk.installation import Installation
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs

MOST_SUGGESTIONS = 20


class AskedFaq(Asked):
    question: str
    answer: str
    category: str = ""
    language: str = ""
    phrasings: tuple[str, ...] = ()
    """Further ways the question is put; each is searched like the question itself."""
    state: str = "draft"
    """draft, published or retired; only a published FAQ answers."""


class AskedFaqChange(Asked):
    """What is not given stays as it is."""

    question: str | None = None
    answer: str | None = None
    category: str | None = None
    language: str | None = None
    phrasings: list[str] | None = None
    state: str | None = None


@dataclass
class AskedImport:
    file: UploadFile
    """CSV in UTF-8 with a header: question, answer, and if wanted category, phrasings (separated by |), language,
    state."""
    state: str = "published"
    """Of new FAQs whose line says none."""


class FaqAnswer(Answer):
    id: UUID
    question: str
    answer: str
    category: str
    language: str
    phrasings: list[str]
    state: str
    version: int
    asked: int
    """Drafts that were this answer."""
    sent: int
    """How many of them reached the customer."""
    score: float | None
    """Similarity to `query` from 0 to 1; null without one, and where only a word was found."""
    created_by: str
    changed_by: str
    created_at: datetime
    updated_at: datetime


class RefusedLineAnswer(Answer):
    line: int
    reason: str


class ImportAnswer(Answer):
    created: int
    changed: int
    unchanged: int
    refused: list[RefusedLineAnswer]


class Categories(Answer):
    items: list[str]


class SuggestionAnswer(Answer):
    question: str
    answer: str
    times: int
    """How often agents approved an answer like it."""
    ticket_ids: list[UUID]
    last_at: datetime
    phrasings: list[str]


class Suggestions(Answer):
    items: list[SuggestionAnswer]


class FaqController(Controller):
    path = "/faqs"
    tags = ("faqs",)

    @post("/", opt=needs(Permission.KNOWLEDGE))
    async def create(
        self, data: JSONBody[AskedFaq], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> FaqAnswer:
        """409 when the same question is there already, whatever its case and punctuation."""
        text = FaqText(data.question, data.answer, data.category, data.language, data.phrasings, data.state)
        return _answer(await create_faq(installation.database, installation.embedder, actor, text))

    @get("/", opt=needs(Permission.SIGNED_IN))
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        wanted: Annotated[str | None, QueryParameter(name="query")] = None,
        category: FromQuery[str | None] = None,
        faq_state: Annotated[str | None, QueryParameter(name="state")] = None,
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[FaqAnswer]:
        """By category and question; with `query` the likest first, in other words and misspelt ones as well."""
        page = await list_faqs(
            installation.database,
            installation.faqs,
            actor,
            query=wanted,
            category=category,
            state=faq_state,
            limit=limit,
            offset=offset,
        )
        return Listed([_answer(view) for view in page.items], page.total, page.limit, page.offset)

    @get("/categories", opt=needs(Permission.SIGNED_IN))
    async def categories(
        self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Categories:
        async with installation.database.transaction(actor.scope) as session:
            return Categories(await faq_categories(session))

    @get("/suggestions", opt=needs(Permission.SIGNED_IN))
    async def suggestions(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = MOST_SUGGESTIONS,
    ) -> Suggestions:
        """Answers that agents approved three times or more and no FAQ gives yet, the most frequent first."""
        found = await suggest_faqs(installation.database, actor, limit)
        return Suggestions(
            [
                SuggestionAnswer(one.question, one.answer, one.times, [*one.ticket_ids], one.last_at, [*one.phrasings])
                for one in found
            ]
        )

    @get("/export", media_type="text/csv; charset=utf-8", opt=needs(Permission.SIGNED_IN))
    async def export(self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]) -> Response[str]:
        """All FAQs as CSV, as the import reads it."""
        disposition = {"Content-Disposition": 'attachment; filename="faqs.csv"'}
        return Response(await export_faqs(installation.database, actor), headers=disposition)

    @post("/import", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def take_in(
        self,
        data: MultipartBody[AskedImport],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ImportAnswer:
        """Every line that can be used is taken in; the others come back with the reason. The same file again
        changes nothing."""
        report = await import_faqs(
            installation.database, installation.embedder, actor, await data.file.read(), state=data.state
        )
        refused = [RefusedLineAnswer(one.line, one.reason) for one in report.refused]
        return ImportAnswer(report.created, report.changed, report.unchanged, refused)

    @get("/{faq_id:uuid}", opt=needs(Permission.SIGNED_IN))
    async def show(
        self, faq_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> FaqAnswer:
        return _answer(await faq_view(installation.database, actor, faq_id))

    @route("/{faq_id:uuid}", http_method=[HttpMethod.PATCH, HttpMethod.PUT], opt=needs(Permission.KNOWLEDGE))
    async def change(
        self,
        faq_id: FromPath[UUID],
        data: JSONBody[AskedFaqChange],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> FaqAnswer:
        """Change what is given and leave the rest; `state` publishes and retires. 409 when somebody else changed it
        at the same moment."""
        phrasings = None if data.phrasings is None else tuple(data.phrasings)
        change = FaqChange(data.question, data.answer, data.category, data.language, phrasings, data.state)
        return _answer(await change_faq(installation.database, installation.embedder, actor, faq_id, change))

    @delete("/{faq_id:uuid}", opt=needs(Permission.KNOWLEDGE))
    async def remove(
        self, faq_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> None:
        """It is found no longer; drafts that used it keep what they quoted."""
        await delete_faq(installation.database, actor, faq_id)


def _answer(view: FaqView) -> FaqAnswer:
    faq = view.faq
    fields: dict[str, Any] = {name: getattr(faq, name) for name in FaqAnswer.__struct_fields__ if hasattr(faq, name)}
    score = None if view.score is None else round(view.score, 4)
    return FaqAnswer(**fields, phrasings=[*view.phrasings], asked=view.asked, sent=view.sent, score=score)
