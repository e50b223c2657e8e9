"""An app written to a bucket: what its files are sent with, and that it runs from there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from browser import needs_browser
from seaweed import S3
from verger.app import export_app
from verger.errors import UsageError
from verger.progress import Silent

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(s3: S3, store: Path) -> str:
    """The address of an app in a bucket that all may read."""
    s3.make_bucket("public")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.environment().items():
            patch.setenv(name, value)
        export_app(store, "s3://public/an/app", 12, Silent())
    return f"{s3.endpoint}/public/an/app/"


def test_types_and_caching_are_set(address: str) -> None:
    def headers(name: str) -> tuple[str, str]:
        told = httpx.get(address + name, trust_env=False).headers
        return told["Content-Type"], told["Cache-Control"]

    for_good = "public, max-age=31536000, immutable"
    files = httpx.get(address + "app.json", trust_env=False).json()["files"]
    assert headers("index.html") == ("text/html; charset=utf-8", "no-cache")
    assert headers("sw.js") == ("text/javascript; charset=utf-8", "no-cache")
    assert headers("verger.webmanifest") == ("application/manifest+json", "no-cache")
    data = [name for name in files if name.endswith((".gz", ".bin"))]
    assert len(data) == 5
    kinds = {("application/gzip", for_good), ("application/octet-stream", for_good)}
    assert {headers(name) for name in data} == kinds


def test_what_lies_there_is_not_written_over(
    s3: S3, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.make_bucket("theirs")
    bucket.put("here/photo.jpg", b"theirs")
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="s3://theirs/here holds something other than an app"):
        export_app(store, "s3://theirs/here", 12, Silent())


@needs_browser
def test_it_runs_from_there(browser: Browser, address: str) -> None:
    """A bucket gives no page for a folder: the app is kept all the same."""
    page = browser.new_page()
    page.goto(address + "index.html")
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    page.context.set_offline(True)
    page.reload()
    page.wait_for_selector(".known li")
    page.close()
