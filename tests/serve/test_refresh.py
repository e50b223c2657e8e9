"""A run that publishes while the server is up: its gallery takes over, without a restart."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from embedded_stores import build_store
from verger.demo.render import render_orchard

from .conftest import Photo, Server
from .wellformed import any_problem

_PARTS = ("features", "projection", "gallery")


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two STOREs: of three varieties, and of four."""
    root = tmp_path_factory.mktemp("later")
    for name, varieties in (("old", 3), ("new", 4)):
        render_orchard(root / f"{name}-photos", varieties=varieties, views=4, test_views=0)
        build_store(root / f"{name}-photos", root / name)
    return root / "old", root / "new"


def _publish(new: Path, store: Path) -> None:
    """Put another run's files into place, the record last."""
    (store / "run.json").unlink()
    for part in _PARTS:
        (store / part).rename(store / f"{part}.gone")
        shutil.copytree(new / part, store / part)
    record = json.loads((new / "run.json").read_text()) | {"finished": "later"}
    (store / "run.json").write_text(json.dumps(record))


def _until(server: Server, labels: int) -> None:
    for _ in range(120):
        if server.get("/healthz").json()["labels"] == labels:
            return
        time.sleep(0.25)
    pytest.fail(f"the server never served {labels} labels")


def test_a_later_run_takes_over(
    start: Callable[..., AbstractContextManager[Server]],
    later: tuple[Path, Path],
    tmp_path: Path,
    photo: Photo,
) -> None:
    old, new = later
    store = tmp_path / "store"
    shutil.copytree(old, store)
    with start("--refresh", "1", store=store) as server:
        before = server.get("/api/v1/labels").json()
        thumbnail = f"/api/v1/photos/0/thumbnail?gallery={before['gallery']}"
        assert server.get(thumbnail).status_code == 200
        _publish(new, store)
        _until(server, 4)
        after = server.get("/api/v1/labels").json()
        assert after["gallery"] != before["gallery"]
        assert len(after["labels"]) == 4
        assert server.identify(photo("Fig")).json()["gallery"] == after["gallery"]
        assert "verger_gallery_photos 16.0" in server.get("/metrics").text
        # Numbers of the old gallery name other photos now: none is better than a wrong one.
        assert server.get(thumbnail).status_code == 404
        # What cannot be served does not end what is.
        record = json.loads((store / "run.json").read_text()) | {"finished": "broken"}
        (store / "gallery" / "gallery.json").write_text("{")
        (store / "run.json").write_text(json.dumps(record))
        time.sleep(2.5)
        assert server.get("/healthz").json()["labels"] == 4
        assert server.identify(photo("Fig")).status_code == 200


def test_a_server_may_be_told_never_to_look(
    start: Callable[..., AbstractContextManager[Server]], later: tuple[Path, Path], tmp_path: Path
) -> None:
    old, new = later
    store = tmp_path / "store"
    shutil.copytree(old, store)
    with start("--refresh", "0", store=store) as server:
        _publish(new, store)
        time.sleep(2)
        assert server.get("/healthz").json()["labels"] == 3


def test_files_that_are_cut_short_in_place_do_not_end_the_server(
    start: Callable[..., AbstractContextManager[Server]],
    later: tuple[Path, Path],
    tmp_path: Path,
    photo: Photo,
) -> None:
    """A run replaces files; another program may cut them short. What was mapped would end it."""
    store = tmp_path / "store"
    shutil.copytree(later[0], store)
    with start("--refresh", "0", store=store) as server:
        before = server.identify(photo("Fig")).json()
        for file in store.glob("gallery/*"):
            os.truncate(file, 1)
        assert server.identify(photo("Fig")).json() == before
        assert server.get("/api/v1/labels").status_code == 200
        for file in store.glob("features/*"):
            os.truncate(file, 1)
        any_problem(server.get("/api/v1/photos/0/thumbnail"))
        assert server.identify(photo("Fig")).json() == before
