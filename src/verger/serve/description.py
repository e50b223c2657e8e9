"""The API's description (OpenAPI), as it is read here: this address, and labels of this gallery."""

from __future__ import annotations

import copy
import re
from typing import Any

from fastapi import FastAPI, Request

from verger.gallery import Answer, Guess, Neighbour, Verdict
from verger.serve import schemas
from verger.serve.varieties import Catalogue

_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_SHOWN = 2  # of a list, in an example
_LIKELY, _SHARES = 0.86, (0.9, 0.05, 0.03)


def address_of(request: Request) -> str:
    """Return the address of the server as the client wrote it, without a slash at its end."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):  # a client may write anything there
        name, port = request.scope["server"][:2]
        host = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    return f"{request.url.scheme}://{host}{request.scope.get('root_path', '')}"


def described(app: FastAPI, address: str, catalogue: Catalogue) -> dict[str, Any]:
    """Return the description with examples that can be sent as they stand."""
    told = copy.deepcopy(FastAPI.openapi(app))
    told["servers"] = [{"url": address}]
    told["components"]["schemas"]["Problem"] = schemas.Problem.model_json_schema()
    paths, labels = told["paths"], catalogue.labels
    _answers(paths["/api/v1/labels"], labels.model_copy(update={"labels": labels.labels[:_SHOWN]}))
    if labels.labels:
        first = labels.labels[0]
        _answers(paths["/api/v1/identify"], example_of(catalogue))
        shown = catalogue.label(first.label)
        if shown is not None:
            some = shown.model_copy(update={"examples": shown.examples[:_SHOWN]})
            _answers(paths["/api/v1/labels/{label}"], some)
        _asks(paths["/api/v1/labels/{label}"], first.label)
        _asks(paths["/api/v1/photos/{photo}/thumbnail"], first.photo)
    return told


def example_of(catalogue: Catalogue) -> schemas.Identification:
    """Return an answer as it might be: names and photos of this gallery, made-up numbers."""
    gallery = catalogue.gallery
    names = [summary.label for summary in catalogue.labels.labels][: len(_SHARES)]
    shares = dict(zip(names, _SHARES, strict=False))
    groups: dict[str, float] = {}
    group_of = dict(zip(gallery.labels, gallery.groups, strict=True))
    for name, share in shares.items():
        groups[group_of[name]] = groups.get(group_of[name], 0.0) + share
    near = [
        Neighbour(photo, gallery.path(photo), names[0], 0.93 - 0.02 * number)
        for number, photo in enumerate(gallery.photos_of(names[0])[:_SHOWN])
    ]
    answer = Answer(
        verdict=Verdict.VARIETY,
        close=False,
        confidence=_LIKELY,
        labels=_guesses(shares),
        groups=_guesses(groups),
        known=0.62,
        neighbours=tuple(near),
        photos=1,
    )
    return catalogue.identification(answer)


def _guesses(shares: dict[str, float]) -> tuple[Guess, ...]:
    scale = _LIKELY / _SHARES[0]
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return tuple(Guess(name, round(share * scale, 4), share) for name, share in ordered)


def _answers(path: dict[str, Any], example: Any) -> None:
    (operation,) = path.values()
    content = operation["responses"]["200"]["content"]["application/json"]
    content["example"] = _without_sources(example.model_dump(mode="json"))


def _without_sources(told: Any) -> Any:
    """Leave out where facts were looked up: long, and addresses of others."""
    if isinstance(told, list):
        return [_without_sources(item) for item in told]
    if isinstance(told, dict):
        pairs = told.items()
        return {key: [] if key == "sources" else _without_sources(item) for key, item in pairs}
    return told


def _asks(path: dict[str, Any], example: str | int) -> None:
    (operation,) = path.values()
    (asked,) = operation["parameters"]
    asked["example"] = example
