"""The account's message templates (GET /{waba-id}/message_templates)."""

from __future__ import annotations

from typing import cast

from connectors.whatsapp.meta.graph import Graph
from connectors.whatsapp.meta.settings import MetaSettings
from connectors.whatsapp.shapes import Json, as_object, as_objects
from connectors.whatsapp.templates import variables_in
from desk.ports import ApprovedTemplate, TemplateVariable

PAGE = 100
MOST_PAGES = 20


async def all_templates(graph: Graph, settings: MetaSettings) -> tuple[ApprovedTemplate, ...]:
    """Raises ChannelError."""
    found: list[ApprovedTemplate] = []
    address, query = settings.address(f"{settings.business_account_id}/message_templates"), {"limit": str(PAGE)}
    for _ in range(MOST_PAGES):
        told = await graph.ask(settings, "GET", address, params=query)
        found += [_read(each) for each in as_objects(told.get("data"))]
        paging = as_object(told.get("paging"))
        after = as_object(paging.get("cursors")).get("after")
        # The cursor and never the ready-made `next` address: the token goes only where the settings say.
        if not after or not paging.get("next"):
            break
        query = {"limit": str(PAGE), "after": str(after)}
    return tuple(found)


def _read(told: Json) -> ApprovedTemplate:
    kinds = {str(each.get("type")).upper(): each for each in as_objects(told.get("components"))}
    body = as_object(kinds.get("BODY"))
    text, examples = str(body.get("text") or ""), _examples(body)
    name, language = str(told.get("name") or ""), str(told.get("language") or "")
    return ApprovedTemplate(
        key=f"{name}:{language}",
        name=name,
        language=language,
        category=str(told.get("category") or "").lower(),
        status=str(told.get("status") or "").lower(),
        body=text,
        variables=tuple(TemplateVariable(each, examples.get(each, "")) for each in variables_in(text)),
        hindrance=_hindrance(as_object(kinds.get("HEADER")), as_object(kinds.get("BUTTONS"))),
    )


def _examples(body: Json) -> dict[str, str]:
    example = as_object(body.get("example"))
    rows = cast("list[object]", example.get("body_text") or [])
    first = cast("list[object]", rows[0]) if rows and isinstance(rows[0], list) else []
    numbered = {str(at): str(value) for at, value in enumerate(first, 1)}
    named = as_objects(example.get("body_text_named_params"))
    return {**numbered, **{str(each.get("param_name")): str(each.get("example") or "") for each in named}}


def _hindrance(head: Json, foot: Json) -> str:
    if str(head.get("format") or "TEXT").upper() != "TEXT" or variables_in(str(head.get("text") or "")):
        return "it wants a file or a variable in its head"
    for button in as_objects(foot.get("buttons")):
        if variables_in(str(button.get("url") or "")) or button.get("type") in {"OTP", "FLOW", "COPY_CODE"}:
            return "one of its buttons wants a value"
    return ""
