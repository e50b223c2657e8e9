"""The faulty proxy passes everything on, and does what it was told to, no more."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import obstore
import pytest
from obstore.exceptions import BaseError
from obstore.store import S3Store

from faults import Faults, Proxy, faulty
from seaweed import S3

PHOTOS = {f"é {number}.jpg": bytes([number]) * (10_000 + number) for number in range(60)}
ONCE: dict[str, object] = {"retry_config": {"max_retries": 0}}
FAULTS = ("error", "reset", "cut", "hang")


@pytest.fixture(scope="module")
def proxy(s3: S3) -> Iterator[Proxy]:
    store = s3.make_bucket("faults")
    for name, photo in PHOTOS.items():
        obstore.put(store, name, photo)
    with faulty(s3.endpoint) as started:
        yield started


@pytest.fixture
def through(s3: S3, proxy: Proxy) -> S3:
    proxy.set(Faults())
    return s3.behind(proxy.endpoint)


def read(store: S3Store) -> dict[str, bytes]:
    with ThreadPoolExecutor(16) as threads:
        photos = threads.map(lambda name: bytes(obstore.get(store, name).bytes()), PHOTOS)
        return dict(zip(PHOTOS, photos, strict=True))


def test_all_passes_where_nothing_is_wrong(through: S3, proxy: Proxy) -> None:
    store = through.store("faults", **ONCE)
    assert read(store) == PHOTOS
    assert len(obstore.list(store).collect()) == len(PHOTOS)
    large = bytes(range(256)) * 80_000
    obstore.put(store, "large", large)  # in parts
    assert bytes(obstore.get(store, "large").bytes()) == large
    obstore.delete(store, "large")
    counts = proxy.counts()
    assert counts["GET"] == len(PHOTOS) + 2
    assert not [fault for fault in FAULTS if counts[fault]]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_client_that_tries_again_gets_all(through: S3, proxy: Proxy, fault: str) -> None:
    store = through.store(
        "faults",
        client_options={"allow_http": True, "timeout": "1s"},
        retry_config={"max_retries": 9, "backoff": {"init_backoff": timedelta(milliseconds=10)}},
    )
    proxy.set(Faults(**{fault: 0.2}, seed=1, only="^GET", most=2))  # type: ignore[arg-type]
    assert read(store) == PHOTOS
    counts = proxy.counts()
    assert counts[fault] >= 5
    assert counts["requests"] >= len(PHOTOS) + counts[fault]


def test_the_same_seed_does_the_same_to_the_same_requests(through: S3, proxy: Proxy) -> None:
    store = through.store("faults", **ONCE)
    failed = []
    for _ in range(2):
        proxy.set(Faults(error=0.3, seed=7))
        failed.append([name for name in PHOTOS if not _reads(store, name)])
    assert failed[0] == failed[1]
    assert 5 <= len(failed[0]) <= 40


def test_an_error_is_the_one_that_was_asked_for(through: S3, proxy: Proxy) -> None:
    proxy.set(Faults(error=1, status=400, code="ExpiredToken"))
    with pytest.raises(BaseError, match="ExpiredToken"):
        obstore.get(through.store("faults", **ONCE), next(iter(PHOTOS)))


def _reads(store: S3Store, name: str) -> bool:
    try:
        obstore.get(store, name).bytes()
    except BaseError:
        return False
    return True
