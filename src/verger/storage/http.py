"""Reading over HTTP: what is tried again, and the limits of what a server may send.

A request is tried again, with growing pauses, where the connection is refused or reset, where the
answer is 408, 425, 429 or 5xx, and where a body breaks off. A server that says when (Retry-After)
is waited for, up to a limit; where that was in vain, each of its other photos is asked for once,
until it serves one. Redirects are followed, to http and https alone, five times at most. A body
that is too long, or that takes too long, is given up.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ResponseError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as NoAnswer

import verger
from verger.photos.address import Address, without_query
from verger.storage import limits
from verger.storage.retry import repeated

_T = TypeVar("_T")


class _Busy(OSError):
    """A server answers that it cannot now; `pause` is the seconds that it asks to wait, or 0."""

    pause = 0.0


_TIMEOUT = urllib3.Timeout(connect=limits.WEB_CONNECT_TIMEOUT, read=limits.WEB_TIMEOUT)
# Redirects alone are urllib3's; what may pass is repeated here, in one way.
_REDIRECTS = urllib3.Retry(
    total=None,
    connect=0,
    read=0,
    status=0,
    other=0,
    redirect=limits.WEB_REDIRECTS,
    status_forcelist=(),
    respect_retry_after_header=False,
    raise_on_status=False,
)
_PASSING = frozenset({408, 425, 429, *range(500, 600)})
_waited_in_vain: set[str] = set()  # the hosts for which a whole patience went by
_PIECE = 2**16


class Facts(NamedTuple):
    """What a server says of a photo without sending it; it need not say anything."""

    bytes: int  # 0 if it does not say
    modified: datetime  # 1970 if it does not say
    e_tag: str | None


_NOTHING = Facts(0, datetime.fromtimestamp(0, tz=UTC), None)
UNKNOWN = _NOTHING._replace(e_tag="")  # so that it is told from a photo that has no ETag


def download(url: str, most: int, patience: float, write: Callable[[Iterator[bytes]], _T]) -> _T:
    """Give the pieces of a body to `write`, and all of them again where it breaks off.

    It may be of `most` bytes, and take `patience` seconds. Raises OSError where there is none.
    """
    try:
        return _patiently(lambda: write(_body(url, most, patience)), url, patience)
    except (HTTPError, ValueError) as error:
        is_final = isinstance(_cause(error), ResponseError | ValueError)
        code = errno.EINVAL if is_final else errno.EIO
        raise OSError(code, _meaning(error), without_query(url)) from None


def facts(url: str) -> Facts:
    """Ask what a photo is without its content (HEAD); UNKNOWN where that is not answered.

    Raises FileNotFoundError where the server says that there is none.
    """
    try:
        answer = _patiently(lambda: _answer("HEAD", url), url, limits.PHOTO_PATIENCE)
    except (_Busy, HTTPError, ValueError):
        return UNKNOWN
    try:
        if answer.status in (404, 410):
            _check(answer, url)
        if answer.status != 200:
            return UNKNOWN
        length, modified = answer.headers.get("Content-Length", ""), UNKNOWN.modified
        with suppress(ValueError, TypeError, OverflowError):
            modified = _utc(parsedate_to_datetime(answer.headers.get("Last-Modified", "")))
        is_number = length.isascii() and length.isdigit() and len(length) < 16
        tag = answer.headers.get("ETag")
        tag = tag if tag and len(tag) < limits.E_TAG else None
        found = Facts(int(length) if is_number else 0, modified, tag)
        return UNKNOWN if found == _NOTHING else found
    finally:
        answer.drain_conn()  # else whoever takes the connection next cannot use it
        answer.release_conn()


def _body(url: str, most: int, patience: float) -> Iterator[bytes]:
    """Yield the pieces of a body, as they come."""
    until = time.monotonic() + patience
    answer = _answer("GET", url)
    try:
        _check(answer, url)
        read = 0
        while piece := answer.read1(_PIECE, decode_content=False):
            read += len(piece)
            if read > most:
                raise OSError(errno.EFBIG, f"longer than {most:,} bytes", without_query(url))
            if time.monotonic() > until:
                raise TimeoutError(
                    errno.ETIMEDOUT, f"not sent within {patience:.0f} s", without_query(url)
                )
            yield piece
    except BaseException:
        answer.close()  # what is left of it is not waited for
        raise
    finally:
        answer.release_conn()


def _answer(method: str, url: str) -> BaseHTTPResponse:
    """Ask once. Raises `_Busy` where the server cannot now."""
    answer = _client(url).request(method, url, retries=_REDIRECTS, preload_content=False)
    if answer.status not in _PASSING:
        return answer
    answer.close()
    answer.release_conn()
    said, pause = f"the server answers HTTP {answer.status}", 0.0
    with suppress(HTTPError, ValueError, OverflowError):
        pause = urllib3.Retry().parse_retry_after(answer.headers.get("Retry-After", "0"))
    if pause > limits.WEB_RETRY_AFTER:
        said += f", and asks to wait {limits.WEB_RETRY_AFTER:,.0f} s or longer"
    busy = _Busy(errno.EIO, said, without_query(url))
    busy.pause = pause
    raise busy


def _patiently(action: Callable[[], _T], url: str, patience: float) -> _T:
    """Do again what may pass, as long as the server is worth waiting for."""
    host = Address.of(url).host

    def passes(error: Exception) -> bool:
        if not isinstance(error, _Busy):  # a request that got no whole answer may get one later
            cause = _cause(error)
            return isinstance(cause, ProtocolError | NoAnswer | NewConnectionError | ProxyError)
        is_long = error.pause > limits.WEB_RETRY_AFTER
        return not (error.pause and (is_long or host in _waited_in_vain))

    try:
        done = repeated(
            action, passes, limits.WEB_ATTEMPTS, patience,
            asked=lambda error: getattr(error, "pause", 0.0),
        )  # fmt: skip
    except _Busy as busy:
        if busy.pause:
            _waited_in_vain.add(host)
        raise
    _waited_in_vain.discard(host)
    return done


def _cause(error: Exception) -> Exception | None:
    return error.reason if isinstance(error, MaxRetryError) else error


def _check(answer: BaseHTTPResponse, url: str) -> None:
    status = answer.status
    if status == 200:
        return
    if status in (401, 403):
        raise PermissionError(errno.EACCES, f"access denied (HTTP {status})", without_query(url))
    if status in (404, 410):
        raise FileNotFoundError(errno.ENOENT, f"not there (HTTP {status})", without_query(url))
    raise OSError(errno.EINVAL, f"the server answers HTTP {status}", without_query(url))


def _meaning(error: Exception) -> str:
    """Say in a few words what is wrong, without the URL, which may hold a secret."""
    cause = _cause(error)
    if isinstance(cause, SSLError):
        return "its certificate cannot be trusted, or it does not speak TLS"
    if isinstance(cause, ProtocolError):
        return "the response ends too early"
    if "redirect" in str(cause):
        return "too many redirects"
    if isinstance(cause, urllib3.exceptions.LocationValueError | ValueError):
        return "not an http:// or https:// address that can be fetched"
    return "the server does not answer"


def _utc(when: datetime) -> datetime:
    """A server that names no zone means UTC."""
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


@cache
def _pool(proxy: str | None) -> urllib3.PoolManager:
    """Keep the connections of a process."""
    options = {
        "timeout": _TIMEOUT,
        "maxsize": limits.WEB_AT_ONCE,
        # A body is taken as it is sent: a compressed one could swell without end.
        "headers": {"User-Agent": f"verger/{verger.__version__}", "Accept-Encoding": "identity"},
    }
    if proxy is None:
        return urllib3.PoolManager(**options)  # type: ignore[arg-type]
    return urllib3.ProxyManager(proxy, **options)  # type: ignore[arg-type]


def _client(url: str) -> urllib3.PoolManager:
    """Return a client for a URL, by way of the proxy that the environment names, if any."""
    parts = urlsplit(url)  # the host without its port, as NO_PROXY names it
    proxy = getproxies().get(parts.scheme)
    if proxy and parts.hostname and not proxy_bypass(parts.hostname):
        return _pool(proxy if "://" in proxy else f"http://{proxy}")
    return _pool(None)
