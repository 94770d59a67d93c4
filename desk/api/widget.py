"""The web widget's own protocol, for pages of other sites (the front end is `ui/static/widget/embed.js`).

Every address begins with the widget's public key. A visitor is known by a signed token in the Authorization header;
cookies mean nothing here. Here is what comes before a conversation; `widget_conversations` has the rest.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from desk.api.widget_bodies import Appearance, AskedIdentity, AskedLink, Suggestion, SuggestionsAnswer, TokenAnswer
from desk.api.widget_reception import DEPENDENCIES, OPTIONS, Reception, claim_in
from desk.installation import Installation
from desk.web.widget_door import PREFIX
from desk.widget import visitors
from desk.widget.access import VisitorClaim, Widget
from desk.widget.configuration import is_open, texts_for
from desk.widget.identity import user_by_signature, user_by_token
from desk.widget.suggestions import suggest
from desk.widget.visitors import Particulars, stranger, visitor_of

SHORTEST_QUERY = 4
LONGEST_QUERY = 200


class WidgetController(Controller):
    path = f"{PREFIX}{{key:str}}"
    opt = OPTIONS
    include_in_schema = False
    dependencies = DEPENDENCIES

    @get("/configuration")
    async def configuration(
        self,
        widget: NamedDependency[Widget],
        installation: NamedDependency[Installation],
        language: Annotated[str, QueryParameter(max_length=20)] = "",
    ) -> Appearance:
        """How the widget looks and what it says."""
        set_by_tenant = widget.configuration
        spoken, texts = texts_for(set_by_tenant, language.lower())
        return Appearance(
            language=spoken,
            texts=texts,
            colour=set_by_tenant.colour,
            text_colour=set_by_tenant.text_colour,
            position=set_by_tenant.position,
            logo_url=set_by_tenant.logo_url,
            ask_name=set_by_tenant.ask_name,
            ask_email=set_by_tenant.ask_email,
            form_required=set_by_tenant.form_required,
            suggest_faqs=set_by_tenant.suggest_faqs,
            longest_message=set_by_tenant.longest_message,
            largest_file=installation.settings.maximum_attachment_bytes,
            most_files=installation.settings.maximum_attachments,
            is_away=not is_open(set_by_tenant, installation.clock.now()),
        )

    @post("/session", status_code=200)
    async def begin(
        self,
        request: Request[Any, Any, Any],
        widget: NamedDependency[Widget],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> TokenAnswer:
        """A token for a stranger, of whom nothing is stored; with a valid one the same visitor for longer."""
        reception.sessions.count(reception.address(request))
        claim = claim_in(request, widget, reception)
        if claim is None:
            return _token(reception, widget, stranger())
        async with installation.database.transaction(widget.scope) as session:
            await visitor_of(session, widget, claim)
        return _token(reception, widget, claim)

    @post("/identify", status_code=200)
    async def identify(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[AskedIdentity],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> TokenAnswer:
        """The host site says who this is, and proves it. The token of before is worth nothing afterwards."""
        reception.sessions.count(reception.address(request))
        said = Particulars(data.name, data.email)
        if data.token:
            user = user_by_token(widget, data.token, said, installation.clock.now())
        else:
            user = user_by_signature(widget, data.user_id, data.signature, said)
        known = await visitors.identify(
            installation.database, widget, claim, user.user_id, proved=user.proved, said=user.said
        )
        return _token(reception, widget, known)

    @post("/logout", status_code=204)
    async def logout(
        self,
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        installation: NamedDependency[Installation],
    ) -> None:
        """Every token of this visitor is worth nothing afterwards."""
        await visitors.log_out(installation.database, widget, claim)

    @post("/resume", status_code=200)
    async def resume(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[AskedLink],
        widget: NamedDependency[Widget],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> TokenAnswer:
        """A mailed link was opened: the conversation goes on in this browser."""
        reception.sessions.count(reception.address(request))
        link = reception.tokens.read_link(widget, data.token)
        claim, conversation_id = await visitors.resume(installation.database, widget, link)
        return _token(reception, widget, claim, conversation_id)

    @get("/suggestions")
    async def suggestions(
        self,
        request: Request[Any, Any, Any],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
        q: Annotated[str, QueryParameter(max_length=LONGEST_QUERY)] = "",
    ) -> SuggestionsAnswer:
        """Published FAQs near to what is being typed; the token keeps this to people who opened the widget."""
        del claim
        reception.lookups.count(reception.address(request))
        if not widget.configuration.suggest_faqs or len(q.strip()) < SHORTEST_QUERY:
            return SuggestionsAnswer([])
        found = await suggest(installation.database, installation.faqs, widget, q.strip())
        return SuggestionsAnswer([Suggestion(faq.id, faq.question, faq.answer) for faq in found])


def _token(
    reception: Reception, widget: Widget, claim: VisitorClaim, conversation_id: UUID | None = None
) -> TokenAnswer:
    token, expires = reception.tokens.issue(widget, claim)
    return TokenAnswer(token, expires, claim.user_id is not None, conversation_id)
