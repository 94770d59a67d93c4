"""What requests and answers of the API share."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec
from litestar.params import QueryParameter

from desk.paging import LARGEST_OFFSET, LARGEST_PAGE, Page

Limit = Annotated[int, QueryParameter(ge=1, le=LARGEST_PAGE, description="Items on the page.")]
Offset = Annotated[int, QueryParameter(ge=0, le=LARGEST_OFFSET, description="Items before the page.")]

_Item = TypeVar("_Item")


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """Base of request bodies: a misspelt field is an error, not a silence."""


class Answer(msgspec.Struct):
    """Base of answers."""


class Listed(msgspec.Struct, Generic[_Item]):
    """One page of a list."""

    items: list[_Item]
    total: int
    limit: int
    offset: int


def listed(page: Page[_Item]) -> Listed[_Item]:
    return Listed(page.items, page.total, page.limit, page.offset)
