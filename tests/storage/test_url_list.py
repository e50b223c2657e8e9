"""Lists of photos on the web, against a real HTTP server and a proxy that fails."""

from __future__ import annotations

import datetime as dt
import email.utils
import pickle
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from faults import Faults, faulty
from verger.errors import PhotosError
from verger.photos.labels import Labeller, labeller_from
from verger.photos.reasons import Reason, reason_of
from verger.photos.references import PhotoRef
from verger.photos.selection import Selection
from verger.storage import http, limits
from verger.storage.place import list_place, source_of
from verger.storage.url_list import WebList
from verger.store.inventory import Known
from verger.store.stock import label_notes
from webserver import Page, Site, serve

WHEN = "Fri, 01 May 2026 10:00:00 GMT"
AT = dt.datetime(2026, 5, 1, 10, tzinfo=dt.UTC)


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as started:
        yield started


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less between attempts, and ask no proxy of this machine."""
    monkeypatch.setattr("random.uniform", lambda *_: 0.01)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def photos_of(site: Site, text: str | bytes, name: str = "/photos/list.txt") -> WebList:
    url = site.put(name, text if isinstance(text, bytes) else text.encode())
    place = source_of(url)
    assert isinstance(place, WebList)
    return place


def refs_of(place: WebList, labeller: Labeller | None = None) -> list[PhotoRef]:
    return list(list_place(place, labeller or labeller_from("parent", place.name)))


def refused(place: WebList) -> str:
    with pytest.raises(PhotosError) as caught:
        refs_of(place)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 400
    return said


# What a list may be -------------------------------------------------------------------------------


def test_a_text_of_one_url_a_line(site: Site) -> None:
    site.put("/photos/Plum/1.jpg", b"one", e_tag='"a"', modified=WHEN)
    site.put("/photos/2.jpg", b"two", modified="Fri, 01 May 2026 12:00:00 +0200")
    site.put("/elsewhere?id=3&f=a/b", b"three", no_head=True)
    place = photos_of(
        site,
        "\ufeff# photos of May\r\nPlum/1.jpg\r\n\r\n  2.jpg  \n"
        f"{site.url}/elsewhere?id=3&f=a/b#top\n2.jpg",
    )
    found = refs_of(place)
    assert found == [
        PhotoRef("2.jpg", "photos", 3, AT),
        PhotoRef("Plum/1.jpg", "Plum", 3, AT, e_tag='"a"'),
        PhotoRef(
            f"{site.url}/elsewhere?id=3&f=a/b", site.url.partition("://")[2], 0,
            http.UNKNOWN.modified, e_tag="",
        ),
    ]  # fmt: skip
    assert site.gets() == ["/photos/list.txt"]  # nothing is opened to list it
    assert [place.read(ref.path) for ref in found] == [b"two", b"one", b"three"]


@pytest.mark.parametrize("column", ["path", "url"])
def test_csv_with_a_header_names_photos_and_labels(site: Site, column: str) -> None:
    names = [
        "a b/1+1.jpg",
        "100%.jpg",
        "a%20b.jpg",
        "é/桃.jpg",
        "a#b?c.jpg",
        "a:b,c.jpg",
        "*[x].jpg",
    ]
    written = names if column == "path" else [f"./{web_name(name)}" for name in names]
    for name in names:
        site.put(f"/photos/{web_name(name)}", name.encode(), e_tag='"x"')
    lines = [f'"label","{column.upper()}",other']
    lines += [f'l{n},"{name}",x' for n, name in enumerate(written)] + [f',"{written[0]}x"']
    place = photos_of(site, "\n".join(lines), "/photos/list.csv?signature=secret")
    found = refs_of(place)
    labels: dict[str, str | None] = {name: f"l{n}" for n, name in enumerate(names)}
    assert {ref.path: ref.label for ref in found} == labels | {f"{names[0]}x": None}
    assert [ref.path for ref in found] == sorted(ref.path for ref in found)
    for ref in found:
        if ref.label:
            assert (place.read(ref.path).decode(), ref.reason) == (ref.path, None)
    assert "secret" not in str(place) + repr(place)


def web_name(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="/!$&'()*+,;=:@")


def test_the_label_comes_from_where_it_is_asked_for(site: Site, tmp_path: object) -> None:
    site.put("/photos/Plum/1.jpg", b"one", e_tag='"a"')
    place = photos_of(site, "path,label\nPlum/1.jpg,Quetsche\n")
    parent = labeller_from("parent", place.name)
    assert [ref.label for ref in refs_of(place, parent)] == ["Quetsche"]
    assert [ref.label for ref in refs_of(place, labeller_from("regex:/(.)", ""))] == ["1"]
    assert [ref.label for ref in refs_of(place, labeller_from("none", ""))] == [None]
    from verger.store.inventory import Tally

    assert label_notes("parent", Tally(by_path_alone=3), parent) == [
        "Nothing but the URL is known of 3 photos: the servers say no size, time or ETag, so "
        "that another photo at the same URL would not be noticed.",
        "Labels are those of the list of photos, not of folders.",
    ]
    whole = photos_of(site, f"{site.url}/x/Red%20Plum/1.jpg?f=a/b\n")
    assert [ref.label for ref in refs_of(whole)] == ["Red Plum"]


def test_a_url_that_is_written_otherwise_is_asked_for_as_it_is_written(site: Site) -> None:
    """Its path alone would give another URL, which a server may take for another photo."""
    written = ["%7Ex.jpg", "a%2Fb.jpg", "%FF.jpg", "a%0Ab.jpg"]
    for name in written:
        site.put(f"/photos/{name}", name.encode())
    place = photos_of(site, "\n".join(written))
    found = refs_of(place)
    assert sorted(ref.path for ref in found) == sorted(f"{site.url}/photos/{n}" for n in written)
    for ref in found:
        assert place.read(ref.path).decode() == ref.path.removeprefix(f"{site.url}/photos/")
    (twice,) = refs_of(photos_of(site, f"{site.url}/photos//x.jpg"))
    assert twice.path == f"{site.url}/photos//x.jpg"
    same = photos_of(site, "caf%c3%a9.jpg\ncafé.jpg\ncaf%C3%A9.jpg\n./café.jpg\n100%.jpg")
    assert [ref.path for ref in refs_of(same)] == ["100%.jpg", "café.jpg"]


def test_what_is_no_photo_on_the_web_is_a_reject(site: Site) -> None:
    lines = [
        "file:///etc/passwd", "ftp://host/a.jpg", "data:image/png;base64,AAAA", "http://",
        "http://me:hunter2@host/a.jpg", "http://[::1/a.jpg", "http://host:port/a.jpg", "gone.jpg",
    ]  # fmt: skip
    site.put("/photos/there.jpg", b"!", e_tag='"a"')
    found = refs_of(photos_of(site, "\n".join([*lines, "there.jpg"])))
    assert len(found) == 9
    assert [ref.path for ref in found if ref.reason is None] == ["there.jpg"]
    assert {ref.reason for ref in found} == {None, Reason.UNREADABLE}
    assert "hunter2" not in repr(found)
    assert next(ref.detail for ref in found if ref.path == "gone.jpg") == "not there (HTTP 404)"


def test_litter_in_a_list_is_no_photo(site: Site) -> None:
    """As a list is that was made of the files of an unpacked Mac zip."""
    for name in ("Plum/1.jpg", "__MACOSX/Plum/._1.jpg", "Plum/._1.jpg"):
        site.put(f"/photos/{name}", b"x", e_tag='"a"')
    place, selection = (
        photos_of(site, "Plum/1.jpg\n__MACOSX/Plum/._1.jpg\nPlum/._1.jpg"),
        Selection(),
    )
    found = place.list(labeller_from("none", ""), selection=selection)
    assert [ref.path for ref in found] == ["Plum/1.jpg"]
    assert selection.notes()[0].startswith("2 files are left out: ")


def test_a_long_list_is_sorted_on_the_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SORTED_AT_ONCE", 40)
    monkeypatch.setattr(http, "facts", lambda _url: http.UNKNOWN)
    names = [f"{n:03}.jpg" for n in range(250)]
    heard: list[int] = []
    place = photos_of(site, "\n".join(reversed(names)))
    assert [ref.path for ref in place.list(labeller_from("none", ""), heard.append)] == names
    assert heard == [*range(1, 251)]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "is not text in UTF-8"),
        (b"x" * 20_000, "Line 1 of .* is longer than 16,384 characters"),
        (b"path,label\na.jpg,x\n,y\n", "Line 3 of .* has no path"),
        (b"path,label\na.jpg,x\na.jpg,y\n", "gives a.jpg two labels: 'x' and 'y'"),
        (b"url\n\n" + b"y" * 20_000, "is longer than"),
        (b"a.jpg\n\xe9.jpg", "is not text in UTF-8"),
    ],
)
def test_what_is_no_list_is_refused_in_a_line(site: Site, body: bytes, says: str) -> None:
    assert re.search(says, refused(photos_of(site, body)))


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (Page(status=404), "not there (HTTP 404)"),
        (Page(status=403), "access denied (HTTP 403)"),
        (Page(status=503), "the server answers HTTP 503"),
        (Page(status=302, headers={"Location": "/photos/list.txt"}), "too many redirects"),
        (
            Page(status=302, headers={"Location": "file:///etc/passwd"}),
            "not an http:// or https://",
        ),
    ],
)
def test_a_list_that_cannot_be_read_is_told_of_without_its_query(
    site: Site, page: Page, says: str
) -> None:
    site.pages["/photos/list.txt?secret"] = page
    site.pages["/photos/list.txt"] = page
    said = refused(WebList.of(f"{site.url}/photos/list.txt?secret", PhotosError))
    assert said.startswith(f"Cannot read the list {site.url}/photos/list.txt: {says}")
    assert "secret" not in said


def test_a_server_that_is_down(unused: str) -> None:
    said = refused(WebList.of(f"{unused}/list.txt", PhotosError))
    assert "the server does not answer" in said


@pytest.fixture
def unused() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize(
    "url", ["http://", "https://user:hunter2@host/x", "http://h:99999/x", "http://[::1/x"]
)
def test_a_url_that_can_be_none(url: str) -> None:
    with pytest.raises(PhotosError, match="is not the address of a list") as caught:
        source_of(url)
    assert "hunter2" not in str(caught.value)


# What may pass ------------------------------------------------------------------------------------


class Busy:
    """Answers so often with a status, then with the photo; notes when it was asked."""

    def __init__(self, status: int, times: int, **headers: str) -> None:
        self.status, self.left, self.headers = status, times, headers
        self.asked: list[float] = []

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(time.monotonic())
        body = b"" if handler.command == "HEAD" or self.left > 0 else b"photo"
        handler.send_response(self.status if self.left > 0 else 200)
        self.left -= 1
        for name, value in self.headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture(autouse=True)
def _nobody_waited_in_vain() -> Iterator[None]:
    yield
    http._waited_in_vain.clear()


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 507])
def test_a_busy_server_is_asked_again(site: Site, status: int) -> None:
    page = site.pages["/photos/a.jpg"] = Busy(status, 4)
    assert photos_of(site, "a.jpg").read("a.jpg") == b"photo"
    assert len(page.asked) == limits.WEB_ATTEMPTS


def test_a_server_that_says_when_is_asked_then(site: Site) -> None:
    page = site.pages["/photos/a.jpg"] = Busy(429, 1, Retry_After="1")
    assert photos_of(site, "a.jpg").read("a.jpg") == b"photo"
    first, second = page.asked
    assert second - first >= 1
    soon = email.utils.formatdate(time.time() + 2, usegmt=True)
    page = site.pages["/photos/b.jpg"] = Busy(503, 1, Retry_After=soon)
    assert photos_of(site, "b.jpg").read("b.jpg") == b"photo"
    first, second = page.asked
    assert second - first > 0.5


@pytest.mark.parametrize("when", ["86400", "Fri, 01 May 2099 10:00:00 GMT"])
def test_nobody_waits_for_a_day(site: Site, when: str) -> None:
    page = site.pages["/photos/a.jpg"] = Busy(429, 9, Retry_After=when)
    start = time.monotonic()
    with pytest.raises(OSError, match=r"HTTP 429, and asks to wait [0-9,]+ s") as caught:
        photos_of(site, "a.jpg").read("a.jpg")
    assert time.monotonic() - start < 5
    assert len(page.asked) == 1
    assert reason_of(caught.value).passes


@pytest.mark.parametrize("when", ["soon", "", "-1", "9" * 400])
def test_a_retry_after_that_is_none(site: Site, when: str) -> None:
    site.pages["/photos/a.jpg"] = Busy(429, 1, Retry_After=when)
    if when.startswith("9"):
        with pytest.raises(OSError, match="HTTP 429"):
            photos_of(site, "a.jpg").read("a.jpg")
    else:
        assert photos_of(site, "a.jpg").read("a.jpg") == b"photo"


def test_who_waited_in_vain_waits_no_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of 10,000 photos of a server that always says 'later' would take days else."""
    monkeypatch.setattr(limits, "WEB_ATTEMPTS", 2)
    pages = [Busy(503, 9, Retry_After="1") for _ in range(3)]
    for name, page in zip("abc", pages, strict=True):
        site.pages[f"/photos/{name}.jpg"] = page
    place = photos_of(site, "a.jpg")
    for name in "abc":
        with pytest.raises(OSError, match="HTTP 503"):
            place.read(f"{name}.jpg")
    assert [len(page.asked) for page in pages] == [2, 1, 1]
    site.put("/photos/fine.jpg", b"fine")
    assert place.read("fine.jpg") == b"fine"  # it serves again, and is waited for again
    site.pages["/photos/d.jpg"] = Busy(503, 1, Retry_After="1")
    assert place.read("d.jpg") == b"photo"


def test_a_head_that_is_refused_says_nothing_of_the_photo(site: Site) -> None:
    site.pages["/photos/a.jpg"] = Busy(500, 99)
    (ref,) = refs_of(photos_of(site, "a.jpg"))
    assert (ref.e_tag, ref.reason) == ("", None)


@pytest.mark.parametrize(
    ("page", "passes"),
    [
        (Page(status=503), True),
        (Page(status=500), True),
        (Page(status=429), True),
        (Page(status=403), True),  # a permission may be granted
        (Page(status=401), True),
        (Page(status=404), False),
        (Page(status=410), False),
        (Page(status=400), False),
        (Page(status=451), False),
        (Page(status=204), False),
        (Page(status=302, headers={"Location": "/photos/a.jpg"}), False),
        (Page(status=302, headers={"Location": "gopher://host/a"}), False),
    ],
)
def test_what_a_server_says_for_good(site: Site, page: Page, passes: bool) -> None:
    site.pages["/photos/a.jpg"] = page
    with pytest.raises(OSError, match=r".") as caught:
        photos_of(site, "a.jpg").read("a.jpg")
    assert reason_of(caught.value).passes is passes


def test_a_server_that_is_down_may_come_back(site: Site, unused: str) -> None:
    place = photos_of(site, f"{unused}/a.jpg")
    with pytest.raises(OSError, match="does not answer") as caught:
        place.read(f"{unused}/a.jpg")
    assert reason_of(caught.value).passes
    with faulty(site.url, Faults(reset=1)) as proxy:
        with pytest.raises(OSError, match="ends too early") as caught:
            place.read(f"{proxy.endpoint}/a.jpg")
        assert proxy.counts()["requests"] == limits.WEB_ATTEMPTS
    assert reason_of(caught.value).passes


# Growth -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        (Page(b"one", '"a"', WHEN), Page(b"one", '"a"', WHEN), True),
        (Page(b"one", '"a"', WHEN), Page(b"two", '"b"', WHEN), False),
        (Page(b"one", None, WHEN), Page(b"two", None, "Fri, 01 May 2026 10:00:01 GMT"), False),
        (Page(b"one"), Page(b"three"), False),
        (Page(b"one", no_head=True), Page(b"two", no_head=True), True),  # nothing is known
        (Page(b"one", '"a"'), Page(b"two", no_head=True), True),
        (Page(b"one", no_head=True), Page(b"one", '"a"'), False),  # now something is
        (Page(b"one", '"a"'), Page(status=404), False),
        (Page(b"one", '"a"', "no date"), Page(b"one", '"a"', "?"), True),
        (Page(b"one", "x" * 1000), Page(b"one", "y" * 1000), True),
    ],
)
def test_a_photo_is_the_same_by_what_the_server_says(
    site: Site, before: Page, now: Page, same: bool
) -> None:
    place = photos_of(site, "a.jpg")
    site.pages["/photos/a.jpg"] = before
    (one,) = refs_of(place)
    known = Known(
        "a.jpg", "photos", one.bytes, round(one.modified.timestamp() * 1e6), "file",
        rejected=False, e_tag=one.e_tag,
    )  # fmt: skip
    site.pages["/photos/a.jpg"] = now
    (two,) = refs_of(place)
    assert (known.is_of(two) and two.reason is None) is same


# Reading ------------------------------------------------------------------------------------------


def test_faults_that_pass_change_no_byte(site: Site) -> None:
    bodies = {f"{n:02}.jpg": bytes([n]) * (2000 + n) for n in range(16)}
    for name, body in bodies.items():
        site.put(f"/photos/{name}", body, e_tag=f'"{name}"')
    site.put("/photos/list.txt", "\n".join(bodies).encode())
    for faults in (Faults(error=0.3, most=2), Faults(reset=0.3, most=2), Faults(cut=0.3, most=2)):
        with faulty(site.url, faults) as proxy:
            place = WebList.of(f"{proxy.endpoint}/photos/list.txt", PhotosError)
            found = refs_of(place)
            assert [(ref.path, ref.bytes, ref.e_tag) for ref in found] == [
                (name, len(body), f'"{name}"') for name, body in bodies.items()
            ]
            assert [place.read(ref.path) for ref in found] == list(bodies.values())
            counts = proxy.counts()
            assert counts["error"] + counts["reset"] + counts["cut"] >= 3


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Send for ever, in chunks, what a HEAD says is 3 bytes long."""
    handler.send_response(200)
    if handler.command == "HEAD":
        handler.send_header("Content-Length", "3")
        handler.end_headers()
        return
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")


def test_a_body_without_end_is_given_up(site: Site) -> None:
    site.pages["/photos/a.jpg"] = endless
    with pytest.raises(OSError, match="longer than 67,108,864 bytes") as caught:
        photos_of(site, "a.jpg").read("a.jpg")
    assert reason_of(caught.value) is Reason.TOO_LARGE
    assert site.asked["GET /photos/a.jpg"] == 1


def test_a_list_without_end_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.pages["/photos/list.txt"] = endless
    monkeypatch.setattr(limits, "LIST_BYTES", 10**6)
    said = refused(WebList.of(f"{site.url}/photos/list.txt", PhotosError))
    assert "longer than 1,000,000 bytes" in said


def test_a_body_that_drips_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not ended.wait(0.05):
            handler.wfile.write(b"x")

    site.pages["/photos/a.jpg"] = drip
    monkeypatch.setattr(limits, "PHOTO_PATIENCE", 0.5)
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="not sent within"):
        photos_of(site, "a.jpg").read("a.jpg")
    ended.set()
    assert time.monotonic() - start < 20  # of the 5,000 s that it would take


def test_a_compressed_body_does_not_swell(site: Site) -> None:
    import gzip

    bomb = gzip.compress(bytes(10**7))
    site.put("/photos/a.jpg", bomb, headers={"Content-Encoding": "gzip"})
    assert photos_of(site, "a.jpg").read("a.jpg") == bomb


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        (Page(status=403), PermissionError),
        (Page(status=401), PermissionError),
        (Page(status=404), FileNotFoundError),
        (Page(status=500), OSError),
        (Page(status=204), OSError),
        (Page(b"x", status=206), OSError),
        (Page(status=301, headers={"Location": "gopher://host/a"}), OSError),
    ],
)
def test_a_photo_that_cannot_be_read_is_an_error_of_its_own(
    site: Site, page: Page, kind: type[OSError]
) -> None:
    place = photos_of(site, "a.jpg\nb.jpg")
    site.pages["/photos/a.jpg"] = page
    site.put("/photos/b.jpg", b"fine")
    with pytest.raises(kind):
        place.read("a.jpg")
    assert place.read("b.jpg") == b"fine"


def test_a_redirect_is_followed(site: Site) -> None:
    place = photos_of(site, "a.jpg")
    there = site.put("/store/1", b"photo", e_tag='"1"')
    site.put("/photos/a.jpg", b"", status=302, headers={"Location": there})
    assert place.read("a.jpg") == b"photo"
    (ref,) = refs_of(place)
    assert (ref.path, ref.bytes, ref.e_tag) == ("a.jpg", 5, '"1"')


def test_a_list_can_be_sent_to_a_worker(site: Site) -> None:
    place = photos_of(site, "a.jpg")
    site.put("/photos/a.jpg", b"photo")
    assert pickle.loads(pickle.dumps(place)).read("a.jpg") == b"photo"  # noqa: S301 - our own
    assert (place.scheme, place.name, place.absolute()) == ("http", "photos", place)
