"""A rendered gallery, its app, and a web server that knows nothing of either."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from embedded_stores import build_store
from once import once
from verger.app import export_app
from verger.demo.render import render_orchard
from verger.progress import Silent

VARIETIES, VIEWS = 12, 12
BELOW = "/of/fruit/"  # where on its host the app lies


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """Serve a folder as `python -m http.server` does; give its address, without a slash."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def store_of_an_app(factory: pytest.TempPathFactory) -> Path:
    """Make a STORE of rendered varieties, by the network in eight bits."""

    def make(root: Path) -> None:
        render_orchard(root / "photos", varieties=VARIETIES, views=VIEWS, test_views=0)
        build_store(root / "photos", root / "store", "efficientnet-lite0-int8")

    return once(factory, "store-of-an-app", make) / "store"


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_of_an_app(tmp_path_factory)


@pytest.fixture(scope="session")
def site(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app, below another folder of a host."""
    root = tmp_path_factory.mktemp("host")
    export_app(store, str(root / BELOW.strip("/")), 12, Silent())
    with hosted(root) as address:
        yield address + BELOW
