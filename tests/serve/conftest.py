"""A rendered gallery, and servers that really run, each in its own process."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from embedded_stores import build_store
from once import once
from verger.demo.render import render_orchard, render_photo

VARIETIES = 9
VIEWS = 6
# What a folder may be called: it must come through the API and the page as text, and as itself.
HOSTILE_LABEL = '<img src=x onerror="alert(1)"> & %2F ..'
_READY = re.compile(r"^Serving .* at (http://\S+:\d+)/ ")
Photo = Callable[..., bytes]


class Server:
    """A server process and how to reach it."""

    def __init__(
        self, process: subprocess.Popen[str], url: str, folder: Path, said: list[str]
    ) -> None:
        self.process = process
        self.url = url
        self.folder = folder  # its working and its temporary folder
        self.said = said  # on stderr
        self.port = int(url.rpartition(":")[2])

    def get(self, path: str, **options: object) -> httpx.Response:
        return httpx.get(self.url + path, timeout=60, trust_env=False, **options)  # type: ignore[arg-type]

    def identify(self, *photos: bytes, name: str = "photo.jpg") -> httpx.Response:
        files = [("photos", (name, photo)) for photo in photos]
        return httpx.post(f"{self.url}/api/v1/identify", files=files, timeout=60, trust_env=False)

    def inside(self) -> int:
        """Return how many uploads are inside, as the metrics say."""
        text = self.get("/metrics").text
        return int(float(re.findall(r"^verger_requests_inside (\S+)$", text, re.MULTILINE)[0]))

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A STORE of a few rendered varieties, one of them under a hostile name."""
    return once(tmp_path_factory, "gallery", _make_gallery) / "store"


def _make_gallery(root: Path) -> None:
    render_orchard(root / "photos", varieties=VARIETIES, views=VIEWS, test_views=0)
    hostile = root / "photos" / "Training" / HOSTILE_LABEL
    hostile.mkdir()
    for view in range(VIEWS):
        jpeg = _jpeg(Image.fromarray(render_photo("Kiwi", view, views=VIEWS, seed=5)))
        (hostile / f"{view}.jpg").write_bytes(jpeg)
    build_store(root / "photos", root / "store")


@pytest.fixture(scope="session")
def photo() -> Photo:
    """Render a photo that is not in the gallery: `photo("Fig", 3)` → JPEG bytes."""

    def render(variety: str = "Fig", view: int = 1, size: int = 200) -> bytes:
        pixels = render_photo(variety, view, views=2 * VIEWS + 1, size=size)
        return _jpeg(Image.fromarray(pixels))

    return render


@pytest.fixture(scope="session")
def start(
    gallery: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., AbstractContextManager[Server]]:
    """Start a server with options, and so many files at most; the end of the `with` stops it."""

    @contextlib.contextmanager
    def started(*options: str, store: Path = gallery, files: int = 1024) -> Iterator[Server]:
        folder = tmp_path_factory.mktemp("server")
        command = [sys.executable, "-m", "verger", "serve", str(store), "--port", "0", *options]
        process = subprocess.Popen(
            ["/bin/sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        said: list[str] = []
        assert process.stderr is not None
        assert process.stdout is not None
        reader = threading.Thread(target=lambda: said.extend(process.stderr or ()), daemon=True)
        reader.start()
        try:
            ready = _READY.match(process.stdout.readline())
            assert ready, f"the server did not start: {said}"
            yield Server(process, ready[1], folder, said)
        finally:
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            finally:
                reader.join(5)
                process.stdout.close()
                process.stderr.close()

    return started


@pytest.fixture(scope="session")
def server(start: Callable[..., AbstractContextManager[Server]]) -> Iterator[Server]:
    """One server with everything at its default, shared by the tests that only ask."""
    with start("--per-client", "16") as running:
        yield running
        assert running.process.poll() is None, "the server ended by itself"
        # ONNX Runtime leaves .ses, the number of its session, wherever it is imported.
        left = {path.name for path in running.folder.rglob("*")} - {".ses"}
        assert not left, "an upload left something on the disk"


def _jpeg(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=90)
    return out.getvalue()
