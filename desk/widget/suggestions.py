"""Published FAQs while a visitor types: what the FAQ lane would send, offered before anybody has to ask."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from desk.accounts.preferences import load_preferences
from desk.db.unit_of_work import Database
from desk.models import ChannelPolicy, Faq
from desk.policy.decide import escalating_keyword
from desk.ports import FaqLane
from desk.widget.access import Widget

MOST = 3
LEAST_SCORE = 0.5


async def suggest(database: Database, faqs: FaqLane, widget: Widget, query: str) -> Sequence[Faq]:
    """The nearest, best first. None where FAQ answers do not go out by themselves, or for words that escalate."""
    async with database.transaction(widget.scope) as session:
        switch = await session.execute(select(ChannelPolicy.faq_send).where(ChannelPolicy.channel == "widget"))
        rules = (await load_preferences(session)).escalation
    if switch.scalar_one_or_none() is False or escalating_keyword(query, rules.keywords) is not None:
        return ()
    found = [one.faq_id for one in await faqs.search(widget.tenant_id, query, MOST) if one.score >= LEAST_SCORE]
    async with database.transaction(widget.scope) as session:
        rows = await session.execute(select(Faq).where(Faq.id.in_(found), Faq.state == "published"))
    known = {faq.id: faq for faq in rows.scalars()}
    return [known[faq_id] for faq_id in found if faq_id in known]
