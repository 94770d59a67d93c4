"""Reading an upload: a multipart form with a file, or JSON with a title and a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType

from desk.api.fields import Asked
from desk.errors import DeskError, InvalidInputError
from desk.plain_text import clean_line, clean_text


class WrongContentTypeError(DeskError):
    status = 415
    title = "Another content type is needed"


class AskedDocument(Asked):
    """As JSON."""

    title: str | None = None
    text: str | None = None
    url: str | None = None
    """Where the text stands for people to read; it is cited. Without a text: the page to fetch."""
    category: str | None = None


@dataclass(frozen=True, slots=True)
class GivenDocument:
    """What came; None where nothing did."""

    title: str | None
    category: str | None
    url: str | None
    file_name: str | None
    raw: bytes | None


@dataclass
class DocumentOperation(Operation):
    """Says in the API's description what the handler reads by itself."""

    def __post_init__(self) -> None:
        line = Schema(type=OpenAPIType.STRING)
        fields = {"title": line, "url": line, "category": line}
        as_json = Schema(
            type=OpenAPIType.OBJECT,
            properties={**fields, "text": Schema(type=OpenAPIType.STRING)},
            additional_properties=False,
        )
        as_form = Schema(
            type=OpenAPIType.OBJECT,
            properties={
                **fields,
                "file": Schema(type=OpenAPIType.STRING, content_media_type="application/octet-stream"),
            },
        )
        self.request_body = RequestBody(
            required=True,
            content={
                RequestEncodingType.JSON.value: OpenAPIMediaType(schema=as_json),
                RequestEncodingType.MULTI_PART.value: OpenAPIMediaType(schema=as_form),
            },
        )


async def read_document(request: Request[Any, Any, Any], *, maximum_bytes: int) -> GivenDocument:
    """Raises InvalidInputError, WrongContentTypeError. `maximum_bytes` and one more are read of a file at most."""
    content_type = request.content_type[0]
    if content_type == RequestEncodingType.JSON:
        return _from_json(await request.body())
    if content_type == RequestEncodingType.MULTI_PART:
        return await _from_form(request, maximum_bytes)
    msg = "send application/json with title and text, or multipart/form-data with a file"
    raise WrongContentTypeError(msg)


def _from_json(body: bytes) -> GivenDocument:
    try:
        asked = msgspec.json.decode(body, type=AskedDocument)
    except (msgspec.DecodeError, UnicodeError) as error:
        msg = f"the body cannot be used: {error}"
        raise InvalidInputError(msg) from error
    if asked.text is None:
        return GivenDocument(asked.title, asked.category, asked.url, None, None)
    text, title = clean_text(asked.text), clean_line(asked.title or "")
    raw = text.encode("utf-8", errors="replace")
    return GivenDocument(asked.title, asked.category, asked.url, f"{title or 'text'}.md", raw)


async def _from_form(request: Request[Any, Any, Any], maximum_bytes: int) -> GivenDocument:
    form = await request.form()
    words = {name: value for name in ("title", "category", "url") if isinstance(value := form.get(name), str)}
    file = form.get("file")
    if file is None:
        return GivenDocument(words.get("title"), words.get("category"), None, None, None)
    if not isinstance(file, UploadFile):
        msg = "the form field `file` must be a file"
        raise InvalidInputError(msg)
    raw = await file.read(maximum_bytes + 1)
    name = clean_line(file.filename.replace("\\", "/").rpartition("/")[2])
    if not name:
        msg = "the file needs a name, for its ending says how to read it"
        raise InvalidInputError(msg)
    return GivenDocument(words.get("title"), words.get("category"), words.get("url"), name, raw)
