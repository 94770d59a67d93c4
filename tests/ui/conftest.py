"""The desk with its pages, and people who sign in to it with a browser's cookie."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar
from selectolax.lexbor import LexborHTMLParser as HTMLParser

import ui
from desk.app import create_app
from desk.db.roles import DatabaseAddress
from desk.installation import Installation
from desk.settings import load_settings
from desk.wiring import build
from retrieval.embedding.minilm import MiniLMEmbedder
from tests.database import ENCRYPTION_KEY, SECRET_KEY
from tests.desk.conftest import PASSWORD, Client, People, Person, client, people, transport  # noqa: F401 - fixtures


@cache
def embedder() -> MiniLMEmbedder:
    """Loaded once a test process: the model takes longer than most tests."""
    return MiniLMEmbedder()


@pytest.fixture
async def installation(
    database_address: DatabaseAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Installation]:
    """On the database of this test process: others' tenants are in it as well."""
    monkeypatch.setattr("desk.wiring.build_embedder", lambda *_: embedder())
    given = {
        "DESK_DATA_DIR": str(tmp_path),
        "DESK_SECRET_KEY": SECRET_KEY.reveal(),
        "DESK_ENCRYPTION_KEYS": ENCRYPTION_KEY.reveal(),
        "DESK_DEBOUNCE_SECONDS": "0",
        "DESK_PUBLIC_URL": "http://desk.test",
    }
    built = build(load_settings(given), database_address)
    yield built
    await built.database.close()


@pytest.fixture
def app(installation: Installation) -> Litestar:
    return create_app(installation, ui.page_handlers(), [ui.PagesPlugin()], ui.error_page)


@pytest.fixture
async def tenant_id(people: People) -> UUID:  # noqa: F811 - the fixture of that name
    return await people.tenant(f"Acme {uuid4().hex[:10]}")


@pytest.fixture
async def agent(people: People, tenant_id: UUID) -> Person:  # noqa: F811
    return await people.person(tenant_id, "agent", new_address())


@pytest.fixture
async def owner(people: People, tenant_id: UUID) -> Person:  # noqa: F811
    return await people.person(tenant_id, "owner", new_address())


def new_address() -> str:
    return f"{uuid4().hex[:12]}@acme.test"


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
