"""What went wrong with a request, as RFC 9457 has it (application/problem+json)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from verger.photos.reasons import Reason, Reject
from verger.serve.words import preferred, said

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:verger:problem:"


class Kind(Enum):
    """The kinds of problem: the last word of the type, the status, the title. A closed set.

    The first of a status is the one that is meant where the framework says the status alone.
    """

    BAD_REQUEST = ("bad-request", 400, "The request cannot be read.")
    NOT_FOUND = ("not-found", 404, "There is nothing here.")
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "This address does not do that.")
    TOO_SLOW = ("too-slow", 408, "The request took too long to arrive.")
    TOO_LARGE = ("too-large", 413, "The upload is too large.")
    TOO_MANY_PIXELS = ("too-many-pixels", 413, "The photo has too many pixels.")
    NOT_MULTIPART = ("not-multipart", 415, "Photos are sent as multipart/form-data.")
    NOT_A_PHOTO = ("not-a-photo", 415, "This is not a photo of a supported kind.")
    NO_KEY = ("no-key", 401, "This server asks for a key.")
    WRONG_HOST = ("wrong-host", 421, "This server does not go by that name.")
    INVALID = ("invalid", 422, "The request is understood, but not right.")
    TOO_MANY_PHOTOS = ("too-many-photos", 422, "These are too many photos.")
    DAMAGED_PHOTO = ("damaged-photo", 422, "The photo is incomplete or damaged.")
    TOO_MANY_REQUESTS = ("too-many-requests", 429, "Too many requests at once from one client.")
    INTERNAL = ("internal", 500, "Something went wrong here; it is not your request's fault.")
    OVERLOADED = ("overloaded", 503, "The server is busy.")
    TIMED_OUT = ("timed-out", 503, "The answer took too long.")

    def __init__(self, word: str, status: int, title: str) -> None:
        self.word, self.status, self.title = word, status, title


_OF_REASON = {
    Reason.NOT_AN_IMAGE: Kind.NOT_A_PHOTO,
    Reason.UNSUPPORTED: Kind.NOT_A_PHOTO,
    Reason.TOO_LARGE: Kind.TOO_MANY_PIXELS,
}


class Problem(Exception):
    """Raised anywhere in a request; becomes its answer."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more
        super().__init__(f"{kind.word}: {detail}")

    @classmethod
    def busy(cls, kind: Kind, detail: str, seconds: int) -> Problem:
        """Build the problem of a client that may come back after some seconds."""
        return cls(kind, detail, headers={"Retry-After": str(seconds)})

    @classmethod
    def of_photo(cls, reject: Reject, number: int) -> Problem:
        """Build the problem of one uploaded photo, counted from 1."""
        kind = _OF_REASON.get(reject.reason, Kind.DAMAGED_PHOTO)
        detail = f"Photo {number}: {reject.detail}."
        return cls(kind, detail, photo=number, reason=reject.reason.value)

    @classmethod
    def of_status(cls, status: int, detail: str, headers: Mapping[str, str] | None) -> Problem:
        """Build the problem of an HTTP status that the framework answers with."""
        fallback = Kind.BAD_REQUEST if status < 500 else Kind.INTERNAL
        kind = next((kind for kind in Kind if kind.status == status), fallback)
        return cls(kind, detail, headers=headers)

    def answer(self, asked: Headers) -> JSONResponse:
        """Return the answer to send to who asked with these headers."""
        language = preferred(asked.get("accept-language", ""))
        headers = {"Vary": "Accept-Language", **self.headers}
        body = self.body(language)
        return JSONResponse(body, self.kind.status, headers, media_type=MEDIA_TYPE)

    def body(self, language: str) -> dict[str, Any]:
        """Return what the answer says, to a person in this language."""
        return {
            "type": _TYPE + self.kind.word,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "message": said(language, f"error.{self.kind.word}", **self.more),
            **self.more,
        }
