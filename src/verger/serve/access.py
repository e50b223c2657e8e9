"""Who may ask from elsewhere: web pages of other origins, and those who have the key."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders

from verger.errors import UsageError
from verger.serve.problems import Kind, Problem

KEY = "VERGER_API_KEY"
COOKIE = "verger-key"  # the page's, which cannot send a header for a picture
_API = "/api/"
_LEAST_KEY, _MOST_KEY = 16, 256  # characters
_METHODS, _HEADERS, _SECONDS = "GET, HEAD, POST", "Authorization, Content-Type", "600"


def api_key() -> bytes | None:
    """Return the key that requests must bring, from the environment; None where there is none.

    Raises `UsageError` for one that can be guessed, or cannot be sent.
    """
    key = os.environ.get(KEY, "")
    if not key:
        return None
    if not (_LEAST_KEY <= len(key) <= _MOST_KEY and key.isascii() and key.isprintable()) or (
        set(key) & set(' ";,\\')
    ):
        raise UsageError(
            f"{KEY} is not {_LEAST_KEY} to {_MOST_KEY} letters, digits and signs without spaces, "
            "quotes, commas and semicolons.",
            hint=f"Make one: {KEY}=$(openssl rand -hex 32).",
        )
    return key.encode()


class Access:
    """What is asked of a request for the API, and what its answer says to a page of elsewhere.

    origins: those whose pages may read the answers, exactly as a browser writes them
    key:     that a request must bring; None for no key
    """

    def __init__(self, origins: Collection[str], key: bytes | None) -> None:
        self._origins, self._key = frozenset(origins), None if key is None else _digest(key)

    def check(self, path: str, headers: Headers) -> None:
        """Raise `Problem` where the API, or the metrics, are asked without the key."""
        if self._key is None or not (path.startswith(_API) or path == "/metrics"):
            return
        # Of digests, which have one length: how long it takes tells nothing of the key.
        if not any(hmac.compare_digest(self._key, _digest(key)) for key in _brought(headers)):
            raise Problem(
                Kind.NO_KEY,
                "Send it as `Authorization: Bearer KEY`.",
                headers={"WWW-Authenticate": 'Bearer realm="verger"'},
            )

    def preflight(self, method: str, path: str, headers: Headers) -> dict[str, str] | None:
        """Return the headers that answer a browser's question whether it may ask; None for none."""
        asks = method == "OPTIONS" and "access-control-request-method" in headers
        if not asks or not self._lets(path, headers):
            return None
        return {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _HEADERS,
            "Access-Control-Max-Age": _SECONDS,
        }

    def let_read(self, path: str, asked: Headers, answer: MutableHeaders) -> None:
        """Let the page that asked read the answer, if it may."""
        if not self._origins or not path.startswith(_API):
            return
        answer.add_vary_header("Origin")
        if self._lets(path, asked):
            answer["Access-Control-Allow-Origin"] = asked["origin"]
            answer["Access-Control-Expose-Headers"] = "Retry-After"

    def _lets(self, path: str, headers: Headers) -> bool:
        return path.startswith(_API) and headers.get("origin") in self._origins


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def _brought(headers: Headers) -> list[bytes]:
    """Return the keys that a request brings: in its header, in the page's cookie."""
    found = []
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found.append(key.strip())
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        return [key.encode() for key in found]
    if COOKIE in cookies:
        found.append(unquote(cookies[COOKIE].value))
    return [key.encode() for key in found]
