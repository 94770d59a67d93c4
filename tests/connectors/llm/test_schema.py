"""The schema checker, against an independent implementation where the machine has one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.llm.schema import check_schema, violations

jsonschema_rs = pytest.importorskip("jsonschema_rs", reason="the independent checker is a development dependency")

scalars = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, -1.5]) | st.sampled_from(["", "a", "abc"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)
leaves: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"type": "string", "minLength": 1, "maxLength": 2},
        {"type": ["integer", "null"], "minimum": 0},
        {"type": "number", "maximum": 1},
        {"type": "boolean"},
        {"enum": ["a", 1, None]},
        {"const": False},
    ]
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda items: {"type": "array", "items": items, "minItems": 1, "maxItems": 2}, inner),
        st.builds(
            lambda known, others: {"type": "object", "properties": {"a": known}, "required": ["a"]} | others,
            inner,
            st.just({"additionalProperties": False})
            | inner.map(lambda other: {"additionalProperties": other})
            | st.just({}),
        ),
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner),
    ),
    max_leaves=5,
)


@given(values, schemas)
def test_it_judges_as_the_standard_does(value: Any, schema: dict[str, Any]) -> None:
    check_schema(schema)
    assert (next(violations(value, schema), None) is None) == jsonschema_rs.is_valid(schema, value)


@pytest.mark.parametrize(
    "schema", [{"pattern": "x"}, {"type": "text"}, {"properties": {"a": {"$ref": "#/x"}}}, {"items": {"oneOf": []}}]
)
def test_a_rule_it_cannot_check_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="schema"):
        check_schema(schema)
