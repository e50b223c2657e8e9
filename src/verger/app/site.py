"""The files of an app: the page with the scripts that take the server's place, and the data."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import verger
from verger.app import runtime
from verger.serve import shell
from verger.texts import LANGUAGES
from verger.texts.catalogue import said

MARK = "app.json"  # what the app is made of, for `verger app` and for people
LICENCES = "licences.txt"
_RUNTIME = "onnxruntime-web.js"
_PAGE, _WORKER = "index.html", "sw.js"
_STYLE, _VIEWFINDER = "style.css", "viewfinder.css"
_HASH = 12  # letters of a SHA-256, in the names of data
# A worker that is made from a blob keeps to the page's policy, which no host has to send then.
_POLICY = shell.POLICY.replace("script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'").replace(
    "worker-src 'self'", "worker-src 'self' blob:"
)
_OTHER_TYPES = {
    "txt": "text/plain; charset=utf-8",
    "json": "application/json",
    "gz": "application/gzip",  # with no Content-Encoding: the scripts unpack it, no browser
    "bin": "application/octet-stream",
}
_AGAIN, _FOR_GOOD = "no-cache", "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Data:
    """One file of data: what scripts call it, how its file's name ends, its bytes as sent."""

    name: str
    ending: str
    body: bytes

    @property
    def file(self) -> str:
        """The name of the file, which changes with its bytes: any copy of it is the right one."""
        return f"{self.name}-{_sha256(self.body)[:_HASH]}.{self.ending}"


@dataclass(frozen=True, slots=True)
class Site:
    """All files by name, in the order in which they are written: what others name comes first.

    data: the names of those that change their name with their content
    """

    files: dict[str, bytes]
    data: frozenset[str]

    @property
    def download(self) -> int:
        """Bytes that a phone fetches once, if the host packs nothing."""
        return sum(len(body) for name, body in self.files.items() if name not in (LICENCES, MARK))

    def headers(self, name: str) -> dict[str, str]:
        """Return the headers of HTTP that a file is best sent with."""
        return {
            "Content-Type": _type_of(name),
            "Cache-Control": _FOR_GOOD if name in self.data else _AGAIN,
        }


def packed(body: bytes) -> bytes:
    """Pack a file of data; the same bytes give the same file."""
    return gzip.compress(body, 9, mtime=0)


def site(data: list[Data], about: Mapping[str, Any], licences: str) -> Site:
    """Put an app together from its data.

    about: what `app.json` says of it
    """
    texts = _texts()
    files = {one.file: one.body for one in data}
    named = {one.name: {"file": one.file, "bytes": len(one.body)} for one in data}
    files |= shell.files(texts) | _own() | {_RUNTIME: runtime.script()}
    files[_STYLE] += _read(_VIEWFINDER)
    files["files.js"] = f"export default {json.dumps(named)};\n".encode()
    worker = files.pop(_WORKER).decode()
    page = shell.page(LANGUAGES[0], texts, _POLICY).encode()
    shas = {name: _sha256(body) for name, body in {**files, _PAGE: page}.items()}
    told = {
        "verger": verger.__version__,
        **about,
        "files": sorted([*shas, _WORKER, LICENCES, MARK]),
    }
    files[LICENCES] = licences.encode()
    files[MARK] = json.dumps(told, indent=2).encode()
    files[_PAGE] = page
    files[_WORKER] = worker.replace('"__FILES__"', json.dumps(shas)).encode()
    return Site(files, frozenset(one.file for one in data))


def _texts() -> dict[str, dict[str, str]]:
    """Return what the page says, where it is on its own."""
    return {language: words | said("app", language) for language, words in shell.texts().items()}


def _own() -> dict[str, bytes]:
    """Return the scripts that are the app's alone, or stand in the place of the page's."""
    names = (file.name for file in (resources.files("verger.app") / "page").iterdir())
    return {name: _read(name) for name in names if name.endswith(".js")}


def _read(name: str) -> bytes:
    return (resources.files("verger.app") / "page" / name).read_bytes()


def _type_of(name: str) -> str:
    return _OTHER_TYPES.get(name.rpartition(".")[2]) or shell.type_of(name)


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
