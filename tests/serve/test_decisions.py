"""Parts of the server that decide, without a server."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import resources

import pytest

from verger.errors import UsageError
from verger.serve.admission import Places
from verger.serve.problems import Kind, Problem
from verger.serve.server import allowed_hosts
from verger.serve.words import preferred
from verger.settings import ServeSettings
from verger.texts import LANGUAGES
from verger.texts.catalogue import said

PAGE = resources.files("verger.serve") / "page"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"), ("fr", "fr"), ("fr-CA", "fr"), ("en;q=0.2, fr;q=0.3", "fr"), ("*", "en"),
        ("fr;q=0", "en"), ("fr;q=2", "en"), ("de, fr;q=0.001", "fr"), ("x" * 9999, "en"),
    ],
)  # fmt: skip
def test_the_language_that_a_browser_prefers(header: str, language: str) -> None:
    assert preferred(header) == language


def test_each_language_has_twelve_months() -> None:
    assert [len(said("page", one)["months"].split()) for one in LANGUAGES] == [12, 12]


def test_every_text_that_the_page_asks_for_is_there() -> None:
    words = said("page", "en")
    files = [
        file.read_text("utf-8") for file in PAGE.iterdir() if file.name.endswith((".js", ".html"))
    ]
    asked = {key for text in files for key in re.findall(r'\bt\("([\w.-]+)"', text)}
    asked |= {key for text in files for key in re.findall(r'data-t(?:-label)?="([\w.-]+)"', text)}
    assert len(asked) > 40
    assert asked <= set(words)
    for kind in Kind:
        assert f"error.{kind.word}" in words


def test_the_page_holds_nothing_inline() -> None:
    text = (PAGE / "index.html").read_text("utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)


def test_places_are_counted_for_all_and_for_each() -> None:
    places = Places(most=3, per_client=2)
    places.enter("a", 0.1, 1)
    places.enter("a", 0.1, 1)
    with pytest.raises(Problem) as refused:
        places.enter("a", 0.1, 1)
    assert refused.value.kind is Kind.TOO_MANY_REQUESTS
    places.enter("b", 0.1, 1)
    with pytest.raises(Problem) as refused:
        places.enter("c", 9.0, 1)
    assert refused.value.kind is Kind.OVERLOADED
    assert refused.value.headers["Retry-After"] == "27"
    places.leave("a")
    places.enter("c", 0.1, 1)
    assert places.inside == 3


def test_a_place_is_kept_until_unfinished_work_has_ended() -> None:
    async def scenario() -> None:
        places = Places(most=1, per_client=1)
        done: Future[int] = Future()
        under_way: Future[int] = Future()
        done.set_result(1)
        places.enter("a", 0.1, 1)
        places.leave("a", [done, under_way])
        assert places.inside == 1
        under_way.set_result(2)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert places.inside == 0

    # A thread of its own: in this one the browser of other tests has a loop.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, scenario()).result()


def test_a_loopback_address_has_its_own_names() -> None:
    assert allowed_hosts(ServeSettings()) == frozenset({"localhost", "127.0.0.1", "::1"})
    assert "fruit.example.org" in (
        allowed_hosts(ServeSettings(allow_host=("Fruit.Example.org",))) or ()
    )
    assert "127.8.8.8" in (allowed_hosts(ServeSettings(host="127.8.8.8")) or ())
    assert allowed_hosts(ServeSettings(host="0.0.0.0")) is None  # noqa: S104
    assert allowed_hosts(ServeSettings(host="::")) is None
    named = allowed_hosts(ServeSettings(host="0.0.0.0", allow_host=("a.example",)))  # noqa: S104
    assert named is not None
    assert "b.example" not in named


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": -1}, {"port": 65536}, {"max_photos": 0}, {"max_photos": 21}, {"max_body": 0},
        {"max_pixels": 0}, {"timeout": 0.0}, {"timeout": float("nan")}, {"workers": 0},
        {"queue": -1}, {"per_client": 0},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_right(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="--" + next(iter(wrong)).replace("_", "-")):
        ServeSettings(**wrong)  # type: ignore[arg-type]
