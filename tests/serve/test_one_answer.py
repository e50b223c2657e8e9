"""One photo, one answer: by Python, by the command, over HTTP, from the page and from the app."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from app.asking import looked
from app.conftest import hosted, store_of_an_app
from app.pictures_taken import taken
from browser import needs_browser
from verger.app import export_app
from verger.demo.render import VARIETIES as RENDERED
from verger.gallery.identify import Identifier
from verger.progress import Silent

from .asking import by_page as asked
from .conftest import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, needs_browser]
VARIETIES, EACH = 20, 10
_AT_ONCE = 20
_POINT = 0.01


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store_of_an_app(tmp_path_factory)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Photos of fruit that the gallery has or has not, in all sizes and formats."""
    folder = tmp_path_factory.mktemp("photos")
    varieties = tuple(RENDERED[at * len(RENDERED) // VARIETIES] for at in range(VARIETIES))
    for name, photo in taken(varieties, EACH):
        (folder / name).write_bytes(photo)
    return sorted(folder.iterdir())


def test_200_photos_get_one_answer_whichever_way_they_go(
    start: Callable[..., AbstractContextManager[Server]],
    store: Path,
    photos: list[Path],
    browser: Browser,
    tmp_path: Path,
) -> None:
    assert len(photos) == 200
    identifier = Identifier.open(store)
    python = [identifier.identify([file.read_bytes()]).as_json() for file in photos]
    assert {answer["verdict"] for answer in python} >= {"variety", "unfamiliar"}
    command = [sys.executable, "-m", "verger", "identify", str(store), *map(str, photos), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert [fruit["answer"] for fruit in json.loads(done.stdout)] == python
    with start(store=store) as server:
        by_http = [server.identify(file.read_bytes()).json() for file in photos]
        by_page = list(asked(browser, server.url, [file.read_bytes() for file in photos], _AT_ONCE))
    for one, http in zip(python, by_http, strict=True):
        kept = ("verdict", "close", "confidence", "known", "photos")
        assert [http[key] for key in kept] == [one[key] for key in kept]
        assert _firsts(http) == _firsts(one)
    _assert_level(photos, python, by_page)
    export_app(store, str(tmp_path), 12, Silent())
    with hosted(tmp_path) as address:
        by_app = list(_by_app(browser, address, photos))
    _assert_level(photos, python, [answer for _, answer in by_app])
    for file, (row, _) in zip(photos, by_app, strict=True):
        features = identifier.features(file.read_bytes())
        cosine = row @ features / np.linalg.norm(row) / np.linalg.norm(features)
        assert cosine > 0.9999, file.name


def _assert_level(
    photos: list[Path], python: list[dict[str, Any]], other: list[dict[str, Any]]
) -> None:
    """Assert that no verdict differs, and no confidence by more than a point."""
    differ = [
        (file.name, one["verdict"], told["verdict"], one["confidence"], told["confidence"])
        for file, one, told in zip(photos, python, other, strict=True)
        if told["verdict"] != one["verdict"]
        or _firsts(told) != _firsts(one)
        or abs(told["confidence"] - one["confidence"]) > _POINT
    ]
    assert differ == []


def _by_app(
    browser: Browser, url: str, photos: list[Path]
) -> Iterator[tuple[np.ndarray[Any, Any], dict[str, Any]]]:
    page = browser.new_page()
    page.goto(url)
    for at in range(0, len(photos), _AT_ONCE):
        yield from looked(page, *(file.read_bytes() for file in photos[at : at + _AT_ONCE]))
    page.close()


def _firsts(answer: dict[str, Any]) -> tuple[str, str]:
    return answer["labels"][0]["label"], answer["groups"][0]["group"]
