"""The page's files as they lie in the package, filled: what the server sends, and an app holds.

`index.html` has `{{words}}` that are filled from the catalogue, so that each language is there
before any script runs.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from importlib import resources

from verger.texts import LANGUAGES
from verger.texts.catalogue import said

# What the page needs and no more: nothing inline, nothing from another host. blob: is the user's
# own photos, shown where they are.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "webmanifest": "application/manifest+json",
}
_NOT_SENT = ("index.html",)  # as it lies there
_WORD = re.compile(r"\{\{([a-z_.]+)\}\}")

Texts = Mapping[str, Mapping[str, str]]  # language → key → text


def texts() -> dict[str, dict[str, str]]:
    """Return what the page says, by language and key."""
    return {language: said("page", language) for language in LANGUAGES}


def page(language: str, texts: Texts, policy: str) -> str:
    """Return the page in a language, with the Content-Security-Policy that it keeps to.

    A word that is missing is a KeyError, at the start and in every test.
    """
    template = (resources.files("verger.serve") / "page" / "index.html").read_text("utf-8")
    other = texts[texts[language]["other_code"]]
    words = {**texts[language], "language": language, "policy": policy, "late.other": other["late"]}
    return _WORD.sub(
        lambda match: html.escape(words[match[1]], quote=match[1] != "policy"), template
    )


def files(texts: Texts) -> dict[str, bytes]:
    """Return the files beside the page, by name; `messages.js` has what they say."""
    folder = resources.files("verger.serve") / "page"
    found = {
        file.name: file.read_bytes()
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.rpartition(".")[2] in _TYPES and file.name not in _NOT_SENT
    }
    words = json.dumps(texts, ensure_ascii=False)
    return found | {"messages.js": f"export default {words};\n".encode()}


def type_of(name: str) -> str:
    """Return the media type of a file of the page, by its name."""
    return _TYPES[name.rpartition(".")[2]]
