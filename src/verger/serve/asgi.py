"""The application: what is shared, put together, with every error as problem+json."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

import verger
from verger.serve import api, page_routes
from verger.serve.access import Access
from verger.serve.admission import Places, Rates
from verger.serve.current import Current
from verger.serve.guard import Guard
from verger.serve.metrics import Metrics
from verger.serve.problems import Kind, Problem
from verger.serve.upload import Limits
from verger.serve.workers import Workers
from verger.settings import ServeSettings

_MIB = 2**20


def new_service(current: Current, settings: ServeSettings) -> api.Service:
    """Return what the routes share, with its threads and processes."""
    metrics = Metrics()
    workers = Workers(settings.workers, metrics)
    return api.Service(
        current=current,
        workers=workers,
        places=Places(workers.count + settings.queue, settings.per_client),
        rates=Rates(settings.per_minute),
        limits=Limits(settings.max_body * _MIB, settings.max_photos),
        timeout=settings.timeout,
        metrics=metrics,
    )


def build_app(
    service: api.Service, refresh: float, hosts: Collection[str] | None, access: Access
) -> FastAPI:
    """Return the ASGI application that serves the gallery of one STORE.

    refresh: seconds between two looks for a later gallery; 0: never
    hosts: the names that requests may call it by; None for any
    access: which other origins may read it, and with which key
    """
    current, metrics = service.current, service.metrics

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        service.workers.warm_up(current.shown.identifier)
        watching = asyncio.create_task(_watch(service, refresh))
        yield
        watching.cancel()

    app = FastAPI(**_DESCRIPTION, lifespan=lifespan, exception_handlers=_HANDLERS)
    app.include_router(api.router(service))
    app.include_router(page_routes.router(app, current))
    metrics.gallery.set(current.shown.catalogue.gallery.photos)
    drain = 2 * service.limits.body
    app.add_middleware(Guard, hosts=hosts, access=access, drain=drain, metrics=metrics)
    return app


async def _watch(service: api.Service, seconds: float) -> None:
    """Look now and then whether a run has published another gallery; 0 seconds: never."""
    while seconds:
        await asyncio.sleep(seconds)
        if await service.workers.aside(service.current.renew):
            service.metrics.gallery.set(service.current.shown.catalogue.gallery.photos)


async def _problem(request: Request, error: Any) -> Response:
    return error.answer(request.headers)  # type: ignore[no-any-return]


async def _http_exception(request: Request, error: Any) -> Response:
    headers = dict(error.headers or {})
    if headers.get("Allow") == "GET":
        headers["Allow"] = "GET, HEAD"
    detail = {
        404: "No such address.",
        405: f"{request.method} is not among the methods of this address.",
    }.get(error.status_code, str(error.detail))
    return Problem.of_status(error.status_code, detail, headers).answer(request.headers)


async def _invalid(request: Request, error: Any) -> Response:
    first = error.errors()[0]
    where = " ".join(str(part) for part in first["loc"])
    return Problem(Kind.INVALID, f"{where}: {first['msg']}.").answer(request.headers)


async def _internal(request: Request, _error: Any) -> Response:
    sorry = Problem(Kind.INTERNAL, "The server's log says what happened.")
    return sorry.answer(request.headers)


_HANDLERS: dict[Any, Any] = {
    Problem: _problem,
    HTTPException: _http_exception,
    RequestValidationError: _invalid,
    Exception: _internal,
}
_DESCRIPTION: dict[str, Any] = {
    "title": "Verger",
    "version": verger.__version__,
    "summary": "What fruit is this?",
    "description": "Names the fruit in photos by the gallery of a STORE. Every error is "
    "application/problem+json (RFC 9457).",
    "openapi_url": None,  # with examples of the gallery, it is one of our pages
    "docs_url": None,  # FastAPI's own pages load scripts from another host; /docs is ours
    "redoc_url": None,
    "redirect_slashes": False,
}
