"""The page's files, read once when the server starts: no request chooses what is read from disk.

`sw.js` gets the list of files and their hash.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from verger.serve.shell import POLICY, type_of
from verger.serve.shell import files as files_of_page
from verger.serve.shell import page as page_in
from verger.serve.words import preferred, words
from verger.texts import LANGUAGES

COOKIE = "verger-language"
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
        texts = words()
        self.pages = {
            language: Asset(page_in(language, texts, POLICY).encode(), type_of("index.html"))
            for language in LANGUAGES
        }
        found = files_of_page(texts)
        worker = found.pop("sw.js").decode()
        self.files = {name: Asset(body, type_of(name)) for name, body in found.items()}
        listed = _listed(worker, self.pages, self.files)
        self.files["sw.js"] = Asset(listed.encode(), type_of("sw.js"))

    def page(self, request: Request) -> Response:
        """Return the page in the language that the user chose, or else that the browser prefers."""
        language = request.cookies.get(COOKIE, "")
        if language not in self.pages:
            language = preferred(request.headers.get("accept-language", ""))
        vary = "Accept-Encoding, Accept-Language, Cookie"
        answer = self.pages[language].answer(request, vary=vary)
        answer.headers["Content-Language"] = language
        return answer


def _listed(worker: str, pages: Mapping[str, Asset], files: Mapping[str, Asset]) -> str:
    etags = "".join(asset.etag for asset in (*pages.values(), *files.values()))
    version = hashlib.sha256((etags + worker).encode()).hexdigest()[:12]
    shell = ["./", *sorted(files)]
    return worker.replace("__VERSION__", version).replace('"__SHELL__"', json.dumps(shell))


def _takes_gzip(accept_encoding: str) -> bool:
    return re.search(r"(^|[\s,])gzip\s*(?!\s*;\s*q=0(\.0*)?\s*(,|$))", accept_encoding) is not None
