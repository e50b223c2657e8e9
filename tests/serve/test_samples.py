"""The samples that an app team copies from the docs do what they say."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.conftest import hosted
from browser import needs_browser

from .conftest import Photo, Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [needs_browser, pytest.mark.slow]
PAGE = Path(__file__).parents[2] / "docs" / "howto" / "app-team.md"
SECRET = "correct-horse-battery-staple"  # noqa: S105
_ASK = """async ([photo, key]) => {
  const bytes = Uint8Array.from(atob(photo), (letter) => letter.charCodeAt(0));
  return identify([new File([bytes], "photo.jpg")], key).catch((problem) => problem.message);
}"""


def test_the_one_for_web_pages_from_another_origin(
    start: Callable[..., AbstractContextManager[Server]],
    photo: Photo,
    browser: Browser,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (sample,) = re.findall(r"^```js\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "index.html").write_text('<!doctype html><link rel="icon" href="data:,">')
    monkeypatch.setenv("VERGER_API_KEY", SECRET)
    with hosted(tmp_path) as origin, start("--allow-origin", origin) as server:
        page = browser.new_page(locale="fr-FR")
        page.goto(origin)
        page.add_script_tag(content=sample.replace("https://fruit.example.org", server.url))
        fig = base64.b64encode(photo("Fig", 3)).decode()
        assert page.evaluate(_ASK, [fig, SECRET])["labels"][0]["label"] == "Fig"
        assert "demande une clé" in page.evaluate(_ASK, [fig, "another"])
        page.close()
