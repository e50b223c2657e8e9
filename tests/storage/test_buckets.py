"""Buckets, against a real S3 server and a proxy that fails."""

from __future__ import annotations

import datetime as dt
import json
import os
import pickle
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial, partialmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faults import Faults, Proxy, faulty
from names import NFC, NFD, ODD
from seaweed import S3
from verger.embed.features import Embedder, embed
from verger.errors import PhotosError, StoreError, VergerError
from verger.photos.labels import Labeller
from verger.photos.reasons import Reason
from verger.photos.references import PhotoRef
from verger.photos.selection import Selection
from verger.storage import limits
from verger.storage.bucket import Bucket
from verger.storage.bucket_client import attempts_of
from verger.storage.bucket_listing import refs_of_objects
from verger.storage.lock import Lock, is_gone, this_machine
from verger.storage.place import list_place, place_of
from verger.store.inventory import Known
from verger.store.publication import Publication
from verger.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import S3Store


TOKEN = "token-" + "0123456789" * 2
LONG = "/".join(["x" * 250] * 3 + ["y" * 243 + ".jpg"])  # S3's limit is 1,024 bytes with the prefix


def at(s3: S3, url: str, error: type[VergerError] = StoreError, **settings: str) -> Bucket:
    """Open a bucket as the environment of `s3` would; three attempts of each request."""
    given = s3.environment() | {"AWS_MAX_ATTEMPTS": "3"} | settings
    return Bucket(url, error, tuple(sorted(given.items())))


@pytest.fixture(scope="module")
def laws(s3: S3) -> Bucket:
    s3.make_bucket("laws")
    return at(s3, "s3://laws/a folder + 100%/é")


@contextmanager
def watched(s3: S3, bucket: str, faults: Faults | None = None) -> Iterator[tuple[Bucket, Proxy]]:
    """Make a bucket, and give a place in it behind a proxy, and the proxy."""
    s3.make_bucket(bucket)
    with faulty(s3.endpoint, faults) as proxy:
        yield at(s3.behind(proxy.endpoint), f"s3://{bucket}/store"), proxy


def fill(store: Any, paths: list[str], body: bytes = b"photo") -> None:
    with ThreadPoolExecutor(32) as threads:
        list(threads.map(lambda path: obstore.put(store, path, body), paths))


# Objects ------------------------------------------------------------------------------------------


def test_an_object_is_a_file_that_can_seek(laws: Bucket) -> None:
    data = bytes(range(256)) * 40
    laws.put("object", data)
    file = laws.open("object")
    assert (file.readable(), file.seekable(), file.writable()) == (True, True, False)
    assert file.seek(-10, os.SEEK_END) == len(data) - 10
    assert file.read() == data[-10:]
    assert file.read(1) == b""
    assert file.seek(100) == file.tell() == 100
    assert file.read(50) == data[100:150]
    assert file.seek(-50, os.SEEK_CUR) == 100
    assert file.readall() == data[100:]
    file.seek(len(data) + 5)
    assert file.read(1) == b""
    with pytest.raises(OSError, match="beginning"):
        file.seek(-1)
    laws.put("object", b"")
    assert laws.open("object").read() == b""


def test_a_large_object_is_copied_in_parts_and_not_sent_again(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "COPIED_AT_MOST", 100)
    monkeypatch.setattr(limits, "COPIED_A_PART", 5 * 2**20)
    data = os.urandom(12_000_000)
    with watched(s3, "large") as (place, proxy):
        place.put("large", data)
        before = place.content("large")
        proxy.set(Faults())
        place.move("large", "moved")
        asked = proxy.requests()
        assert sum("partNumber" in request for request in asked) == 3
        assert not any(request.startswith("GET") for request in asked)
        assert place.read("moved") == data
        assert place.content("moved") == before
        assert before.sha256
        assert not place.exists("large")


def test_a_large_object_is_sent_in_as_many_parts_as_s3_takes(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PARTS", 2)
    data = os.urandom(12_000_000)
    with watched(s3, "parts") as (place, proxy):
        with place.incoming("large") as file:
            file.write_bytes(data)
        assert sum("partNumber" in request for request in proxy.requests()) == 2
        assert place.read("large") == data


def test_a_large_object_is_read_a_piece_a_request_and_never_two_of_it_mixed(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "READ_A_PIECE", 1_000_000)
    data = os.urandom(2_500_000)
    with watched(s3, "pieces", Faults(cut=1.0, most=1, only="^GET")) as (place, _):
        place.put("large", data)
        place.put("empty", b"")
        assert [len(piece) for piece in place.pieces("large")] == [1_000_000, 1_000_000, 500_000]
        assert b"".join(place.pieces("large")) == data
        assert list(place.pieces("empty")) == []
        pieces = place.pieces("large")
        next(pieces)
        place.put("large", data[::-1])
        with pytest.raises(OSError, match="replaced while it was read"):
            next(pieces)


def test_what_marks_a_folder_is_nothing_in_it(s3: S3) -> None:
    """What the web console makes for a new folder, and s3a for an empty one."""
    s3.make_bucket("markers")
    for key in ("store/", "store/.verger/", "store/.verger/work/"):
        s3.put_as_is("markers", key)
    place = at(s3, "s3://markers/store")
    assert place.files("") == place.files(".verger") == place.files(".verger/work") == []
    assert place.entries(".verger/work") == []  # what is tidied away entry by entry
    assert at(s3, "s3://markers/store/.verger/work").is_empty() is None
    place.put(".verger/work/parts/a", b"!")
    assert place.entries(".verger/work") == [".verger/work/parts"]
    place.delete(".verger/work/parts")
    assert not place.exists(".verger/work/parts/a")


# Names --------------------------------------------------------------------------------------------


def test_a_url_is_meant_as_it_is_written(s3: S3) -> None:
    store = s3.make_bucket("names")
    for folder in ("a b", "a%20b", "a+b", NFC, NFD, "桃", "a:b", "a&b=c"):
        place = at(s3, f"s3://names/{folder}")
        place.put("key", folder.encode())
        assert bytes(obstore.get(store, f"{folder}/key").bytes()) == folder.encode()
        assert place.name == folder
    assert len(obstore.list(store).collect()) == 8


@pytest.mark.parametrize(
    "url",
    [
        "s3://", "s3:///key", "s3://a bucket/x", "s3://user:word@bucket/x", "s3://b/a//b",
        "s3://b/../x", "s3://b/./x", "s3://b/x?versionId=1", "s3://b/x#1", "s3://b/a\tb",
        "s3://b/a\nb", "gs://", "az:///",
    ],
)  # fmt: skip
def test_what_names_no_folder_of_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(PhotosError) as caught:
        place_of(url, PhotosError)
    assert "\n" not in str(caught.value)
    assert "word" not in str(caught.value)


def test_places_of_a_bucket(s3: S3) -> None:
    place = place_of("s3a://photos/2026/", PhotosError)
    assert str(place) == "s3://photos/2026"
    assert (place.scheme, place.name) == ("s3", "2026")
    assert place.absolute() == place
    for inner in ("s3://photos/2026", "s3://photos/2026/05/"):
        assert place.holds(place_of(inner, PhotosError))
    for other in ("s3://photos", "s3://photos/20261", "gs://photos/2026", "photos/2026"):
        assert not place.holds(place_of(other, PhotosError))


@pytest.mark.parametrize(
    ("url", "said", "told"),
    [
        ("s3://b/x", {"AWS_REGION": "eu-west-3"}, {"region": "eu-west-3"}),
        ("gs://b/x", {"GOOGLE_SKIP_SIGNATURE": "true"}, {"skip_signature": "true"}),
        ("gs://b/x", {"GOOGLE_BASE_URL": "http://[::1]:9"}, {"base_url": "http://[::1]:9"}),
        ("az://b/x", {"AZURE_STORAGE_ACCOUNT_NAME": "orchard"}, {"account_name": "orchard"}),
    ],
)
def test_a_worker_elsewhere_is_told_what_the_environment_says_here(
    url: str, said: dict[str, str], told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    sent = pickle.dumps(place_of(url, PhotosError))
    for name in said:
        monkeypatch.delenv(name)
    there: Bucket = pickle.loads(sent)  # noqa: S301
    store: Any = there.store
    assert told.items() <= store.config.items()


@pytest.mark.parametrize(
    ("url", "said", "told"),
    [
        ("az://b/x", {}, "AZURE_STORAGE_ACCOUNT_NAME"),
        (
            "gs://b/x",
            {"GOOGLE_APPLICATION_CREDENTIALS": "no.json"},
            "GOOGLE_APPLICATION_CREDENTIALS",
        ),
    ],
)
def test_what_a_provider_misses_is_named(
    url: str, said: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_USE_EMULATOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PhotosError) as caught:
        place_of(url, PhotosError).is_empty()
    assert "\n" not in str(caught.value)
    assert told in str(caught.value)


# Listing ------------------------------------------------------------------------------------------


def walked(place: Bucket) -> list[str]:
    paths = [one.path for one in place.walk()]
    assert paths == sorted(paths)
    return paths


def test_odd_keys_are_listed_in_order_and_read(s3: S3) -> None:
    store = s3.make_bucket("odd-keys")
    fill(store, [f"p/{name}" for name in [*ODD, LONG]])
    place = at(s3, "s3://odd-keys/p")
    assert len(LONG.encode()) == 1000
    assert walked(place) == sorted([*ODD, LONG])
    for name in [*ODD, LONG]:
        assert place.read(name) == b"photo"


@pytest.mark.slow
def test_keys_that_the_client_cannot_name_cost_no_others(s3: S3) -> None:
    """obstore throws a page away for one of them, on which see `tests/seaweed.py`."""
    store = s3.make_bucket("unnameable")
    odd = ["a\tb.jpg", "new\nline.jpg", "f/x\x7f.jpg", "..x/a\t.jpg"]
    good = [f"f/{n:04}.jpg" for n in range(1200)] + ["a.jpg", "z.jpg"]
    fill(store, [f"p/{name}" for name in good])
    for name in odd:
        s3.put_as_is("unnameable", f"p/{name}", name.encode())
    s3.put_as_is("unnameable", "p/q//double.jpg", b"double")  # SeaweedFS makes one slash of it
    place = at(s3, "s3://unnameable/p")
    assert walked(place) == sorted([*odd, *good, "q/double.jpg"])
    assert place.is_empty() is False
    loose = sorted(["a\tb.jpg", "a.jpg", "new\nline.jpg", "z.jpg"])
    assert place.entries("") == sorted(["..x", "f", "q", *loose])
    assert place.files("") == loose
    for name in odd:
        assert place.read(name) == name.encode()
        assert place.exists(name)
    with pytest.raises(FileNotFoundError):
        place.read("gone\t.jpg")
    with pytest.raises(OSError, match="cannot be requested"):
        place.put("a\tc", b"")
    for user, error in (("stranger", VergerError), ("blind", VergerError)):
        with pytest.raises(error):
            walked(at(s3.as_user(user), "s3://unnameable/p"))


@pytest.mark.slow
def test_keys_that_the_client_cannot_name_fail_in_one_line_too(s3: S3) -> None:
    s3.make_bucket("unnameable2")
    s3.put_as_is("unnameable2", "p/a\tb.jpg", b"1")
    with faulty(s3.endpoint) as proxy:
        place = at(s3.behind(proxy.endpoint), "s3://unnameable2/p", PhotosError)
        assert walked(place) == ["a\tb.jpg"]
        proxy.set(Faults(error=1, status=400, code="ExpiredToken"))
        with pytest.raises(PhotosError, match="expired"):
            place.read("a\tb.jpg")
        proxy.set(Faults(error=1, status=400, code="ExpiredToken", only="encoding-type"))
        with pytest.raises(PhotosError, match="expired"):  # the second client's listing alone
            walked(place)
        proxy.set(Faults(error=0.4, reset=0.2, most=2))
        assert place.read("a\tb.jpg") == b"1"
    with pytest.raises(PhotosError, match="does not answer"):
        place.read("a\tb.jpg")


@pytest.mark.parametrize("top", ["", "photos"])
def test_the_order_is_that_of_the_paths_whatever_the_server_s(s3: S3, top: str) -> None:
    """SeaweedFS lists as a disk does: all of the folder `a`, and then `a b` and `a.jpg`."""
    name = f"order{len(top)}"
    names = [
        "a/1.jpg", "a b/1.jpg", "a-b/1.jpg", "a.jpg", "a0/1.jpg", "x/a/1.jpg", "x/a b/1.jpg",
        "x/a.jpg", "x/a!/1.jpg", "\uff5e.jpg", "🍑.jpg", "B/1.jpg",
    ]  # fmt: skip
    fill(s3.make_bucket(name), [f"{top}/{path}".lstrip("/") for path in names])
    assert walked(at(s3, f"s3://{name}/{top}".rstrip("/"))) == sorted(names)


@pytest.fixture(scope="module")
def many(s3: S3) -> dict[str, list[str]]:
    """Listings of more than a page, by the prefix they lie under."""
    shapes = {
        "flat": [f"{n:05}.jpg" for n in range(2300)],
        "nested": [f"Variety {n % 21}/view {n % 3}/{n}.jpg" for n in range(2300)],
        "one": [f"only/this/{n % 5}/{n}.jpg" for n in range(1500)],
        "mixed": [
            *(f"{n % 11:02}/{n}.jpg" for n in range(1500)),
            *(f"{n:04}.jpg" for n in range(1100)),
            *("a.jpg", "05.jpg", "05-b.jpg", "050/x.jpg"),
        ],
        "loose first": [f"{n:04}.jpg" for n in range(1100)] + [f"x/{n}.jpg" for n in range(50)],
    }
    store = s3.make_bucket("many")
    fill(store, [f"{top}/{path}" for top, paths in shapes.items() for path in paths])
    return shapes


@pytest.mark.slow
@pytest.mark.parametrize("top", ["flat", "nested", "one", "mixed", "loose first"])
@pytest.mark.parametrize("sorted_at_once", [100_000, 700])
def test_thousands_are_listed_each_once_and_in_order(
    s3: S3,
    many: dict[str, list[str]],
    top: str,
    sorted_at_once: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(limits, "SORTED_AT_ONCE", sorted_at_once)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    place = at(s3, f"s3://many/{top}")
    found = list(place.walk())
    assert [one.path for one in found] == sorted(many[top])
    assert {one.bytes for one in found} == {5}
    now = dt.datetime.now(tz=dt.UTC)
    assert all(now - dt.timedelta(minutes=10) < one.modified <= now for one in found)
    assert list(tmp_path.iterdir()) == []  # what was sorted on the disk is cleared away


@pytest.mark.slow
def test_in_no_order_the_first_photo_comes_before_all_are_found(
    s3: S3, many: dict[str, list[str]]
) -> None:
    """Which is how `doctor` looks at a bucket of millions."""
    nobody = Labeller(lambda _: None)
    for top in ("flat", "nested", "mixed"):
        heard: list[int] = []
        place = at(s3, f"s3://many/{top}")
        assert next(place.list(nobody, heard.append, in_order=False)).path in many[top]
        assert heard[-1] <= 2
        found = [ref.path for ref in place.list(nobody, in_order=False)]
        assert sorted(found) == sorted(many[top])


@pytest.mark.slow
def test_a_listing_that_nobody_finishes_leaves_nothing(
    s3: S3, many: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(limits, "SORTED_AT_ONCE", 100)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = threading.active_count()
    listing = at(s3, "s3://many/nested").walk()
    next(listing)
    listing.close()  # type: ignore[attr-defined]
    until = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.05)
    assert threading.active_count() <= before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("top", ["flat", "nested", "mixed"])
def test_an_error_in_the_midst_of_a_listing_is_the_listing_s(
    s3: S3, many: dict[str, list[str]], top: str
) -> None:
    with faulty(s3.endpoint) as proxy:
        place = at(s3.behind(proxy.endpoint), f"s3://many/{top}", PhotosError)
        only = "continuation-token" if top == "flat" else "prefix=[^&]*(13|05)%2F"
        proxy.set(Faults(error=1, status=403, code="ExpiredToken", only=only))
        with pytest.raises(PhotosError, match=r"^s3://many/\w+: the credentials have expired\. "):
            walked(place)
        assert proxy.counts()["error"] >= 1
        proxy.set(Faults(error=0.3, reset=0.2, most=2))
        assert walked(place) == sorted(many[top])


def test_a_photo_replaced_within_the_clock_s_resolution_is_noticed(s3: S3) -> None:
    """Size and time are the same; what the store says of the content is not."""
    store = s3.make_bucket("replaced")
    place = at(s3, "s3://replaced/p")

    def listed() -> PhotoRef:
        (ref,) = list_place(place, Labeller(lambda _: None))
        return ref

    obstore.put(store, "p/a.jpg", b"one")
    one = listed()
    micros = round(one.modified.timestamp() * 1e6)
    known = Known("a.jpg", None, 3, micros, "file", rejected=False, e_tag=one.e_tag)
    assert known.is_of(one)
    obstore.put(store, "p/a.jpg", b"two")
    two = listed()
    assert not known.is_of(two._replace(modified=one.modified))
    assert two.e_tag == obstore.head(store, "p/a.jpg")["e_tag"]
    s3.put_as_is("replaced", "p/tab\there.jpg", b"one")  # which another client lists
    tags = {ref.path: ref.e_tag for ref in list_place(place, Labeller(lambda _: None))}
    assert tags == {"a.jpg": two.e_tag, "tab\there.jpg": one.e_tag}


def test_folders_and_empty_photos_are_told_apart(s3: S3) -> None:
    store = s3.make_bucket("empties")
    for key in ("p/", "p/x.jpg/", "p/d/", "p/d/y.jpg/"):
        s3.put_as_is("empties", key)
    fill(store, ["p/empty.jpg", "p/x.jpg-2.jpg"], b"")
    fill(store, ["p/d/photo.jpg", "p/y.txt", "p/.verger/z.jpg", "p/x.jpg/in.jpg"])
    place = at(s3, "s3://empties/p")
    refs = list(list_place(place, Labeller(lambda path: path[:1])))
    assert [(ref.path, ref.label, ref.bytes, ref.reason) for ref in refs] == [
        ("d/photo.jpg", "d", 5, None),
        ("empty.jpg", "e", 0, Reason.EMPTY),
        ("x.jpg-2.jpg", "x", 0, Reason.EMPTY),
        ("x.jpg/in.jpg", "x", 5, None),
    ]
    assert {ref.modified.tzinfo for ref in refs} == {dt.UTC}


def test_litter_among_objects_is_no_photo_and_other_files_are_counted(s3: S3) -> None:
    store = s3.make_bucket("litter")
    good = ["p/Plum/1.jpg", "p/Plum/2.JFIF"]
    litter = ["p/__MACOSX/Plum/._1.jpg", "p/Plum/@eaDir/1.jpg", "p/.cache/3.jpg", "p/Plum/._2.jpg"]
    fill(store, [*good, *litter, "p/Plum/1.jpg.json", "p/README", "p/.DS_Store"])
    s3.put_as_is("litter", "p/Plum/")
    place, selection = at(s3, "s3://litter/p"), Selection()
    found = place.list(Labeller(lambda _: None), selection=selection)
    assert [f"p/{ref.path}" for ref in found] == good
    assert selection.notes() == [
        "4 files are left out: hidden, or left by a system (such as ._* or __MACOSX).",
        "Files beside the photos: 1 .json, 1 without an extension.",
    ]


def test_a_photo_and_a_folder_of_one_name_are_one_photo() -> None:
    """SeaweedFS allows no such pair; S3 does, and the client lists both by one name."""
    when = dt.datetime(2026, 5, 1, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    some = [("a.jpg", 0), ("a.jpg", 7), ("b.jpg", 0), ("b.jpg", 0)]
    objects = [(path, size, when, None) for path, size in some]
    refs = list(refs_of_objects(objects, Labeller(lambda _: None), Selection(), lambda _: True))
    assert [(ref.path, ref.bytes) for ref in refs] == [("a.jpg", 7), ("b.jpg", 0)]
    assert refs[0].modified == when
    assert refs[0].modified.tzinfo == dt.UTC

    def refused(path: str) -> bool:
        raise PermissionError(13, "access denied", path)

    assert list(refs_of_objects(objects, Labeller(lambda _: None), Selection(), refused)) == refs


MANY = """
import datetime as dt, itertools, resource, sys, time
from pathlib import Path
from verger.photos.labels import Labeller
from verger.photos.selection import Selection
from verger.storage.bucket_listing import LISTED, Listed, objects_of, refs_of_objects
from verger.store.inventory import Known, OrderBook, compare
from verger.storage.sorting import in_order

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

when = dt.datetime(2026, 5, 1, tzinfo=dt.timezone.utc)
micros = int(when.timestamp()) * 1_000_000

def path(folder, n):
    return f"Variety {folder:04}/photo {n:06}.jpg"

def pages(count):  # a thousand a folder, the last folder first
    for folder in reversed(range(count // 1000)):
        yield [
            {"path": path(folder, n), "size": 5000, "last_modified": when, "e_tag": f"{n:032x}"}
            for n in range(1000)
        ]

def known(count):  # every second one is known
    for folder in range(count // 1000):
        for n in range(0, 1000, 2):
            yield Known(path(folder, n), "Variety", 5000, micros, "features/a.parquet", False)

def take(count):
    listed = refs_of_objects(
        in_order(objects_of("", pages(count)), Listed, LISTED),
        Labeller(lambda path: path[:7]), Selection(), None,
    )
    with OrderBook(Path(sys.argv[1]) / "refs", Path(sys.argv[1]) / "edits") as book:
        for tally in compare(listed, known(count), book, retry_rejects=False):
            pass
    return tally

few = take(60_000)
before = peak()
tally = take(400_000)
print(tally.listed, tally.new, tally.kept, tally.gone, peak() - before)
"""


@pytest.mark.slow
def test_any_number_of_keys_is_listed_in_the_memory_of_some(tmp_path: Path) -> None:
    """Listed out of order, laid beside 200,000 known, written down."""
    ran = subprocess.run(
        [sys.executable, "-c", MANY, str(tmp_path)], capture_output=True, text=True, check=True
    )
    listed, new, kept, gone, grown = map(int, ran.stdout.split())
    assert (listed, new, kept, gone) == (400_000, 200_000, 200_000, 0)
    assert pq.ParquetFile(tmp_path / "refs").metadata.num_rows == 200_000
    assert grown < 30e6  # bytes for 340,000 more; held, they would be some 110 MB


# Errors -------------------------------------------------------------------------------------------

ACTIONS: dict[str, Any] = {
    "walk": lambda place: list(place.walk()),
    "is_empty": lambda place: place.is_empty(),
    "read": lambda place: place.read("key"),
    "open": lambda place: place.open("key").read(),
    "put": lambda place: place.put("new", b"!"),
    "incoming": lambda place: place.incoming("new").__enter__().write_bytes(b"!"),
    "move": lambda place: place.move("key", "to"),
    "delete": lambda place: place.delete("key"),
    "files": lambda place: place.files(""),
    "exists": lambda place: place.exists("key"),
    "lock": lambda place: place.lock("lock").__enter__(),
}


def fails(place: Bucket, action: str) -> str:
    """What went wrong, in one line without a secret."""
    with pytest.raises((VergerError, OSError)) as caught:
        ACTIONS[action](place)
    assert isinstance(caught.value, OSError) or type(caught.value) is place.error
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 300
    settings = dict(place.settings)
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"):
        assert settings.get(name, "no such text") not in said
    return said


@pytest.fixture(scope="module")
def guarded(s3: S3) -> str:
    obstore.put(s3.make_bucket("guarded"), "p/key", b"!")
    return "s3://guarded/p"


@pytest.mark.parametrize("error", [PhotosError, StoreError])
def test_a_bucket_that_there_is_not(s3: S3, error: type[VergerError]) -> None:
    place = at(s3, "s3://no-such-bucket/x", error)
    for action in ("walk", "is_empty", "read", "put", "files", "delete", "lock"):
        said = fails(place, action)
        assert said == "s3://no-such-bucket/x: there is no such bucket. Check its name.", action


@pytest.mark.parametrize(
    ("user", "refused"),
    [
        ("reader", {"put", "move", "delete", "lock"}),
        ("blind", {"walk", "is_empty", "files", "delete"}),
        ("stranger", set(ACTIONS) - {"incoming"}),
    ],
)
def test_what_a_user_may_not_do(s3: S3, guarded: str, user: str, refused: set[str]) -> None:
    place = at(s3.as_user(user), guarded)
    for action in sorted(refused):
        assert any(
            words in fails(place, action) for words in ("access denied", "access key is not known")
        ), action
    for action in {"read", "exists", "open"} - refused:
        ACTIONS[action](place)
    assert at(s3, guarded).read("key") == b"!"


def test_a_wrong_secret(s3: S3, guarded: str) -> None:
    place = at(s3, guarded, AWS_SECRET_ACCESS_KEY="0" * 40)
    for action in ("walk", "read", "put"):
        assert "secret key does not match" in fails(place, action)


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (400, "ExpiredToken", "the credentials have expired. Renew the credentials"),
        (403, "ExpiredToken", "the credentials have expired. Renew the credentials"),
        (403, "InvalidToken", "the session token is not valid"),
        (301, "PermanentRedirect", "another region. Set AWS_REGION"),
        (400, "AuthorizationHeaderMalformed", "another region. Set AWS_REGION"),
        (503, "SlowDown", "keeps asking for fewer requests. Run again"),
        (500, "InternalError", "InternalError. Run again"),
        (403, "AllAccessDisabled", "AllAccessDisabled"),
        (418, "Tea<pot>", "418"),
    ],
)
def test_what_a_server_refuses_is_told_in_a_line(
    s3: S3, guarded: str, status: int, code: str, says: str
) -> None:
    """SeaweedFS knows no regions and no tokens that expire, so the proxy says it."""
    with faulty(s3.endpoint, Faults(error=1, status=status, code=code)) as proxy:
        place = at(s3.behind(proxy.endpoint), guarded, PhotosError, AWS_SESSION_TOKEN=TOKEN)
        for action in ("walk", "read", "put", "files", "lock"):
            said = fails(place, action)
            assert says in said or (status == 403 and "access denied" in said), action
        # Three attempts at most; what a photo is refused, the whole place is asked for as well.
        assert 5 <= proxy.counts()["requests"] <= 6 * 3


def test_an_endpoint_that_is_down(s3: S3, guarded: str) -> None:
    with faulty(s3.endpoint) as proxy:
        place = at(s3.behind(proxy.endpoint), guarded, AWS_MAX_ATTEMPTS="2")
        assert place.read("key") == b"!"
    for action in ("walk", "read", "put", "exists", "lock"):
        assert fails(place, action) == (
            f"{guarded}: the endpoint does not answer. "
            "Run again when it answers: what is finished is kept."
        )


def test_a_server_that_asks_for_patience_for_ever_is_asked_as_often_as_is_said(
    s3: S3, guarded: str
) -> None:
    with faulty(s3.endpoint, Faults(error=1)) as proxy:
        for attempts in ("1", "4"):
            proxy.set(Faults(error=1))
            place = at(s3.behind(proxy.endpoint), guarded, AWS_MAX_ATTEMPTS=attempts)
            fails(place, "read")
            assert proxy.counts()["requests"] == int(attempts)
    assert attempts_of({}) == attempts_of({"AWS_MAX_ATTEMPTS": "some"}) == 9


def test_no_secret_shows(s3: S3, guarded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    place = Bucket.of(guarded, StoreError)
    secrets = [s3.keys.secret_key, s3.keys.access_key, TOKEN]
    for shown in (
        repr(place), str(place), f"{place!r:}", repr(pickle.loads(pickle.dumps(place))),  # noqa: S301
        repr([place]), repr(place.store), repr(Lock(place, "x")),
        repr(place.lock("x")), repr(place.walk()),
    ):  # fmt: skip
        assert not any(secret in shown for secret in secrets), shown


# Photos that vanish, and faults -------------------------------------------------------------------


def embedded(place: Bucket, refs: list[PhotoRef], picture: bytes) -> list[tuple[str, str]]:
    """Run the reader and the decoder over photos; return the rejects."""
    from verger.embed import open_backbone

    embedder = Embedder(open_backbone("efficientnet-lite0"), 8, 10**8)

    def no_network(photos: Any) -> Any:
        import numpy as np

        return np.zeros((len(photos), embedder.backbone.card.features), np.float32)

    made = embed(refs, embedder, place.read, no_network, reads_at_once=place.reads_at_once)
    rejects = [batch.rejects.to_pylist() for batch in made]
    return [(row["path"], row["reason"]) for rows in rejects for row in rows]


def picture() -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(out, "JPEG")
    return out.getvalue()


def test_a_photo_that_vanishes_is_a_reject_and_no_other_is(s3: S3) -> None:
    photo = picture()
    store = s3.make_bucket("vanish")
    fill(store, [f"p/{n}.jpg" for n in range(20)], photo)
    place = at(s3, "s3://vanish/p", PhotosError)
    refs = list(list_place(place, Labeller(lambda _: None)))
    assert len(refs) == 20
    obstore.delete(store, ["p/3.jpg", "p/17.jpg"])
    obstore.put(store, "p/5.jpg", photo[:-200])  # and one is cut short meanwhile
    rejects = embedded(place, refs, photo)
    assert {path for path, _ in rejects} >= {"17.jpg", "3.jpg"}
    assert dict(rejects)["3.jpg"] == dict(rejects)["17.jpg"] == Reason.UNREADABLE.value
    assert {path for path, _ in rejects} <= {"17.jpg", "3.jpg", "5.jpg"}


def test_a_listing_without_the_right_to_read_rejects_every_photo(s3: S3) -> None:
    s3.make_bucket("unread")
    with faulty(s3.endpoint, Faults(error=1, status=403, code="AccessDenied")) as proxy:
        place = at(s3.behind(proxy.endpoint), "s3://unread/p", PhotosError)
        ref = PhotoRef("a.jpg", None, 5, dt.datetime.now(tz=dt.UTC))
        assert embedded(place, [ref], b"") == [("a.jpg", Reason.UNAVAILABLE.value)]


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(Faults(latency=0.025), id="25 ms", marks=pytest.mark.slow),
        pytest.param(Faults(error=0.2, most=4), id="503", marks=pytest.mark.slow),
        pytest.param(Faults(reset=0.2, most=4), id="resets", marks=pytest.mark.slow),
        pytest.param(Faults(cut=0.2, most=4), id="cut bodies", marks=pytest.mark.slow),
        pytest.param(
            Faults(latency=0.025, error=0.1, reset=0.1, cut=0.1, most=4, seed=7), id="all"
        ),
    ],
)
def test_faults_that_pass_change_no_byte(s3: S3, faults: Faults, tmp_path: Path) -> None:
    name = f"faults-{time.monotonic_ns()}"
    s3.make_bucket(name)
    bodies = {f"{n:03}.jpg": os.urandom(3000 + n) for n in range(150)}
    with faulty(s3.endpoint, faults) as proxy:
        place = at(s3.behind(proxy.endpoint), f"s3://{name}/p", AWS_MAX_ATTEMPTS="8")
        with ThreadPoolExecutor(place.reads_at_once) as threads:
            list(threads.map(place.put, bodies, bodies.values()))
            assert walked(place) == sorted(bodies)
            assert list(threads.map(place.read, bodies)) == list(bodies.values())
        table = pa.table({"n": range(20_000)})
        with place.incoming("table.parquet") as file:
            pq.write_table(table, file, row_group_size=1000)
        assert pq.read_table(place.open("table.parquet")) == table
        place.move("000.jpg", "moved.jpg")
        assert place.read("moved.jpg") == bodies["000.jpg"]
        place.delete("001.jpg")
        with place.lock("lock"):
            assert holder(place)["pid"] == os.getpid()
        assert not place.exists("lock")
        counts = proxy.counts()
        for fault in ("error", "reset", "cut"):
            assert (counts[fault] > 0) is (getattr(faults, fault) > 0)
        assert counts["at once"] <= 80


def test_a_request_that_is_reset_and_then_answered_in_part_is_done_again(s3: S3) -> None:
    s3.make_bucket("mixed-faults")
    names = [str(n) for n in range(40)]
    with faulty(s3.endpoint) as proxy:
        place = at(s3.behind(proxy.endpoint), "s3://mixed-faults/p", AWS_MAX_ATTEMPTS="8")
        with ThreadPoolExecutor(20) as threads:
            list(threads.map(lambda name: place.put(name, name.encode()), names))
            proxy.set(Faults(reset=0.3, cut=0.3, only="^PUT", most=4))
            list(threads.map(lambda name: place.move(name, f"to/{name}"), names))
            assert [place.read(f"to/{name}") for name in names] == [n.encode() for n in names]
        assert min(proxy.counts()[fault] for fault in ("reset", "cut")) > 10


def test_a_table_whose_reading_fails_says_so_in_a_line(s3: S3, guarded: str) -> None:
    with faulty(s3.endpoint) as proxy:
        place = at(s3.behind(proxy.endpoint), f"{guarded}/tables")
        with place.incoming("table.parquet") as file:
            pq.write_table(pa.table({"n": range(100_000)}), file)
        with pq.ParquetFile(place.open("table.parquet")) as parquet:
            proxy.set(Faults(error=1, status=403, code="ExpiredToken"))
            with pytest.raises(StoreError, match="the credentials have expired"):
                parquet.read()


# The lock -----------------------------------------------------------------------------------------


@pytest.fixture
def locked(s3: S3, tmp_path: Path, laws: Bucket) -> Bucket:
    return at(s3, f"{laws.url}/locks/{tmp_path.name}")


def holder(place: Bucket) -> dict[str, Any]:
    return dict(json.loads(place.read("lock")))


@contextmanager
def fast(monkeypatch: pytest.MonkeyPatch, beat: float, lapse: float) -> Iterator[None]:
    monkeypatch.setattr(limits, "BEAT", beat)
    monkeypatch.setattr(limits, "LAPSE", lapse)
    yield


HOLD = """
import os, sys
from verger.storage.bucket import Bucket
from verger.errors import StoreError
with Bucket.of(sys.argv[1], StoreError).lock("lock"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_lock_is_held_by_one_process_and_taken_over_when_it_is_killed(
    s3: S3, locked: Bucket
) -> None:
    command = [sys.executable, "-c", HOLD, locked.url]
    env = os.environ | s3.environment()
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert holder(locked)["pid"] == other.pid
        with pytest.raises(BlockingIOError), locked.lock("lock"):
            pass
        with locked.lock("another"):
            pass
        other.kill()
        other.wait()
        with locked.lock("lock"):
            assert holder(locked)["pid"] == os.getpid()
    assert not locked.exists("lock")


def want(place: Bucket, start: threading.Barrier, end: threading.Event, got: list[bool]) -> None:
    start.wait()
    try:
        with place.lock("lock"):
            got.append(True)
            end.wait(60)
    except BlockingIOError:
        got.append(False)


@pytest.mark.slow
def test_of_many_who_want_a_lock_one_gets_it(locked: Bucket) -> None:
    """First where there is none, then where a dead one is to be taken over."""
    for round_ in range(3):
        got: list[bool] = []
        start, end = threading.Barrier(8), threading.Event()

        threads = [threading.Thread(target=want, args=(locked, start, end, got)) for _ in range(8)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 60
        while len(got) < 8 and time.monotonic() < until:
            time.sleep(0.01)
        assert sorted(got) == [False] * 7 + [True], round_
        end.set()
        for thread in threads:
            thread.join()
        assert not locked.exists("lock")
        gone = {"machine": this_machine(), "pid": 2**22 + 5, "run": "dead"}
        if round_ % 2 == 0:
            locked.put("lock", json.dumps(gone).encode())


def test_a_lock_is_renewed_so_that_nobody_takes_it_for_left(
    locked: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fast(monkeypatch, 0.2, 6.0), locked.lock("lock"):
        first = obstore.head(locked.store, "lock")["last_modified"]
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if obstore.head(locked.store, "lock")["last_modified"] > first:
                break
            time.sleep(0.1)
        else:
            pytest.fail("it was never renewed")
        with pytest.raises(BlockingIOError), locked.lock("lock"):
            pass


def test_a_lock_that_was_left_is_taken_over_by_its_age(
    locked: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine's process: nobody here can tell whether it lives."""
    other = json.dumps({"machine": "another", "pid": 1, "run": "other"}).encode()
    locked.put("lock", other)
    with pytest.raises(BlockingIOError), locked.lock("lock"):
        pass
    assert locked.read("lock") == other
    monkeypatch.setattr(limits, "LAPSE", 0.0)
    with locked.lock("lock"):
        assert holder(locked)["pid"] == os.getpid()
    assert not locked.exists("lock")


def test_each_renewal_of_a_lock_changes_it(locked: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looked at a lock, found it left, and takes it over after that is too late."""
    with fast(monkeypatch, 1000.0, 90.0), locked.lock("lock") as lease:
        tags = [obstore.head(locked.store, "lock")["e_tag"]]
        for _ in range(3):
            assert lease.renew()
            tags.append(obstore.head(locked.store, "lock")["e_tag"])
        assert len(set(tags)) == 4
        slow = Lock(locked, "lock")
        found = slow._found

        def looked() -> Any:
            then = found()
            assert lease.renew()  # in between
            return then

        monkeypatch.setattr(slow, "_found", looked)
        monkeypatch.setattr(limits, "LAPSE", 0.0)
        with pytest.raises(BlockingIOError):
            slow.take()
        assert lease.renew()


def test_a_lock_is_known_to_be_held_for_a_while_after_each_renewal(
    locked: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = json.dumps({"machine": "another", "pid": 1, "run": "other"}).encode()
    with fast(monkeypatch, 1000.0, 90.0), locked.lock("lock") as lease:
        locked.put("lock", other)  # none but a renewal can tell, and none is due
        assert lease.is_held()
        monkeypatch.setattr(limits, "BEAT", 0.0)
        assert not lease.is_held()
        monkeypatch.setattr(limits, "BEAT", 1000.0)
        assert not lease.is_held()  # once lost, it is lost
        assert not lease.renew()


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_lock_given_back_at_any_moment_is_taken_by_who_asks(
    locked: Bucket, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """It was there when it was to be made, and is gone when its holder is looked for."""
    other = json.dumps({"machine": "another", "pid": 1, "run": "other"}).encode()
    monkeypatch.setattr(limits, "LAPSE", 0.0)
    locked.put("lock", other)
    asked, put, get = [0], obstore.put, obstore.get

    def given_back(then: Any) -> Any:
        def call(store: Any, path: str, *rest: Any, **options: Any) -> Any:
            if path == "lock":
                asked[0] += 1
                if asked[0] == moment:
                    obstore.delete(store, path)
            return then(store, path, *rest, **options)

        return call

    monkeypatch.setattr("verger.storage.lock.obstore.put", given_back(put))
    monkeypatch.setattr("verger.storage.lock.obstore.get", given_back(get))
    with locked.lock("lock"):
        monkeypatch.undo()
        assert holder(locked)["pid"] == os.getpid()
    assert not locked.exists("lock")


def test_a_late_release_leaves_the_lock_of_another(locked: Bucket) -> None:
    lock = Lock(locked, "lock")
    lock.take()
    assert lock._is_own()
    other = json.dumps({"machine": "another", "pid": 1, "run": "other"}).encode()
    locked.put("lock", other)
    assert not locked.delete_version("lock", lock._tag)
    assert locked.read("lock") == other
    lock.release()
    assert locked.read("lock") == other


def test_a_lock_that_was_lost_is_left_to_who_has_it(
    locked: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = json.dumps({"machine": "another", "pid": 1, "run": "other"}).encode()
    with fast(monkeypatch, 0.05, 90.0), locked.lock("lock"):
        locked.put("lock", other)
        time.sleep(0.5)  # in which it would be renewed, were it not for the other
        assert locked.read("lock") == other
    assert locked.read("lock") == other


def test_a_run_whose_lock_was_taken_over_publishes_nothing_and_clears_nothing_away(
    s3: S3, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    late, other = Store(f"{guarded}/taken"), Store(f"{guarded}/taken")
    monkeypatch.setattr(limits, "BEAT", 1000.0)  # this machine sleeps
    with ExitStack() as stack:
        lost = "Another run took over s3://.*/taken while this one was suspended"
        with late.working("x") as work:
            work.place.put(work.built("matrix/part-late.parquet"), b"late")
            monkeypatch.setattr(limits, "LAPSE", 0.0)
            theirs = stack.enter_context(other.working("x"))
            work.place.put(theirs.built("matrix/part-two.parquet"), b"two")
            monkeypatch.setattr(limits, "LAPSE", 90.0)
            files = {"matrix": [work.built("matrix/part-late.parquet")]}
            with pytest.raises(StoreError, match=lost):
                late.publish(work, {"is": "late"}, Publication(files))
        assert other.record() is None
        files = {"matrix": [theirs.built("matrix/part-two.parquet")]}
        other.publish(theirs, {"is": "two"}, Publication(files))
    assert other.whole_run()["is"] == "two"
    assert late.place.read("matrix/part-two.parquet") == b"two"
    assert late.table("matrix") == ["matrix/part-two.parquet"]


# Another program reads while a run publishes ------------------------------------------------------


def seen_by_another_program(s3: S3, path: str) -> tuple[str | None, list[str]]:
    """Read a STORE as Arrow's own client for S3 does: the record, and whose rows matrix/ holds."""
    import pyarrow.dataset as ds
    from pyarrow import fs

    environment = s3.environment()
    client = fs.S3FileSystem(
        endpoint_override=environment["AWS_ENDPOINT_URL"],
        access_key=environment["AWS_ACCESS_KEY_ID"],
        secret_key=environment["AWS_SECRET_ACCESS_KEY"],
        region=environment["AWS_REGION"],
    )
    try:
        with client.open_input_stream(f"{path}/run.json") as file:
            record = json.loads(file.read())["is"]
    except FileNotFoundError:
        record = None
    table = ds.dataset(f"{path}/matrix", filesystem=client).to_table()
    return record, sorted(table.column("run").to_pylist())


def test_a_record_before_and_after_vouches_for_what_another_program_read(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What docs/howto/buckets.md tells those who read a table while a run publishes."""
    s3.make_bucket("readers")
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    store = Store("s3://readers/store")
    looks: list[tuple[str | None, list[str]]] = []

    def publish(run: str) -> None:
        with store.working("x") as work:
            parts = [work.built(f"matrix/part-{run}-{n}.parquet") for n in range(3)]
            for part in parts:
                with work.place.incoming(part) as file:
                    pq.write_table(pa.table({"run": [run] * 5}), file)
            store.publish(work, {"is": run}, Publication({"matrix": parts}))

    publish("one")
    for step in ("move", "delete", "put"):

        def looked_at(then: Any, place: Bucket, *arguments: Any) -> None:
            looks.append(seen_by_another_program(s3, "readers/store"))
            then(place, *arguments)

        then = getattr(Bucket, step)
        monkeypatch.setattr(Bucket, step, partialmethod(partial(looked_at, then)))
    publish("two")
    monkeypatch.undo()
    looks.append(seen_by_another_program(s3, "readers/store"))

    records = [record for record, _ in looks]
    bare = records.count(None)
    assert bare > 3
    at = records.index(None)
    assert set(records[:at]) == {"one"}
    assert records[at : at + bare] == [None] * bare
    assert set(records[at + bare :]) == {"two"}
    for record, rows in looks:
        if record is not None:
            assert rows == [record] * 15
    assert {*looks[at + bare // 2][1]} == {"one", "two"}  # so it is not enough to read the table


@pytest.mark.slow
@pytest.mark.parametrize("junk", [b"", b"{", b"[1]", b"null", b'{"pid": "x"}', b"\xff"])
def test_what_is_no_lock_is_respected_for_as_long_as_one(
    locked: Bucket, junk: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked.put("lock", junk)
    with pytest.raises(BlockingIOError), locked.lock("lock"):
        pass
    monkeypatch.setattr(limits, "LAPSE", 0.0)
    with locked.lock("lock"):
        pass


@pytest.mark.parametrize("pid", [-1, 0, 10**30, None, [], "1; x"])
def test_a_process_number_that_is_none_is_not_gone(pid: object) -> None:
    assert not is_gone({"machine": this_machine(), "pid": pid})
    assert not is_gone({"machine": this_machine()})
    assert not is_gone({"machine": "another", "pid": 2**22 + 5})
    assert is_gone({"machine": this_machine(), "pid": 2**22 + 5})


def test_a_lock_whose_answer_was_lost_is_one_s_own(locked: Bucket) -> None:
    """The client asks again, and finds the lock there already: its own."""
    lock = Lock(locked, "lock")
    lock._put("create")
    lock.take()
    lock.release()
    assert not locked.exists("lock")


# Credentials --------------------------------------------------------------------------------------


def test_a_profile_is_enough(
    s3: S3, guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and region stand in files, the environment says only which profile and server."""
    for name in s3.environment():
        monkeypatch.delenv(name, raising=False)
    keys = s3.keys
    (tmp_path / "credentials").write_text(
        f"[grower]\naws_access_key_id = {keys.access_key}\n"
        f"aws_secret_access_key = {keys.secret_key}\n"
        "[default]\naws_access_key_id = none\naws_secret_access_key = none\n"
    )
    (tmp_path / "config").write_text(f"[profile grower]\nregion = {s3.region}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "grower")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    place = Bucket.of(guarded, PhotosError)
    assert place.read("key") == b"!"
    s3.put_as_is("guarded", "p/tab\there", b"tab")
    try:
        assert place.read("tab\there") == b"tab"
    finally:
        s3.request("DELETE", "/guarded/p/tab\there")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(PhotosError, match="nobody"):
        Bucket.of(guarded, PhotosError).read("key")


# Google's XML interface is S3's where nobody signs, so that one server stands in for both.
ANONYMOUS = {
    "s3": {"AWS_ENDPOINT_URL": "{0}", "AWS_REGION": "eu-west-3", "AWS_SKIP_SIGNATURE": "{1}"},
    "gs": {"GOOGLE_BASE_URL": "{0}", "GOOGLE_SKIP_SIGNATURE": "{1}"},
}


def unsigned(s3: S3, url: str, yes: str = "true") -> Bucket:
    given = ANONYMOUS[url.partition("://")[0]]
    settings = ((name, value.format(s3.endpoint, yes)) for name, value in sorted(given.items()))
    return Bucket(url, PhotosError, tuple(settings))


@pytest.fixture(scope="module")
def public(s3: S3) -> S3Store:
    return s3.make_bucket("public")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ANONYMOUS)
def test_a_public_bucket_is_read_without_credentials(s3: S3, public: S3Store, scheme: str) -> None:
    names = [*ODD, LONG, *(f"n/{n}.jpg" for n in range(1100))]
    fill(public, [f"{scheme}/{name}" for name in names])
    place = unsigned(s3, f"{scheme}://public/{scheme}")
    assert walked(place) == sorted(names)
    for name in [*ODD, LONG]:
        assert place.read(name) == b"photo"
    with pytest.raises(FileNotFoundError):
        place.read("gone.jpg")


@pytest.mark.parametrize("yes", ["true", "1"])
@pytest.mark.parametrize("scheme", ANONYMOUS)
def test_nobody_in_particular_is_told_so(s3: S3, guarded: str, scheme: str, yes: str) -> None:
    place = unsigned(s3, guarded.replace("s3://", f"{scheme}://"), yes)
    assert re.search(r"access denied\. \w+_SKIP_SIGNATURE is set", fails(place, "walk"))
    assert "access denied" in fails(place, "read")


@pytest.mark.usefixtures("public")
def test_what_google_refuses_is_told_in_a_line(s3: S3) -> None:
    """By name, and with Google's own permissions, not Amazon's."""
    with faulty(s3.endpoint) as proxy:
        settings = {"GOOGLE_BASE_URL": proxy.endpoint, "GOOGLE_BEARER_TOKEN": TOKEN}
        place = Bucket("gs://public/x", PhotosError, tuple(settings.items()))
        proxy.set(Faults(error=1, status=403, code="AccessDenied"))
        said = fails(place, "walk")
        assert "access denied. The credentials lack a permission here (storage." in said
        proxy.set(Faults(error=1, status=404, code="NoSuchBucket"))
        assert "there is no such bucket. Check its name." in fails(place, "walk")
