"""PHOTOS as a list on the web: a text file with one URL per line, or CSV with a header.

The columns of CSV are `url` or `path`, and perhaps `label`. A relative URL is resolved against the
list's own address. A photo is known by its path from the folder of the list, decoded, if its URL is
what that path gives; else by the whole URL.
"""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import itemgetter
from typing import IO, ClassVar, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import pyarrow as pa

from verger.errors import VergerError
from verger.photos.address import WEB, Address, without_query
from verger.photos.cells import unquoted
from verger.photos.labels import Labeller
from verger.photos.reasons import Reason
from verger.photos.references import PhotoRef
from verger.photos.selection import Selection
from verger.storage import http, limits
from verger.storage.prefetch import ahead
from verger.storage.sorting import Hear, counted, ignore
from verger.storage.sorting import in_order as by_path

_IN_A_PATH = "/!$&'()*+,;=:@"  # what RFC 3986 allows there as it is, beside letters and digits
_IN_A_QUERY = _IN_A_PATH + "?%"


class _Row(NamedTuple):
    path: str
    label: str
    problem: str = ""


_ROWS = pa.schema([(name, pa.string()) for name in _Row._fields])


@dataclass(frozen=True, slots=True)
class WebList:
    """The photos that a list names. What fails for one raises OSError, for the list `error`.

    url:   the list's address; hidden, for its query may hold a secret
    error: the error to raise where the list cannot be used
    """

    folder: ClassVar = None
    reads_at_once: ClassVar = limits.WEB_AT_ONCE
    streams: ClassVar = False

    url: str = field(repr=False)
    error: type[VergerError]

    @classmethod
    def of(cls, url: str, error: type[VergerError]) -> WebList:
        """Take a URL as a user writes it. Raises `error` if it cannot be one."""
        try:
            return cls(_address(url), error)
        except ValueError as reason:
            raise error(
                f"{_without_secrets(url)!r} is not the address of a list: {reason}.",
                hint="Write https://host/folder/list.csv.",
            ) from None

    def __str__(self) -> str:
        return _without_secrets(self.url)

    @property
    def scheme(self) -> str:
        """The scheme of the URL."""
        return Address.of(self.url).scheme

    @property
    def name(self) -> str:
        """The name of the folder that the list lies in, or of the host."""
        return unquote(self._base.rstrip("/").rpartition("/")[2])

    def absolute(self) -> WebList:
        """Return itself: a URL is the same everywhere."""
        return self

    def read(self, path: str) -> bytes:
        """Return all of a photo."""
        most, patience = limits.PHOTO_BYTES, limits.PHOTO_PATIENCE
        return http.download(self._url_of(path), most, patience, b"".join)

    def list(
        self,
        labeller: Labeller,
        hear: Hear = ignore,
        *,
        selection: Selection | None = None,
        in_order: bool = True,
    ) -> Generator[PhotoRef, None, None]:
        """Read the list, and ask the servers about each photo, whatever its name.

        A label that the list gives comes before the photo's folder, and after any other source.
        """
        selection = selection or Selection()
        with tempfile.TemporaryFile() as file, ThreadPoolExecutor(limits.WEB_AT_ONCE) as threads:
            self._download(file)
            rows, has_labels = self._rows(file)
            rows = counted(rows, hear)
            photos = self._once(by_path(rows, _Row, _ROWS) if in_order else rows)
            kept = (row for row in photos if selection.keeps(row.path))

            def ask(row: _Row) -> PhotoRef:
                problem, facts = row.problem, http.UNKNOWN
                if not problem:
                    try:
                        facts = http.facts(self._url_of(row.path))
                    except OSError as error:
                        problem = error.strerror or "not there"
                path, label = row.path, row.label
                return PhotoRef(
                    path,
                    labeller.given(path, label) if has_labels else labeller(path),
                    facts.bytes,
                    facts.modified,
                    Reason.UNREADABLE if problem else None,
                    problem or None,
                    facts.e_tag,
                )

            yield from ahead(threads, ask, kept, most=4 * limits.WEB_AT_ONCE)

    @property
    def _base(self) -> str:
        """The folder of the list."""
        return without_query(self.url).rpartition("/")[0] + "/"

    def _url_of(self, path: str) -> str:
        if Address.of(path).scheme in WEB:
            return path
        return self._base + quote(path, safe=_IN_A_PATH)

    def _download(self, file: IO[bytes]) -> None:
        def write(pieces: Iterator[bytes]) -> None:
            file.seek(0)
            file.truncate()
            file.writelines(pieces)

        try:
            http.download(self.url, limits.LIST_BYTES, limits.LIST_PATIENCE, write)
        except OSError as error:
            raise self.error(
                f"Cannot read the list {self}: {error.strerror}.",
                hint="Check its address; a browser should show it.",
            ) from None
        file.seek(0)

    def _rows(self, file: IO[bytes]) -> tuple[Iterator[_Row], bool]:
        """Return what the list names, and whether it gives labels."""
        lines = self._lines(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
        first = next((line for line in lines if line.strip()), "")
        if first.lstrip().startswith("<"):
            raise self.error(
                f"{self} is a web page, or other markup, not a list of photos.",
                hint="Give the address of a text file with one URL per line, or of CSV.",
            )
        names = [name.strip().lower() for name in next(csv.reader([first.strip()]), [])]
        column = next((name for name in ("url", "path") if name in names), None)
        if column is None:
            urls = (line.strip() for line in chain([first], lines))
            return (self._row(url) for url in urls if url and not url.startswith("#")), False
        return self._of_csv(csv.DictReader(lines, names), column), "label" in names

    def _of_csv(self, rows: csv.DictReader[str], column: str) -> Iterator[_Row]:
        try:
            for row in rows:
                written, label = (unquoted(row.get(name) or "") for name in (column, "label"))
                written = written.strip()
                if not written:
                    raise self.error(f"Line {rows.line_num + 1} of {self} has no {column}.")
                if column == "path" and "://" not in written:
                    # Characters of a name, not of a URL: a percent sign is one.
                    quoted = quote(written, safe=_IN_A_PATH)
                    written = quoted if quoted.startswith("/") else f"./{quoted}"
                yield self._row(written, label)
        except csv.Error as error:
            raise self.error(f"Line {rows.line_num + 1} of {self} is not CSV ({error}).") from None

    def _lines(self, text: io.TextIOWrapper) -> Iterator[str]:
        number = 0
        try:
            while line := text.readline(limits.LIST_LINE):
                number += 1
                if len(line) == limits.LIST_LINE:
                    raise self.error(
                        f"Line {number} of {self} is longer than {limits.LIST_LINE:,} characters.",
                        hint="Give a list with one URL per line, or CSV.",
                    )
                yield line
        except UnicodeDecodeError:
            raise self.error(
                f"{self} is not text in UTF-8, so it is not a list of photos.",
                hint="Give the address of a text file with one URL per line, or of CSV.",
            ) from None

    def _row(self, written: str, label: str = "") -> _Row:
        try:
            return _Row(self._path_of(_address(written, self.url)), label)
        except ValueError as error:
            return _Row(_without_secrets(written), label, str(error))

    def _path_of(self, url: str) -> str:
        """Name a photo: by its path from the list's folder, if that alone gives its URL."""
        if url.startswith(self._base):
            try:
                path = unquote(url.removeprefix(self._base), errors="strict")
            except UnicodeDecodeError:
                return url
            parts = path.split("/")
            is_plain = not {"", ".", ".."}.intersection(parts) and "://" not in path
            if is_plain and path.isprintable() and self._url_of(path) == url:
                return path
        return url

    def _once(self, rows: Iterable[_Row]) -> Iterator[_Row]:
        for path, same in groupby(rows, key=itemgetter(0)):
            row, *others = sorted(set(same))[:2]
            if others:
                raise self.error(
                    f"{self} gives {path} two labels: {row.label!r} and {others[0].label!r}."
                )
            yield row


def _address(url: str, base: str = "") -> str:
    """Write a URL, relative to another one, as it is asked for. Raises ValueError if it is none."""
    if re.search(r"[\0-\x1f\x7f]", url):
        raise ValueError("it holds a control character")
    # By RFC 3986, as browsers read a page's links: that is urllib's, not `Address`'s.
    has_scheme = re.match(r"[A-Za-z][\w+.-]*:", url)
    parts = urlsplit(url if has_scheme else urljoin(base, url))
    if parts.scheme.lower() not in WEB or not parts.hostname:
        raise ValueError("it begins with neither http:// nor https:// and a host")
    if "@" in parts.netloc:
        raise ValueError("it holds a user or a password")
    _ = parts.port  # raises ValueError if it is no number
    host = parts.netloc.encode("idna").decode().lower()
    path = re.sub("%(?![0-9A-Fa-f]{2})", "%25", parts.path)  # one that begins no escape
    path = quote(path or "/", safe=_IN_A_PATH + "%")
    path = re.sub("%[0-9a-f]{2}", lambda found: found[0].upper(), path, flags=re.IGNORECASE)
    return urlunsplit((parts.scheme.lower(), host, path, quote(parts.query, safe=_IN_A_QUERY), ""))


def _without_secrets(url: str) -> str:
    """A URL without its query, and without a user and a password."""
    return re.sub(r"//[^/]*@", "//…@", without_query(url))
