"""Around every request: by what name it calls, headers that leave, counting, defects."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from verger.serve.access import Access
from verger.serve.metrics import Metrics
from verger.serve.problems import Kind, Problem
from verger.serve.shell import POLICY

log = logging.getLogger("verger.serve")

_HEADERS = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_DRAIN_SECONDS = 5.0


class Guard:
    """ASGI middleware, outside everything else.

    hosts: the names that the server answers to; None for any.
    access: which other origins may read the API, and with which key.
    drain: bytes of an unread body that are taken in, and thrown away, before an answer is sent, so
           that a client that is still sending reads the answer instead of a reset connection.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str] | None,
        access: Access,
        drain: int,
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._access = access
        self._hosts = hosts
        self._drain = drain
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens inside."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # as GET; uvicorn, whose own scope stays, sends no body
            scope = {**scope, "method": "GET"}
        asked, path = Headers(scope=scope), scope["path"]
        exchange = _Exchange(scope, receive, send, self._drain, self._access)
        began = time.perf_counter()
        try:
            if self._hosts is not None and _host(asked) not in self._hosts:
                raise Problem(Kind.WRONG_HOST, "Start it with --allow-host NAME to allow it.")
            allowed = self._access.preflight(scope["method"], path, asked)
            if allowed is not None:
                answer = Response(status_code=204, headers=allowed)
                await answer(scope, exchange.receive, exchange.send)
            else:
                self._access.check(path, asked)
                await self._app(scope, exchange.receive, exchange.send)
        except Problem as refusal:
            await refusal.answer(asked)(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception:
            log.exception("a request failed")
            if not exchange.status:
                sorry = Problem(Kind.INTERNAL, "The server's log says what happened.")
                await sorry.answer(asked)(scope, exchange.receive, exchange.send)
        finally:
            # The template of the route, never the path itself: users choose paths.
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, str(exchange.status or "none")).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - began)


class _Exchange:
    """One request and its answer, on their way through."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, drain: int, access: Access
    ) -> None:
        headers = Headers(scope=scope)
        self._asked, self._path, self._access = headers, scope["path"], access
        self._receive, self._send, self._drain_bytes = receive, send, drain
        self._unread = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        self._begun = False
        # Such a client waits for a go-ahead that the first `receive` gives.
        self._expects = headers.get("expect", "").lower() == "100-continue"
        self.status = 0

    async def receive(self) -> Message:
        self._begun = True
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            if self._unread and headers.get("connection") != "close":
                await self._drain()
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
            self._access.let_read(self._path, self._asked, headers)
            if self._unread:
                headers["Connection"] = "close"
        await self._send(message)

    async def _drain(self) -> None:
        if self._expects and not self._begun:
            return
        left = self._drain_bytes
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while self._unread and left > 0:
                    left -= len((await self.receive()).get("body", b""))


def _host(asked: Headers) -> str:
    """Return the host that a request names, without its port, in lower case."""
    host = asked.get("host", "").lower()
    if host.startswith("["):
        return host.partition("]")[0].lstrip("[")
    return host.partition(":")[0]
