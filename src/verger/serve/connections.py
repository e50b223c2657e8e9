"""The connections of clients: how many there are, and how long each may be waited for.

uvicorn waits without end for a request, and for a client that does not read its answer; a few
hundred such clients would take every connection that there is. So each connection is watched here
from outside, as bytes go in and messages come out: one that waits for its client is closed after a
time, and at once where another needs its place.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_A_PIECE = 2**16  # bytes of an answer that are sent before it is seen whether the client reads
_SECONDS_BETWEEN_LOOKS = 0.5


class Connections:
    """All that are open. Used from one event loop.

    most: how many there may be; where one more comes, the one that has waited longest for its
          client goes, never one that is being worked for
    patience: seconds that one may wait for its client, to ask or to read
    """

    def __init__(self, most: int, patience: float) -> None:
        self._most = most
        self._patience = patience
        self._open: set[_Connection] = set()
        self._waiting: dict[_Connection, float] = {}  # since when; the longest first

    def protocol(self, **by_uvicorn: Any) -> _Connection:
        """Make what uvicorn asks for with each connection."""
        return _Connection(self, H11Protocol(**by_uvicorn))

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return the application, in a layer that sees when it waits for its client."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            connection = _CONNECTION.get(None)
            if scope["type"] != "http" or connection is None:
                await app(scope, receive, send)
                return

            async def received() -> Message:
                self.wait(connection)
                message = await receive()
                self.work(connection)
                return message

            async def sent(message: Message) -> None:
                for piece in _pieces(message):
                    self.wait(connection)
                    await send(piece)
                    self.work(connection)

            self.work(connection)
            try:
                await app(scope, received, sent)
            finally:
                self.wait(connection)

        return watched

    async def watch(self) -> None:
        """Close those whose clients let them wait too long, until cancelled."""
        # What reads a body has the same time, and answers when it is over: its answer comes first.
        patience = self._patience + _SECONDS_BETWEEN_LOOKS
        while True:
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
            late = asyncio.get_running_loop().time() - patience
            for connection in [each for each, since in self._waiting.items() if since < late]:
                connection.close()

    def close(self) -> None:
        """Close all, whatever they wait for."""
        for connection in list(self._open):
            connection.close()

    def enter(self, connection: _Connection) -> None:
        """Take in a new one, in the place of another where there is no more room."""
        if len(self._open) >= self._most:
            next(iter(self._waiting), connection).close()
        self._open.add(connection)
        self.wait(connection)

    def leave(self, connection: _Connection) -> None:
        """Forget one that is closed."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)

    def wait(self, connection: _Connection) -> None:
        """From now on it waits for its client."""
        if connection in self._open:
            self._waiting.pop(connection, None)
            self._waiting[connection] = asyncio.get_running_loop().time()

    def work(self, connection: _Connection) -> None:
        """From now on its client waits."""
        self._waiting.pop(connection, None)


class _Connection:
    """One connection: what asyncio says of it goes on to uvicorn's, an `asyncio.Protocol` too."""

    def __init__(self, connections: Connections, inner: asyncio.Protocol) -> None:
        self._connections = connections
        self._inner = inner
        self._transport: asyncio.Transport | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._connections.enter(self)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        _CONNECTION.set(self)  # the task that answers the request takes it along
        self._inner.data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.leave(self)
        self._inner.connection_lost(exc)

    def close(self) -> None:
        """Close it now, with whatever the client has not read."""
        self._connections.leave(self)
        if self._transport:
            self._transport.abort()


_CONNECTION: ContextVar[_Connection] = ContextVar("verger_connection")


def _pieces(message: Message) -> list[Message]:
    """Cut the body of an answer, so that a client that does not read holds little of it."""
    body = message.get("body", b"")
    if message["type"] != "http.response.body" or len(body) <= _A_PIECE:
        return [message]
    pieces = [body[at : at + _A_PIECE] for at in range(0, len(body), _A_PIECE)]
    *first, last = ({**message, "body": piece} for piece in pieces)
    return [*({**piece, "more_body": True} for piece in first), last]
