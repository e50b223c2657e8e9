"""Reading the photos of a multipart upload: in memory, counted as they come, no name kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from verger.serve.problems import Kind, Problem

FIELD = "photos"
_MOST_BOUNDARY = 70  # RFC 2046
_MOST_HEADERS, _MOST_HEADER_BYTES = 8, 2048
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one upload may hold."""

    body: int  # bytes
    photos: int


async def read_photos(request: Request, limits: Limits) -> list[bytes]:
    """Read the photos of a request, at least one.

    Nothing touches the disk, and names and types that the client gives are not looked at. Raises
    `Problem` as soon as a limit is passed, without waiting for the rest of the body.
    """
    boundary = _boundary(request.headers.get("content-type", ""))
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > limits.body:
        raise _too_large(limits)
    return await _parsed(request.stream(), boundary, limits)


async def _parsed(stream: AsyncIterator[bytes], boundary: bytes, limits: Limits) -> list[bytes]:
    parts = _Parts(limits)
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": parts.begin,
            "on_header_field": parts.header_field,
            "on_header_value": parts.header_value,
            "on_header_end": parts.header_end,
            "on_headers_finished": parts.headers_finished,
            "on_part_data": parts.data,
            "on_end": parts.end,
        },
        max_header_count=_MOST_HEADERS,
        max_header_size=_MOST_HEADER_BYTES,
    )
    received = 0
    try:
        async for chunk in stream:
            received += len(chunk)
            if received > limits.body:
                raise _too_large(limits)
            parser.write(chunk)
        parser.finalize()
    except MultipartParseError as error:
        raise Problem(Kind.BAD_REQUEST, f"The multipart body is malformed: {error}.") from None
    if not parts.whole:
        raise Problem(Kind.BAD_REQUEST, "The multipart body ends before its closing boundary.")
    if not parts.photos:
        raise Problem(Kind.INVALID, f"No photo came: send one or more in the field '{FIELD}'.")
    return [bytes(photo) for photo in parts.photos]


class _Parts:
    """Collects what the parser finds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._name = b""
        self._value = b""
        self._field: bytes | None = None
        self.photos: list[bytearray] = []
        self.whole = False

    def begin(self) -> None:
        if len(self.photos) == self._limits.photos:
            raise Problem(Kind.TOO_MANY_PHOTOS, f"The most is {self._limits.photos} photos.")
        self._field = None
        self.photos.append(bytearray())

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            kind, options = parse_options_header(self._value)
            self._field = options.get(b"name") if kind == b"form-data" else None
        self._name = self._value = b""

    def headers_finished(self) -> None:
        if self._field != FIELD.encode():
            raise Problem(Kind.INVALID, f"The only field is '{FIELD}'; another one came.")

    def data(self, data: bytes, start: int, end: int) -> None:
        self.photos[-1] += data[start:end]

    def end(self) -> None:
        self.whole = True


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type.encode("latin-1", "replace"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data":
        raise Problem(
            Kind.NOT_MULTIPART,
            f"The body must be multipart/form-data, with photos in the field '{FIELD}'.",
            headers={"Accept-Post": "multipart/form-data"},
        )
    if not 1 <= len(boundary) <= _MOST_BOUNDARY:
        raise Problem(Kind.BAD_REQUEST, "The Content-Type gives no boundary of 1 to 70 bytes.")
    return boundary


def _too_large(limits: Limits) -> Problem:
    return Problem(Kind.TOO_LARGE, f"The most is {limits.body / _MIB:g} MiB for all photos.")
