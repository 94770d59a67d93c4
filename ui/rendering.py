"""Templates, static files and the error page, as the application takes them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response, Router
from litestar.config.app import AppConfig
from litestar.datastructures import CacheControlHeader
from litestar.plugins import InitPlugin
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Template
from litestar.static_files import (
    create_static_files_router,  # pyright: ignore[reportUnknownVariableType] - its file_system has no type
)
from litestar.template import TemplateConfig

from desk.clock import SystemClock
from desk.ports import Clock
from desk.web.permissions import PUBLIC
from desk.web.problems import Problem
from ui.presenting.words import age_by, initials

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"
ONE_YEAR = 365 * 24 * 3600


def static_version(folder: Path = STATIC) -> str:
    """Changes with any file, so that browsers may keep every file for ever under its address."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


STATIC_ADDRESS = f"/static/{static_version()}"


def environment(clock: Clock) -> Environment:
    built = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    built.filters["initials"] = initials
    known = cast("dict[str, Any]", built.globals)
    known |= {"age": age_by(clock), "static": STATIC_ADDRESS, "shell": None, "oob": False}
    known["part"] = built.get_template("parts.html").module
    return built


class PagesPlugin(InitPlugin):
    """Gives the application the desk's templates."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        engine = JinjaTemplateEngine.from_environment(environment(self._clock))
        app_config.template_config = TemplateConfig(instance=engine)
        return app_config


def static_files() -> Router:
    return create_static_files_router(
        path=STATIC_ADDRESS,
        directories=[STATIC],
        opt=PUBLIC,
        cache_control=CacheControlHeader(public=True, max_age=ONE_YEAR, immutable=True),
    )


def error_page(request: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
    """A page in the desk's own look; for a swap, the sentence that the page's script puts where it belongs."""
    theme = request.cookies.get("theme", "")
    context = {"problem": problem, "theme": theme if theme in {"light", "dark"} else ""}
    name = "problem.html" if "hx-request" in request.headers else "error.html"
    return Template(template_name=name, context=context, status_code=problem.status)
