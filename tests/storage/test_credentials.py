"""Credentials that the platform gives: from an endpoint, as on EMR Serverless, and no other way.

What stands in for it obeys what AWS says of "container credentials": GET of the address in
AWS_CONTAINER_CREDENTIALS_FULL_URI, with the token as `Authorization` where one is named, else 401
(https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html). There is no
instance metadata (OSGeo/gdal#8858).
"""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
import pytest

from program import ON_SPARK, command, execute
from verger.demo.render import render_orchard
from verger.errors import PhotosError
from verger.storage.bucket import Bucket

if TYPE_CHECKING:
    from seaweed import S3

TOKEN = "of this container"  # noqa: S105 - of a server that lives as long as a test


@contextmanager
def endpoint(s3: S3, token: str) -> Iterator[tuple[str, list[int]]]:
    """Give the credentials of a user to who has the token; yield the address, and the answers."""
    answers: list[int] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers.get("Authorization", "") == token
            answers.append(200 if known else 401)
            self.send_response(answers[-1])
            self.end_headers()
            if known:
                expires = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
                given = {
                    "AccessKeyId": s3.keys.access_key,
                    "SecretAccessKey": s3.keys.secret_key,
                    "Token": "",
                    "Expiration": f"{expires:%Y-%m-%dT%H:%M:%SZ}",
                }
                self.wfile.write(json.dumps(given).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/credentials", answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def environment(s3: S3, folder: Path, address: str, way: str) -> dict[str, str]:
    """Return the variables of a container: no key, no file, no metadata of a machine."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    given |= {
        "AWS_ENDPOINT_URL_S3": s3.endpoint,
        "AWS_ENDPOINT_URL": s3.endpoint,
        "AWS_REGION": s3.region,
        "AWS_CONFIG_FILE": str(folder / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": address,
    }
    if way == "token":
        given["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = TOKEN
    elif way == "token file":
        (folder / "token").write_text(TOKEN)
        given["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = str(folder / "token")
    return given


@pytest.fixture
def container(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[list[int]]:
    """Be in a container; yield how its endpoint answered."""
    way = request.param
    with endpoint(s3, "" if way == "none" else TOKEN) as (address, answers):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        for name, value in environment(s3, tmp_path, address, way).items():
            monkeypatch.setenv(name, value)
        yield answers


@pytest.fixture(scope="module")
def bucket(s3: S3) -> None:
    obstore.put(s3.make_bucket("contained"), "p/key", b"!")


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("container", ["none", "token", "token file"], indirect=True)
def test_a_container_s_endpoint_gives_credentials(container: list[int]) -> None:
    place = Bucket.of("s3://contained/p", PhotosError)

    assert place.read("key") == b"!"
    assert set(container) == {200}
    assert TOKEN not in str(place.settings)  # each machine asks with its own


@pytest.mark.parametrize("container", ["none"], indirect=True)
def test_an_endpoint_that_refuses_is_said_to(
    container: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of another")

    with pytest.raises(PhotosError, match="retrieving credentials from container-role") as told:
        Bucket.of("s3://contained/p", PhotosError).read("key")

    assert "\n" not in str(told.value)
    assert set(container) == {401}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "way"),
    [
        pytest.param(("--engine", "process"), "none", id="process"),
        pytest.param(ON_SPARK, "token", id="spark", marks=pytest.mark.spark),
    ],
)
def test_a_whole_run_takes_them_in_the_driver_and_in_workers(
    engine: tuple[str, ...], way: str, s3: S3, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    count = render_orchard(photos, varieties=3, views=2, test_views=1)
    bucket = s3.make_bucket(f"contained-photos-{way}")
    for file in photos.rglob("*.jpg"):
        obstore.put(bucket, file.relative_to(photos).as_posix(), file)
    s3.make_bucket(f"contained-results-{way}")

    with endpoint(s3, "" if way == "none" else TOKEN) as (address, answers):
        ran = execute(
            command("run", f"s3://contained-photos-{way}", f"s3://contained-results-{way}",
                    "--components", 3, *engine),
            environment(s3, tmp_path, address, way),
        )  # fmt: skip

    assert ran.code == 0, ran.err
    assert f"{count} photos" in ran.out + ran.err
    assert set(answers) == {200}
