"""Addresses and JSON with `{placeholders}`. Values are percent-encoded or written as JSON, never pasted into either."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote, urlsplit

from connectors.rest.mapped.expressions import decode_json
from desk.egress import EgressRules
from desk.errors import InvalidInputError

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def check_address(label: str, template: str, allowed: frozenset[str], rules: EgressRules) -> None:
    """Raises InvalidInputError or RefusedAddressError."""
    before_path = template.split("/", 3)[:3]
    if any("{" in part or "}" in part for part in before_path):
        msg = f"{label}: a placeholder may stand in the path or after the question mark, not in the host"
        raise InvalidInputError(msg)
    _check_names(label, template, allowed)
    rules.check_url(_PLACEHOLDER.sub("x", template))
    if urlsplit(template).fragment:
        msg = f"{label}: an address ends before the #"
        raise InvalidInputError(msg)


def address_of(template: str, values: Mapping[str, Any]) -> str:
    """Raises InvalidInputError where a value would be empty or lead to another path."""

    def put(found: re.Match[str]) -> str:
        value = str(values.get(found.group(1)) or "")
        if found.start() < (template.find("?") if "?" in template else len(template)) and value in {"", ".", ".."}:
            msg = f"there is no {found.group(1).replace('_', ' ')} to put into the address"
            raise InvalidInputError(msg)
        return quote(value, safe="")

    return _PLACEHOLDER.sub(put, template)


def check_body(label: str, template: str, allowed: frozenset[str]) -> None:
    """Raises InvalidInputError."""
    try:
        decode_json(template)
    except InvalidInputError as error:
        msg = f'{label}: {error.detail}. Placeholders stand inside quotes, as in "text": "{{body}}"'
        raise InvalidInputError(msg) from error
    _check_names(label, template, allowed)


def body_of(template: str, values: Mapping[str, Any]) -> bytes:
    """A text that is nothing but a placeholder becomes the value itself, whatever it is."""
    return json.dumps(_filled(json.loads(template), values), ensure_ascii=False, separators=(",", ":")).encode()


def _filled(part: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(part, dict):
        return {name: _filled(each, values) for name, each in cast("dict[str, Any]", part).items()}
    if isinstance(part, list):
        return [_filled(each, values) for each in cast("list[Any]", part)]
    if not isinstance(part, str):
        return part
    if whole := _PLACEHOLDER.fullmatch(part):
        return values[whole.group(1)]
    return _PLACEHOLDER.sub(lambda found: _as_text(values[found.group(1)]), part)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _check_names(label: str, template: str, allowed: frozenset[str]) -> None:
    if unknown := sorted(set(_PLACEHOLDER.findall(template)) - allowed):
        msg = f"{label}: there is no placeholder {{{unknown[0]}}}; there are {', '.join(sorted(allowed))}"
        raise InvalidInputError(msg)
