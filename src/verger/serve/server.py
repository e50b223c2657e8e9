"""`verger serve`: open the STORE, listen, and stop in good order."""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from verger.errors import UsageError
from verger.serve.app import build_app
from verger.serve.connections import connections
from verger.serve.current import Current
from verger.settings import ServeSettings

_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_MOST_CONNECTIONS = 1000
_BACKLOG = 256
_SECONDS_TO_FINISH = 30


def serve(store: str, settings: ServeSettings, tell: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; requests under way are answered first.

    Raises `StoreError` or `BackboneError` where STORE cannot be served, `UsageError` where the
    address cannot be listened on.
    """
    logging.basicConfig(format="verger: %(levelname)s: %(message)s", level=logging.WARNING)
    # They warn of all that is malformed; the client is told, and the log is not for it to fill.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    current = Current(store, settings.max_pixels)
    with _listening(settings) as listener:
        host, port = listener.getsockname()[:2]
        app = build_app(current, settings, allowed_hosts(settings))
        config = uvicorn.Config(
            app,
            http=connections(settings.timeout),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(settings.trust_proxy),
            forwarded_allow_ips=list(settings.trust_proxy),
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_SECONDS_TO_FINISH,
            ws="none",
        )
        gallery = current.shown.catalogue.gallery
        shown = f"[{host}]" if ":" in host else host
        ready = (
            f"Serving {gallery.photos:,} photos of {len(gallery.labels):,} labels from {store} at "
            f"http://{shown}:{port}/ (Ctrl-C stops)."
        )
        _Server(config, lambda: tell(ready)).run(sockets=[listener])
    tell("Stopped.")


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


class _Server(uvicorn.Server):
    """A server that says when it is ready, and for which to be stopped is no failure."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals while serving, and not raise them again afterwards as uvicorn does."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self.handle_exit) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
