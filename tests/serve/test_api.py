"""The API as a client sees it, against a server that really runs."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from verger.gallery.identify import Identifier

from .conftest import HOSTILE_LABEL, VARIETIES, VIEWS, Photo, Server
from .wellformed import problem


def test_a_photo_of_a_fruit_in_the_gallery_is_named(server: Server, photo: Photo) -> None:
    answer = server.identify(photo("Fig", 3))
    assert answer.status_code == 200
    told = answer.json()
    assert told["labels"][0]["label"] == "Fig"
    assert told["labels"][0]["species"] == "fig"
    assert told["species"]["fig"]["names"]["fr"]["name"] == "figue"
    assert told["neighbours"][0]["path"].startswith("Training/Fig/")
    assert told["photos"] == 1


def test_several_photos_are_one_fruit(server: Server, photo: Photo) -> None:
    told = server.identify(*(photo("Raspberry", view) for view in range(5))).json()
    assert told["photos"] == 5
    assert told["labels"][0]["label"] == "Raspberry"


def test_an_answer_is_its_photos_own_whatever_else_is_worked_on(
    server: Server, gallery: Path, photo: Photo
) -> None:
    fruits = [[photo(label, view) for view in range(views)]
              for label in ("Fig", "Raspberry", "Kiwi") for views in (1, 2, 3)]  # fmt: skip
    identifier = Identifier.open(gallery)
    with ThreadPoolExecutor(len(fruits)) as clients:
        told = list(clients.map(lambda photos: server.identify(*photos).json(), 3 * fruits))
    for photos, said in zip(3 * fruits, told, strict=True):
        alone = identifier.identify(photos).as_json()
        assert [near["photo"] for near in said["neighbours"]] == [
            near["photo"] for near in alone["neighbours"]
        ]
        assert said["verdict"] == alone["verdict"]
        assert [
            {"label": guess["label"], "confidence": guess["confidence"]} for guess in said["labels"]
        ] == alone["labels"]
        assert (said["known"], said["photos"]) == (alone["known"], len(photos))


def test_every_format_is_told_by_its_content(server: Server, photo: Photo) -> None:
    picture = Image.open(io.BytesIO(photo("Fig", 3)))
    for kind in ("PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"):
        out = io.BytesIO()
        picture.save(out, kind)
        answer = server.identify(out.getvalue(), name="photo.txt")
        assert answer.status_code == 200, (kind, answer.text)


def test_labels_are_listed_and_shown(server: Server) -> None:
    told = server.get("/api/v1/labels").json()
    labels = {entry["label"]: entry for entry in told["labels"]}
    assert len(labels) == VARIETIES + 1
    assert told["photos"] == (VARIETIES + 1) * VIEWS
    assert labels["Raspberry"]["names"]["fr"]["plural"] == "framboises"
    assert labels["Raspberry"]["called"] == {"en": "Raspberry", "fr": "Framboise"}
    for label, entry in labels.items():
        shown = server.get(f"/api/v1/labels/{quote(label, safe='')}")
        assert shown.status_code == 200, label
        assert shown.json()["label"] == label
        assert shown.json()["photos"] == entry["photos"] == VIEWS
        assert len(shown.json()["examples"]) == VIEWS


def test_a_label_may_be_called_anything(server: Server) -> None:
    shown = server.get(f"/api/v1/labels/{quote(HOSTILE_LABEL, safe='')}").json()
    assert shown["label"] == HOSTILE_LABEL
    problem(server.get("/api/v1/labels/No%20such%20fruit"), 404, "not-found")
    problem(server.get("/api/v1/labels/..%2F..%2Frun.json"), 404, "not-found")


def test_thumbnails(server: Server) -> None:
    known = server.get("/api/v1/labels").json()
    address = f"/api/v1/photos/{known['labels'][0]['photo']}/thumbnail"
    plain = server.get(address)
    assert plain.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(plain.content)).format == "JPEG"
    assert plain.headers["cache-control"] == "no-cache"
    kept = server.get(address, params={"gallery": known["gallery"]})
    assert "immutable" in kept.headers["cache-control"]
    again = server.get(address, headers={"If-None-Match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    problem(server.get(f"/api/v1/photos/{known['photos']}/thumbnail"), 404, "not-found")
    problem(server.get("/api/v1/photos/-1/thumbnail"), 422, "invalid")
    problem(server.get(f"/api/v1/photos/{'9' * 5000}/thumbnail"), 422, "invalid")


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\windows\\system32\\x.dll",
        "a\u0000b.jpg",
        '";rm -rf /;".jpg',
        "🍎" * 60 + ".jpg",
        "photo.php.jpg",
        "",
    ],
)
def test_the_name_of_an_upload_does_not_matter(server: Server, photo: Photo, name: str) -> None:
    assert server.identify(photo(), name=name).status_code == 200


def test_health_and_metrics(server: Server, photo: Photo) -> None:
    assert server.get("/healthz").json()["status"] == "ok"
    server.identify(photo())
    server.get("/no/such/path/" + "x" * 100)
    families = {f.name: f for f in text_string_to_metric_families(server.get("/metrics").text)}
    requests = {
        (s.labels["route"], s.labels["status"])
        for s in families["verger_http_requests"].samples
        if "route" in s.labels
    }
    assert ("/api/v1/identify", "200") in requests
    assert ("other", "404") in requests, "a path that a client made up must not become a label"
    assert families["verger_gallery_photos"].samples[0].value == (VARIETIES + 1) * VIEWS


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/labels", "/docs", "/style.css", "/nothing", "/metrics"]
)
def test_every_answer_has_the_security_headers(server: Server, path: str) -> None:
    headers = server.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "camera=(self)" in headers["permissions-policy"]
    assert "server" not in headers


@pytest.mark.parametrize(
    ("accept", "cookie", "language"),
    [
        ("fr-FR,fr;q=0.9,en;q=0.8", "", "fr"),
        ("de,en;q=0.5,fr;q=0.7", "", "fr"),
        ("en-GB", "", "en"),
        ("de", "", "en"),
        ("", "", "en"),
        ("fr;q=0,en;q=0.1", "", "en"),
        ("fr;q=9,,;;=, en", "", "en"),
        ("en", "verger-language=fr", "fr"),
        ("fr", "verger-language=<script>", "fr"),
    ],
)
def test_the_page_comes_in_the_language_asked_for(
    server: Server, accept: str, cookie: str, language: str
) -> None:
    page = server.get("/", headers={"Accept-Language": accept, "Cookie": cookie})
    assert page.headers["content-language"] == language
    assert f'<html lang="{language}">' in page.text
    assert ("Quel est ce fruit" in page.text) == (language == "fr")
    assert "{{" not in page.text


def test_the_page_is_compressed_and_cached(server: Server) -> None:
    plain = server.get("/style.css", headers={"Accept-Encoding": "identity"})
    zipped = server.get("/style.css", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == plain.content
    again = server.get("/style.css", headers={"If-None-Match": plain.headers["etag"]})
    assert again.status_code == 304


def test_nothing_that_is_served_names_another_host(server: Server) -> None:
    worker = server.get("/sw.js").text
    files = re.findall(r'"([\w./-]+\.(?:js|css|svg|webmanifest|png))"', worker)
    assert {"app.js", "style.css", "messages.js", "icon-192.png"} <= set(files)
    for path in ["/", "/docs", "/sw.js", *(f"/{file}" for file in files)]:
        answer = server.get(path)
        assert answer.status_code == 200, path
        found = set(re.findall(rb"(?:https?:)?//[\w.-]+\.\w+", answer.content))
        assert found <= {b"http://www.w3.org", b"http://127.0.0.1"}, path


def test_head_is_answered_without_a_body(server: Server) -> None:
    import httpx

    answer = httpx.head(server.url + "/", trust_env=False)
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_defect_is_a_problem_and_tells_no_secret(
    start: object, gallery: Path, tmp_path: Path
) -> None:
    import shutil

    store = tmp_path / "store"
    shutil.copytree(gallery, store)
    with start(store=store) as broken:  # type: ignore[operator]
        for file in (store / "features").iterdir():
            file.write_bytes(b"no table")
        answer = broken.get("/api/v1/photos/0/thumbnail")
        problem(answer, 500, "internal")
        assert str(store) not in answer.text
        assert broken.get("/healthz").status_code == 200


def test_head_says_of_every_address_what_get_says(server: Server) -> None:
    gallery = ["/api/v1/labels", "/api/v1/labels/Fig", "/api/v1/photos/0/thumbnail"]
    for path in ("/", "/docs", "/app.js", "/openapi.json", "/healthz", "/metrics", *gallery):
        head, get = (httpx.request(method, server.url + path, trust_env=False)
                     for method in ("HEAD", "GET"))  # fmt: skip
        assert (head.status_code, head.content) == (200, b""), path
        assert set(head.headers) == set(get.headers), path
        if path != "/metrics":  # it counts what has been asked
            assert head.headers["content-length"] == get.headers["content-length"], path
    assert httpx.head(f"{server.url}/nothing", trust_env=False).status_code == 404
    refused = httpx.head(f"{server.url}/api/v1/identify", trust_env=False)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    refused = httpx.delete(f"{server.url}/healthz", trust_env=False)
    assert refused.headers["allow"] == "GET, HEAD"
