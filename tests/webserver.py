"""A real HTTP server for tests, on a free port of the loopback: it serves what a test gives it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Page:
    """What is at a path: an ETag and a time of change are sent if there are any."""

    body: bytes = b""
    e_tag: str | None = None
    modified: str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    no_head: bool = False  # HEAD is not allowed


class Site:
    """Pages by path, as they are asked for (with the query, if there is one)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pages: dict[str, Page | Answer] = {}
        self.asked: Counter[str] = Counter()  # "GET /path"

    def put(self, path: str, body: bytes, **options: Any) -> str:
        """Put a page; return its URL."""
        self.pages[path] = Page(body, **options)
        return self.url + path

    def gets(self) -> list[str]:
        """Return the paths that were asked for by GET, each once, in order."""
        return sorted(key[4:] for key in self.asked if key.startswith("GET "))


@contextmanager
def serve() -> Iterator[Site]:
    """Serve a site for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.asked[f"{self.command} {self.path}"] += 1
            page = site.pages.get(self.path, Page(b"no such page", status=404))
            if not isinstance(page, Page):
                page(self)
                return
            if self.command == "HEAD" and page.no_head:
                page = Page(status=405)
            self.send_response(page.status)
            headers = {"Content-Length": str(len(page.body))}
            headers |= {"ETag": page.e_tag} if page.e_tag else {}
            headers |= {"Last-Modified": page.modified} if page.modified else {}
            for name, value in (headers | page.headers).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(page.body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:  # a client that has had enough
                self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        site = Site(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
