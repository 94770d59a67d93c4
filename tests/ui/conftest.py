"""The desk with its pages, and people who sign in to it with a browser's cookie."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from litestar import Litestar
from selectolax.lexbor import LexborHTMLParser as HTMLParser

import ui
from desk.app import create_app
from desk.installation import Installation
from tests.desk.conftest import (  # noqa: F401 - fixtures are found by their names here
    PASSWORD,
    Client,
    Person,
    acme,
    agent,
    client,
    installation,
    owner,
    people,
    transport,
)


@pytest.fixture
def app(installation: Installation) -> Litestar:  # noqa: F811 - the fixture of that name
    return create_app(installation, ui.page_handlers(), [ui.PagesPlugin()], ui.error_page)


@dataclass
class Browser:
    """Keeps cookies and the form token of the last page, as a browser does."""

    http: httpx.AsyncClient
    token: str = ""
    headers: dict[str, str] = field(default_factory=lambda: {"Accept": "text/html"})

    async def get(self, path: str, **options: Any) -> httpx.Response:
        answer = await self.http.get(path, headers=self.headers, **options)
        found = re.search(r'X-CSRFToken": "([^"]+)"', answer.text)
        if found:
            self.token = found.group(1)
        return answer

    async def page(self, path: str) -> HTMLParser:
        answer = await self.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:500]}"
        return HTMLParser(answer.text)

    async def part(self, path: str) -> httpx.Response:
        return await self.http.get(path, headers={**self.headers, "HX-Request": "true"})

    async def post(self, path: str, data: Mapping[str, Any] | None = None, **options: Any) -> httpx.Response:
        headers = {**self.headers, "HX-Request": "true", "X-CSRFToken": self.token}
        return await self.http.post(path, headers=headers, data=dict(data or {}), **options)

    async def sign_in(self, email: str, password: str = PASSWORD, next_page: str = "") -> httpx.Response:
        form = {"email": email, "password": password, "next": next_page}
        return await self.http.post("/login", data=form, headers=self.headers)


@pytest.fixture
async def browser(app: Litestar, client: Client) -> AsyncGenerator[Browser]:  # noqa: F811
    """Nobody is signed in yet; the application runs as long as `client` does."""
    async with httpx.AsyncClient(transport=transport(app), base_url="http://desk.test") as opened:
        yield Browser(opened)


async def signed_in(browser: Browser, person: Person) -> Browser:
    answer = await browser.sign_in(person.email)
    assert answer.status_code == 303, answer.text
    await browser.get("/account")
    return browser
