"""The page, its files, and a page about the API that loads nothing from any other host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response

from verger.serve.assets import Asset, Assets


def router(app: FastAPI) -> APIRouter:
    """Return one route for each file there is; what is not listed does not exist."""
    routes = APIRouter(include_in_schema=False)
    assets = Assets()
    docs: list[Asset] = []

    @routes.get("/")
    async def page(request: Request) -> Response:
        return assets.page(request)

    @routes.get("/docs")
    async def about_the_api(request: Request) -> Response:
        if not docs:
            about = _about(app.openapi()).encode()
            docs.append(Asset(about, "text/html; charset=utf-8"))
        return docs[0].answer(request)

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
