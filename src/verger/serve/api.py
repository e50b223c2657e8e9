"""The HTTP API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

import verger
from verger.gallery import Answer
from verger.serve import metrics, schemas
from verger.serve.admission import Places, Rates, client_of
from verger.serve.assets import Asset
from verger.serve.current import Current
from verger.serve.problems import MEDIA_TYPE, Kind, Problem
from verger.serve.upload import FIELD, Limits, read_photos
from verger.serve.varieties import Catalogue
from verger.serve.workers import Workers
from verger.texts import LANGUAGES

Told = Callable[[Catalogue, Answer], str]
_JSON = "application/json"
_LARGEST_ID = 2**53 - 1  # what every JSON reader holds exactly


@dataclass(frozen=True, slots=True)
class Service:
    """What the routes share."""

    current: Current
    workers: Workers
    places: Places
    rates: Rates
    limits: Limits
    timeout: float
    metrics: metrics.Metrics


def router(service: Service) -> APIRouter:
    """Return the routes of the API."""
    routes = APIRouter()
    # Prefixes of their own, not of the inclusion: the metrics tell routes apart by their paths.
    now = APIRouter(prefix="/api/v1")
    routes.include_router(_versioned(now, service, _now))
    # As they were before there were versions, for who knows no other; not described any more.
    before = APIRouter(prefix="/api", include_in_schema=False)
    routes.include_router(_versioned(before, service, Catalogue.identification_before))
    routes.include_router(_operation(service))
    return routes


def _now(catalogue: Catalogue, answer: Answer) -> str:
    # Written here: FastAPI would check what was built from its own classes once more.
    return catalogue.identification(answer).model_dump_json()


def _versioned(routes: APIRouter, service: Service, told: Told) -> APIRouter:
    """Add what has a version in its path; `told` writes an answer as that version has it."""
    current = service.current

    @routes.post(
        "/identify",
        summary="Say what one fruit is, from one or more photos of it",
        response_model=schemas.Identification,
        responses=_problems(400, 401, 408, 413, 415, 422, 429, 500, 503),
        openapi_extra={"requestBody": _upload(service.limits)},
        tags=["identify"],
    )
    async def identify(request: Request) -> Response:
        return await _identify(service, request, told)

    @routes.get(
        "/labels",
        summary="List the labels of the gallery",
        response_model=schemas.Labels,
        responses=_problems(401),
        tags=["gallery"],
    )
    async def labels(request: Request) -> Response:
        return current.shown.labels.answer(request)

    @routes.get(
        "/labels/{label:path}",
        summary="Show one label: photos, species",
        responses=_problems(401, 404, 422),
        tags=["gallery"],
    )
    async def label(label: str) -> schemas.Label:
        found = current.shown.catalogue.label(label)
        if found is None:
            raise Problem(Kind.NOT_FOUND, "The gallery has no label of that name.")
        return found

    @routes.get(
        "/photos/{photo}/thumbnail",
        summary="The small JPEG of a photo of the gallery",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}, **_problems(401, 404, 422)},
        tags=["gallery"],
    )
    async def thumbnail(
        photo: Annotated[int, Path(ge=0, le=_LARGEST_ID)], request: Request
    ) -> Response:
        return await _thumbnail(service, photo, request)

    return routes


def _operation(service: Service) -> APIRouter:
    """Return what those ask for who operate the server."""
    routes, current = APIRouter(), service.current

    @routes.get("/healthz", summary="Say that the server is up", tags=["operation"])
    async def healthz() -> schemas.Health:
        gallery = current.shown.catalogue.gallery
        return schemas.Health(
            status="ok",
            version=verger.__version__,
            photos=gallery.photos,
            labels=len(gallery.labels),
        )

    @routes.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
            **_problems(401),
        },
        tags=["operation"],
    )
    async def prometheus() -> Response:
        return Response(service.metrics.text(), media_type=metrics.CONTENT_TYPE)

    return routes


async def _identify(service: Service, request: Request, told: Told) -> Response:
    client = client_of(request.client.host if request.client else "")
    workers = service.workers
    service.rates.count(client)
    service.places.enter(client, workers.seconds_each, workers.count)
    service.metrics.inside.set(service.places.inside)
    under_way: list[Future[Any]] = []
    shown = service.current.shown
    try:
        photos = await _received(request, service)
        answer = await workers.identify(shown.identifier, photos, service.timeout, under_way)
    finally:
        service.places.leave(client, under_way)
        service.metrics.inside.set(service.places.inside)
    service.metrics.verdicts.labels(answer.verdict.value).inc()
    return Response(told(shown.catalogue, answer), media_type=_JSON)


async def _thumbnail(service: Service, photo: int, request: Request) -> Response:
    catalogue = service.current.shown.catalogue
    asked = request.query_params.get("gallery")
    if asked not in (None, "", catalogue.labels.gallery):
        raise Problem(Kind.NOT_FOUND, "The gallery has changed: numbers name other photos.")
    try:
        jpeg = await service.workers.aside(catalogue.thumbnail, photo)
    except (IndexError, FileNotFoundError):  # no such number, or a later run has replaced the file
        raise Problem(Kind.NOT_FOUND, "The gallery has no photo of that number.") from None
    # The page asks with the gallery's fingerprint, and so never for another one's photo.
    cache = "private, max-age=604800, immutable" if asked else "no-cache"
    return Asset(jpeg, "image/jpeg").answer(request, cache=cache)


async def _received(request: Request, service: Service) -> list[bytes]:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(service.timeout):
            return await read_photos(request, service.limits)
    except TimeoutError:
        raise Problem(
            Kind.TOO_SLOW,
            f"It was not all here after {service.timeout:g} s.",
            headers={"Connection": "close"},
        ) from None
    finally:
        service.metrics.stage.labels("receive").observe(time.perf_counter() - began)


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": _SAID[status],
            "content": {MEDIA_TYPE: {"schema": schema, "example": _example(status)}},
        }
        for status in statuses
    }


def _example(status: int) -> dict[str, Any]:
    problem = Problem.of_status(status, _SAID[status], None)
    return problem.body(LANGUAGES[0])


_SAID = {
    400: "The body is malformed.",
    401: "The server asks for a key, and it did not come.",
    404: "There is none.",
    408: "The upload took too long to arrive.",
    413: "Too many bytes, or a photo of too many pixels.",
    415: "No multipart/form-data, or no photo of a kind that is read.",
    422: "Too many or no photos, another field, or a damaged photo.",
    429: "Too many requests of one client; Retry-After says when to come back.",
    500: "Internal server error.",
    503: "The server is busy; Retry-After says when to come back.",
}


def _upload(limits: Limits) -> dict[str, Any]:
    photos = {
        "type": "array",
        "items": {"type": "string", "contentMediaType": "application/octet-stream"},
        "minItems": 1,
        "maxItems": limits.photos,
        "description": "Photos of one and the same fruit: JPEG, PNG, WebP, HEIC, AVIF, TIFF, GIF "
        "or BMP, told by their content.",
    }
    schema = {
        "type": "object",
        "properties": {FIELD: photos},
        "required": [FIELD],
        "additionalProperties": False,
    }
    return {
        "required": True,
        "description": f"At most {limits.body / 2**20:g} MiB in all. Nothing of it is kept.",
        "content": {"multipart/form-data": {"schema": schema}},
    }
