"""A page of another origin that embeds the widget, with or without a strict Content-Security-Policy of its own."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STRICT = "default-src 'none'; script-src {desk}; connect-src {desk}; img-src {desk}; require-trusted-types-for 'script'"


@dataclass
class Shop:
    """`/` has a strict policy, `/open` none, `/rtl` is written in Arabic."""

    port: int = 0
    desk_url: str = ""
    key: str = ""
    attributes: str = ""
    asked: list[str] = field(default_factory=list[str])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def page(self, path: str) -> bytes:
        language = 'lang="ar" dir="rtl"' if path.startswith("/rtl") else 'lang="en"'
        script = f'<script src="{self.desk_url}/widget/v1/embed.js?key={self.key}" {self.attributes} async></script>'
        page = f"<!doctype html><html {language}><title>The shop</title><h1>The shop</h1>{script}</html>"
        return page.encode()


@contextmanager
def shop_server() -> Generator[Shop]:
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shop.asked.append(self.path)
            body = shop.page(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            if not self.path.startswith("/open"):
                self.send_header("Content-Security-Policy", STRICT.format(desk=shop.desk_url))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Keeps the test's output readable."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shop.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
