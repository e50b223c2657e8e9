"""What clients of buckets say, made by the clients themselves: each text that is matched, once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import obstore
import pytest

from faults import Faults, faulty
from seaweed import S3
from verger.errors import PhotosError
from verger.photos.reasons import reason_of
from verger.storage.bucket import Bucket
from verger.storage.bucket_errors import code_of

AZURE = {
    "AZURE_STORAGE_ACCOUNT_NAME": "orchard",
    "AZURE_STORAGE_ACCOUNT_KEY": "b3JjaGFyZA==",
    "AZURE_STORAGE_ENDPOINT": "{0}",
}
GOOGLE = {"GOOGLE_BASE_URL": "{0}", "GOOGLE_SKIP_SIGNATURE": "true"}


def said(url: str, given: dict[str, str], endpoint: str) -> str:
    settings = {name: value.format(endpoint) for name, value in given.items()}
    place = Bucket(url, PhotosError, tuple(sorted((settings | {"AWS_MAX_ATTEMPTS": "2"}).items())))
    with pytest.raises((PhotosError, OSError)) as caught:
        place.is_empty()
    return str(caught.value)


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (404, "ContainerNotFound", "there is no such container. Check its name."),
        (403, "AuthenticationFailed", "the credentials were refused. Renew the credentials"),
        (403, "AuthorizationFailure", "the credentials were refused. Renew the credentials"),
        (403, "AuthorizationPermissionMismatch", "the role Storage Blob Data Reader has them"),
    ],
)
def test_what_azure_refuses(s3: S3, status: int, code: str, says: str) -> None:
    """The answer is the proxy's; the client that puts it into words is Azure's."""
    with faulty(s3.endpoint, Faults(error=1, status=status, code=code)) as proxy:
        assert says in said("az://fruit/p", AZURE, proxy.endpoint)


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (404, "NoSuchBucket", "there is no such bucket. Check its name."),
        (401, "InvalidToken", "the session token is not valid."),
    ],
)
def test_what_google_refuses(s3: S3, status: int, code: str, says: str) -> None:
    with faulty(s3.endpoint, Faults(error=1, status=status, code=code)) as proxy:
        assert says in said("gs://fruit/p", GOOGLE, proxy.endpoint)


def test_a_body_that_breaks_off_for_ever(s3: S3) -> None:
    obstore.put(s3.make_bucket("breaks-off"), "p/key", bytes(100_000))
    with faulty(s3.endpoint, Faults(cut=1, only="^GET .*/key")) as proxy:
        given = s3.behind(proxy.endpoint).environment() | {"AWS_MAX_ATTEMPTS": "2"}
        place = Bucket("s3://breaks-off/p", PhotosError, tuple(sorted(given.items())))
        with pytest.raises(OSError, match="the endpoint does not answer") as caught:
            place.read("key")
        assert reason_of(caught.value).passes
        assert proxy.counts()["cut"] >= 2  # it was asked for again


@pytest.mark.parametrize(
    ("url", "given", "says"),
    [
        (
            "s3://fruit/p",
            {"AWS_EC2_METADATA_DISABLED": "true"},  # the SDK asks no machine then
            "no credentials were found. Set AWS_ACCESS_KEY_ID",
        ),
        ("gs://fruit/p", {}, "no credentials were found. Set GOOGLE_APPLICATION_CREDENTIALS"),
        ("az://fruit/p", {"AZURE_STORAGE_ACCOUNT_NAME": "orchard"}, "no credentials were found."),
        ("az://fruit/p", {}, "no storage account was named. Set AZURE_STORAGE_ACCOUNT_NAME."),
        (
            "gs://fruit/p",
            {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json"},
            "the file with the service account's key cannot be read. Check GOOGLE_APPLICATION_",
        ),
    ],
)
def test_a_place_without_credentials(
    tmp_path: Path, url: str, given: dict[str, str], says: str
) -> None:
    """A process of its own, where none are to be found, and no machine gives it a role.

    The address at which a machine of a cloud would give one is asked through a proxy that is not
    there, so that it does not answer, on whatever machine the test runs.
    """
    script = (
        "import sys; from verger.storage.place import place_of;"
        "from verger.errors import PhotosError; place_of(sys.argv[1], PhotosError).is_empty()"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_MAX_ATTEMPTS": "1"}
    with socket.socket() as port:  # bound, and not listening: whoever calls is refused
        port.bind(("127.0.0.1", 0))
        done = subprocess.run(
            [sys.executable, "-c", script, url],
            env=env | given | {"HTTP_PROXY": f"http://127.0.0.1:{port.getsockname()[1]}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert f"{url}: {says}" in done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "code",
    ["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"],
)
def test_a_bucket_of_another_region(s3: S3, code: str) -> None:
    with faulty(s3.endpoint, Faults(error=1, status=400, code=code)) as proxy:
        given = s3.behind(proxy.endpoint).environment()
        assert "the bucket is in another region. Set AWS_REGION" in said(
            "s3://fruit/p", given, proxy.endpoint
        )


def test_a_code_is_the_provider_s_own() -> None:
    assert code_of(ValueError("x <Code>SlowDown</Code> y")) == "SlowDown"
    assert code_of(ValueError("An error occurred (code: NoSuchBucket)")) == "NoSuchBucket"
    assert code_of(ValueError("none")) == ""
