"""Who may ask from elsewhere: other origins, those with the key, and how often."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from urllib.parse import quote

import httpx
import pytest

from verger.errors import UsageError
from verger.serve.access import KEY, api_key
from verger.serve.admission import Rates, client_of
from verger.serve.problems import Kind, Problem
from verger.settings import ServeSettings

from .conftest import Photo, Server
from .wellformed import problem

Start = Callable[..., AbstractContextManager[Server]]
THEIRS, OTHERS = "https://app.example.org", "https://evil.example.org"
SECRET = "correct-horse-battery-staple"  # noqa: S105
COOKIE = f"verger-key={SECRET}"
WRONG = (f"Bearer {SECRET}x", "Bearer", "Basic abc", f"bearer {SECRET[:-1]}", "\xe9")


def preflight(server: Server, origin: str, path: str = "/api/v1/identify") -> httpx.Response:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return httpx.options(server.url + path, headers=headers, trust_env=False)


def test_no_other_origin_may_read_unless_it_is_named(server: Server) -> None:
    for answer in (
        preflight(server, THEIRS),
        server.get("/api/v1/labels", headers={"Origin": THEIRS}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_an_origin_that_is_named_may_read_and_no_other(start: Start, photo: Photo) -> None:
    with start("--allow-origin", THEIRS) as server:
        asked = preflight(server, THEIRS)
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == THEIRS
        assert "POST" in asked.headers["access-control-allow-methods"]
        assert "Authorization" in asked.headers["access-control-allow-headers"]
        assert "Origin" in asked.headers["vary"]
        files = [("photos", ("a.jpg", photo("Fig", 3)))]
        answer = httpx.post(
            f"{server.url}/api/v1/identify", files=files, headers={"Origin": THEIRS},
            timeout=60, trust_env=False,
        )  # fmt: skip
        assert answer.headers["access-control-allow-origin"] == THEIRS
        # A problem can be read as well, or nobody would know what is wrong.
        refused = httpx.post(
            f"{server.url}/api/v1/identify", headers={"Origin": THEIRS}, trust_env=False
        )
        problem(refused, 415, "not-multipart")
        assert refused.headers["access-control-allow-origin"] == THEIRS
        for origin in (OTHERS, "null", THEIRS + ".evil.example", THEIRS.upper(), "*"):
            assert "access-control-allow-origin" not in preflight(server, origin).headers
            told = server.get("/api/v1/labels", headers={"Origin": origin})
            assert "access-control-allow-origin" not in told.headers
            assert "Origin" in told.headers["vary"]
        # The page and the metrics are for nobody else.
        for path in ("/", "/metrics", "/openapi.json"):
            told = server.get(path, headers={"Origin": THEIRS})
            assert "access-control-allow-origin" not in told.headers


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "fruit.example.org", "https://a.example/", "https://A.example", "", "a b"],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(UsageError, match="--allow-origin"):
        ServeSettings(allow_origin=(origin,))


def test_with_a_key_only_those_who_have_it_are_answered(
    start: Start, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, SECRET)
    with start() as server:
        for path in ("/api/v1/labels", "/api/labels", "/api/v1/photos/0/thumbnail", "/metrics"):
            refused = server.get(path)
            problem(refused, 401, "no-key")
            assert refused.headers["www-authenticate"].startswith("Bearer")
            for wrong in WRONG:
                headers = {"Authorization": wrong.encode()}
                problem(server.get(path, headers=headers), 401, "no-key")
            for right in (
                {"Authorization": f"Bearer {SECRET}"},
                {"Cookie": f"verger-key={SECRET}"},
            ):
                assert server.get(path, headers=right).status_code == 200
        problem(server.identify(photo()), 401, "no-key")
        assert server.get("/healthz").status_code == 200
        assert server.get("/").status_code == 200
        assert SECRET not in "".join(server.said)


@pytest.mark.parametrize("key", ["short", "a" * 300, "with a space in it all", "é" * 20])
def test_a_key_that_can_be_guessed_or_not_be_sent_is_refused(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, key)
    with pytest.raises(UsageError, match=KEY) as refused:
        api_key()
    assert key not in str(refused.value)
    monkeypatch.delenv(KEY)
    assert api_key() is None


def test_so_many_a_minute_of_each_client_and_no_more() -> None:
    now = 0.0
    rates = Rates(6, lambda: now)
    for _ in range(6):
        rates.count("a")
    with pytest.raises(Problem) as refused:
        rates.count("a")
    assert refused.value.kind is Kind.TOO_MANY_REQUESTS
    assert refused.value.headers["Retry-After"] == "10"
    rates.count("b")
    now = 9.0
    with pytest.raises(Problem):
        rates.count("a")
    now = 10.1  # asking in vain has not made it longer
    rates.count("a")
    Rates(0).count("a")


def test_the_addresses_of_one_home_are_one_client() -> None:
    assert client_of("2001:db8:1:2:3:4:5:6") == client_of("2001:db8:1:2:ffff::1")
    assert client_of("2001:db8:1:2::") != client_of("2001:db8:1:3::")
    assert client_of("192.0.2.7") != client_of("192.0.2.8")
    assert client_of("::ffff:192.0.2.7") != client_of("::ffff:192.0.2.8")
    assert client_of("") == ""


def test_a_client_that_asks_too_often_is_told_when_to_come_back(start: Start, photo: Photo) -> None:
    with start("--per-minute", "2") as server:
        assert [server.identify(photo()).status_code for _ in range(2)] == [200, 200]
        problem(server.identify(photo()), 429, "too-many-requests")
        assert server.get("/api/v1/labels").status_code == 200


def test_the_description_names_this_server_and_labels_that_there_are(server: Server) -> None:
    told = server.get("/openapi.json").json()
    assert told["servers"] == [{"url": server.url}]
    paths = told["paths"]
    label = paths["/api/v1/labels/{label}"]["get"]["parameters"][0]["example"]
    assert server.get(f"/api/v1/labels/{quote(label, safe='')}").json()["label"] == label
    example = paths["/api/v1/identify"]["post"]["responses"]["200"]["content"]["application/json"]
    known = {entry["label"] for entry in server.get("/api/v1/labels").json()["labels"]}
    assert {guess["label"] for guess in example["example"]["labels"]} <= known
    page = server.get("/docs").text
    assert f"{server.url}/api/v1/identify" in page
    assert "8000" not in page
    commands = re.findall(r"<code>(curl [^<]*)</code>", page)
    asked = [command.split()[-1] for command in commands if " -F " not in command]
    assert len(asked) >= 5
    for address in asked:
        assert httpx.get(address, trust_env=False).status_code == 200, address
    # Whatever a client calls the server by is not put into the page.
    odd = server.get("/docs", headers={"Host": "localhost"})
    assert "http://localhost/api/v1/identify" in odd.text


def test_old_paths_answer_as_before(server: Server, photo: Photo) -> None:
    files = [("photos", ("a.jpg", photo("Fig", 3)))]
    before = httpx.post(
        f"{server.url}/api/identify", files=files, timeout=60, trust_env=False
    ).json()
    now = server.identify(photo("Fig", 3)).json()
    assert set(before) == {
        "gallery", "verdict", "known", "labels", "groups", "neighbours", "photos", "species"
    }  # fmt: skip
    assert before["verdict"] in ("variety", "group", "unsure")
    assert set(before["groups"][0]) == {"group", "confidence", "species"}
    assert before["neighbours"] == now["neighbours"]
    assert before["labels"][0]["label"] == now["labels"][0]["label"]
    for path in ("labels", "labels/Fig", "photos/0/thumbnail"):
        assert server.get(f"/api/{path}").content == server.get(f"/api/v1/{path}").content


@pytest.mark.parametrize(("accept", "said"), [("fr", "La photo 2"), ("de, en", "read photo 2")])
def test_problems_speak_the_language_of_who_asks(
    server: Server, photo: Photo, accept: str, said: str
) -> None:
    files = [("photos", ("a.jpg", body)) for body in (photo(), b"no photo")]
    refused = httpx.post(
        f"{server.url}/api/v1/identify", files=files, headers={"Accept-Language": accept},
        timeout=60, trust_env=False,
    )  # fmt: skip
    told = problem(refused, 415, "not-a-photo")
    assert said in told["message"]
    assert "JPEG" in told["message"]
    assert "Accept-Language" in refused.headers["vary"]
