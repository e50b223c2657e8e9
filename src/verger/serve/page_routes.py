"""The page, its files, and a page about the API that loads nothing from any other host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from verger.serve.assets import Asset, Assets
from verger.serve.current import Current
from verger.serve.description import address_of, described

_ADDRESSES = 4  # that the server is called by, whose descriptions are kept
_JSON = "application/json"


def router(app: FastAPI, current: Current) -> APIRouter:
    """Return one route for each file there is; what is not listed does not exist."""
    routes = APIRouter(include_in_schema=False)
    assets = Assets()

    @lru_cache(_ADDRESSES)
    def about(address: str, _gallery: str) -> tuple[Asset, Asset]:
        told = described(app, address, current.shown.catalogue)
        page = _about(told).encode()
        return Asset(json.dumps(told).encode(), _JSON), Asset(page, "text/html; charset=utf-8")

    @routes.get("/")
    async def page(request: Request) -> Response:
        return assets.page(request)

    @routes.get("/docs")
    async def about_the_api(request: Request) -> Response:
        return about(address_of(request), current.shown.catalogue.labels.gallery)[1].answer(request)

    @routes.get("/openapi.json")
    async def openapi(request: Request) -> Response:
        return about(address_of(request), current.shown.catalogue.labels.gallery)[0].answer(request)

    for name, asset in assets.files.items():
        routes.add_api_route(f"/{name}", _sender(asset))
    return routes


def _sender(asset: Asset):  # type: ignore[no-untyped-def]
    async def send(request: Request) -> Response:
        return asset.answer(request)

    return send


def _about(openapi: Mapping[str, Any]) -> str:
    """Return a page about the API, HTML, from its OpenAPI description: no script, no other host."""
    environment = Environment(
        loader=PackageLoader("verger.serve", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("docs.html.jinja").render(openapi)
