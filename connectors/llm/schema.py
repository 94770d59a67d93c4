"""A strict checker for the part of JSON Schema that structured answers use.

It knows type, properties, required, additionalProperties, items, enum, const, anyOf and the length and range
limits; a schema with any other keyword is refused, because a check that skips a rule proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

_CHECKED = frozenset(
    {
        "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf",
        "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum",
    }
)  # fmt: skip
_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "$schema", "$id", "$comment"})
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raises ValueError when the schema uses a keyword or type this module does not check."""
    unknown = set(schema) - _CHECKED - _ANNOTATIONS
    if unknown:
        msg = f"the answer schema uses {', '.join(sorted(unknown))}, which is not checked"
        raise ValueError(msg)
    for name in _names(schema.get("type", [])):
        if name not in _TYPES:
            msg = f"the answer schema names an unknown type: {name}"
            raise ValueError(msg)
    for child in _children(schema):
        check_schema(child)


def violations(value: Any, schema: Mapping[str, Any], path: str = "$") -> Iterator[str]:
    """What is wrong with a decoded JSON value, each as `path: reason`; nothing when it is valid.

    Reasons never quote the value: it is made of a customer's words.
    """
    types = _names(schema.get("type", []))
    if types and not any(_is(value, name) for name in types):
        yield f"{path}: not of type {' or '.join(types)}"
        return
    if "enum" in schema and not any(_same(value, allowed) for allowed in schema["enum"]):
        yield f"{path}: none of the allowed values"
    if "const" in schema and not _same(value, schema["const"]):
        yield f"{path}: not the only allowed value"
    if "anyOf" in schema and not any(_is_valid(value, choice) for choice in schema["anyOf"]):
        yield f"{path}: fits none of the alternatives"
    if isinstance(value, str):
        yield from _size(len(value), schema, "minLength", "maxLength", path)
    elif isinstance(value, list):
        elements = cast("list[Any]", value)
        yield from _size(len(elements), schema, "minItems", "maxItems", path)
        for position, element in enumerate(elements):
            yield from violations(element, schema.get("items", {}), f"{path}[{position}]")
    elif isinstance(value, dict):
        yield from _object(cast("dict[str, Any]", value), schema, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _size(value, schema, "minimum", "maximum", path)


def _object(value: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[str]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    additional: bool | Mapping[str, Any] = schema.get("additionalProperties", True)
    for name in schema.get("required", []):
        if name not in value:
            yield f"{path}.{name}: missing"
    for name, member in value.items():
        if name in properties:
            yield from violations(member, properties[name], f"{path}.{name}")
        elif additional is False:
            yield f"{path}: a member that is not in the schema"
        elif isinstance(additional, Mapping):
            yield from violations(member, additional, f"{path}.*")


def _size(number: float, schema: Mapping[str, Any], least: str, most: str, path: str) -> Iterator[str]:
    if least in schema and number < schema[least]:
        yield f"{path}: below {least} {schema[least]}"
    if most in schema and number > schema[most]:
        yield f"{path}: above {most} {schema[most]}"


def _is_valid(value: Any, schema: Mapping[str, Any]) -> bool:
    return next(violations(value, schema), None) is None


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):  # bool is an int in Python, not in JSON
        return name == "boolean"
    return isinstance(value, _TYPES[name])


def _same(value: Any, allowed: Any) -> bool:
    return isinstance(value, bool) == isinstance(allowed, bool) and value == allowed


def _names(types: str | Sequence[str]) -> Sequence[str]:
    return [types] if isinstance(types, str) else types


def _children(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from schema.get("properties", {}).values()
    yield from schema.get("anyOf", [])
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), Mapping):
            yield schema[keyword]
