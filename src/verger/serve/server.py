"""`verger serve`: open the STORE, listen, and stop in good order."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import resource
import signal
import socket
from collections.abc import Callable
from typing import Any, cast

import uvicorn

from verger.errors import UsageError
from verger.serve.access import Access, api_key
from verger.serve.asgi import build_app, new_service
from verger.serve.connections import Connections
from verger.serve.current import Current
from verger.serve.workers import threads_alone
from verger.settings import ServeSettings
from verger.texts.numbers import plural

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_MOST_CONNECTIONS = 500
_BACKLOG = 128
_SECONDS_TO_FINISH = 1.5
_SECONDS_BETWEEN_LOOKS = 0.02
_SECONDS_TO_NOTICE = 0.1


def serve(store: str, settings: ServeSettings, tell: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; requests under way are answered first.

    Raises `StoreError` or `BackboneError` where STORE cannot be served, `UsageError` where the
    address cannot be listened on.
    """
    logging.basicConfig(format="verger: %(levelname)s: %(message)s", level=logging.WARNING)
    # They warn of all that is malformed; the client is told, and the log is not for it to fill.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    access = Access(settings.allow_origin, api_key())
    current = Current(store, settings.max_pixels, threads_alone(settings.workers))
    with _listening(settings) as listener:
        host, port = listener.getsockname()[:2]
        gallery = current.shown.catalogue.gallery
        photos, labels = gallery.photos, len(gallery.labels)
        shown = f"[{host}]" if ":" in host else host
        ready = (
            f"Serving {photos:,} photo{plural(photos)} of {labels:,} label{plural(labels)} from "
            f"{store} at http://{shown}:{port}/ (Ctrl-C stops)."
        )
        asyncio.run(_serving(current, settings, access, listener, lambda: tell(ready)))
    tell("Stopped.")


async def _serving(
    current: Current,
    settings: ServeSettings,
    access: Access,
    listener: socket.socket,
    ready: Callable[[], None],
) -> None:
    """Serve until told to stop; what is not answered soon after is broken off."""
    connections = Connections(_most_connections(), settings.timeout)
    service = new_service(current, settings)
    hosts = allowed_hosts(settings)
    app = connections.around(build_app(service, settings.refresh, hosts, access))
    config = uvicorn.Config(
        app,
        http=cast(Any, connections.protocol),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trust_proxy),
        forwarded_allow_ips=list(settings.trust_proxy),
        backlog=_BACKLOG,  # also how many asyncio accepts before it looks at any
        ws="none",
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    watching = asyncio.create_task(connections.watch())
    while not (server.started or serving.done()):
        await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)
    if server.started:
        _stop_on_signals(server)
        ready()
    while not (server.should_exit or serving.done()):
        await asyncio.sleep(_SECONDS_TO_NOTICE)
    await asyncio.wait([serving], timeout=_SECONDS_TO_FINISH)
    service.workers.stop()
    connections.close()
    await serving
    watching.cancel()


def _stop_on_signals(server: uvicorn.Server) -> None:
    """Let Ctrl-C and SIGTERM stop the server, however often they come.

    uvicorn's own handlers break off at a second one, and raise the first again at the end; it
    puts back, at its end, those from before it began.
    """

    def stop(_signal: int, _frame: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _most_connections() -> int:
    """Return how many connections there may be: half of the files that may be open at most."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if files < 0 else min(_MOST_CONNECTIONS, files // 2)


def allowed_hosts(settings: ServeSettings) -> frozenset[str] | None:
    """Return the names that requests may call the server by; None for any.

    On a loopback address no stranger's name leads here but by a trick (DNS rebinding), which would
    let any web page that the user opens read the gallery.
    """
    named = {name.lower() for name in settings.allow_host}
    if _is_loopback(settings.host):
        return frozenset({*_LOOPBACK_NAMES, settings.host.lower(), *named})
    return frozenset({*_LOOPBACK_NAMES, *named}) if named else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _listening(settings: ServeSettings) -> socket.socket:
    host, port = settings.host, settings.port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.create_server(address, family=family, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or str(error)
        said = said.partition(" (while")[0]  # the address would be said twice
        raise UsageError(
            f"Cannot listen on {host}, port {port}: {said}.", hint="Give another --host or --port."
        ) from None
    # Connections inherit it. asyncio sets it only on sockets that name their protocol, and without
    # it an answer's second packet waits 40 ms for the client to acknowledge the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
