"""The page's files, read once when the server starts: no request chooses what is read from disk.

`index.html` has `{{words}}` that are filled from `messages.en.json` and `messages.fr.json`, so that
each language is there before any script runs; `sw.js` gets the list of files and their hash.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

LANGUAGES = ("en", "fr")
COOKIE = "verger-language"
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "webmanifest": "application/manifest+json",
}
_WORD = re.compile(r"\{\{([a-z_.]+)\}\}")
_LEAST_TO_COMPRESS = 600
_COMPRESSED = ("image/png", "image/jpeg")  # already


class Asset:
    """One file as it is sent."""

    def __init__(self, body: bytes, media_type: str) -> None:
        self.body, self.media_type = body, media_type
        self.etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        worth = len(body) >= _LEAST_TO_COMPRESS and media_type not in _COMPRESSED
        self.zipped = gzip.compress(body, 9, mtime=0) if worth else None

    def answer(
        self, request: Request, *, vary: str = "Accept-Encoding", cache: str = "no-cache"
    ) -> Response:
        """Return the answer: the file, or 304 where the client has it."""
        headers = {"ETag": self.etag, "Cache-Control": cache, "Vary": vary}
        if self.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = self.body
        if self.zipped and _takes_gzip(request.headers.get("accept-encoding", "")):
            body, headers["Content-Encoding"] = self.zipped, "gzip"
        return Response(body, headers=headers, media_type=self.media_type)


class Assets:
    """All files of the page, read from the package: pages by language, the others by name."""

    def __init__(self) -> None:
        folder = resources.files("verger.serve") / "page"
        texts = {
            language: json.loads((folder / f"messages.{language}.json").read_text("utf-8"))
            for language in LANGUAGES
        }
        template = (folder / "index.html").read_text("utf-8")
        self.pages = {
            language: Asset(_filled(template, words, language).encode(), _TYPES["html"])
            for language, words in texts.items()
        }
        self.files = {
            file.name: Asset(file.read_bytes(), _TYPES[file.name.rpartition(".")[2]])
            for file in sorted(folder.iterdir(), key=lambda file: file.name)
            if file.name.rpartition(".")[2] in _TYPES and file.name not in ("index.html", "sw.js")
        }
        words = json.dumps(texts, ensure_ascii=False)
        self.files["messages.js"] = Asset(f"export default {words};\n".encode(), _TYPES["js"])
        worker = (folder / "sw.js").read_text("utf-8")
        listed = _listed(worker, self.pages, self.files)
        self.files["sw.js"] = Asset(listed.encode(), _TYPES["js"])

    def page(self, request: Request) -> Response:
        """Return the page in the language that the user chose, or else that the browser prefers."""
        language = request.cookies.get(COOKIE, "")
        if language not in self.pages:
            language = preferred(request.headers.get("accept-language", ""))
        vary = "Accept-Encoding, Accept-Language, Cookie"
        answer = self.pages[language].answer(request, vary=vary)
        answer.headers["Content-Language"] = language
        return answer


def preferred(accept_language: str) -> str:
    """Return the language, of those that there are, that an Accept-Language header prefers."""
    weights: dict[str, float] = {}
    for item in accept_language.split(","):
        tag, _, quality = item.strip().partition(";")
        match = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", quality)
        weight = float(match[1]) if match else 0.0 if quality else 1.0
        language = tag.strip().lower().partition("-")[0]
        weights[language] = max(weight, weights.get(language, 0.0))
    best = max(LANGUAGES, key=lambda language: weights.get(language, 0.0))
    return best if weights.get(best, 0.0) > 0 else LANGUAGES[0]


def _filled(template: str, words: Mapping[str, Any], language: str) -> str:
    """Fill a page; a word that is missing is a KeyError, at the start and in every test."""
    return _WORD.sub(
        lambda match: language if match[1] == "language" else html.escape(words[match[1]]),
        template,
    )


def _listed(worker: str, pages: Mapping[str, Asset], files: Mapping[str, Asset]) -> str:
    etags = "".join(asset.etag for asset in (*pages.values(), *files.values()))
    version = hashlib.sha256((etags + worker).encode()).hexdigest()[:12]
    shell = ["./", *sorted(files)]
    return worker.replace("__VERSION__", version).replace('"__SHELL__"', json.dumps(shell))


def _takes_gzip(accept_encoding: str) -> bool:
    return re.search(r"(^|[\s,])gzip\s*(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accept_encoding) is not None
