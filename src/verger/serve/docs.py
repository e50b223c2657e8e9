"""A plain page about the API, made from its OpenAPI description. No script, no other host."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_CURL = {
    "/api/identify": "curl -F photos=@apple.jpg -F photos=@the-same-apple.jpg {host}/api/identify",
    "/api/labels/{label}": "curl {host}/api/labels/Apple%20Golden%201",
    "/api/photos/{photo}/thumbnail": "curl -o 0.jpg {host}/api/photos/0/thumbnail",
}


def docs_page(openapi: Mapping[str, Any]) -> str:
    """Return the page, HTML, of an OpenAPI description."""
    info = openapi["info"]
    return "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(info['title'])}: the API</title>",
            '<link rel="icon" href="icon.svg"><link rel="stylesheet" href="style.css"></head>',
            '<body class="docs"><header class="bar"><a class="brand" href="./">Verger</a></header>',
            '<main><h1 class="title">The API</h1>',
            f"<p>{escape(info['description'])} The same for programs: "
            '<a href="openapi.json">openapi.json</a>.</p>',
            *_operations(openapi),
            '<h2 class="section">Schemas</h2>',
            *_schemas(openapi),
            "</main></body></html>",
        )
    )


def _operations(openapi: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield '<section class="card">'
            yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
            yield f"<p>{escape(operation['summary'])}.</p>"
            body = operation.get("requestBody")
            if body:
                (kind, content), *_ = body["content"].items()
                yield f"<p>{escape(kind)}. {escape(body['description'])}</p><dl>"
                for name, field in content["schema"]["properties"].items():
                    most = f"1 to {field['maxItems']}. " if "maxItems" in field else ""
                    yield f"<dt><code>{escape(name)}</code></dt>"
                    yield f"<dd>{most}{escape(field['description'])}</dd>"
                yield "</dl>"
            command = _CURL.get(path, "curl {host}" + path).format(
                host="http://127.0.0.1:8000", label="{label}", photo="{photo}"
            )
            yield f'<pre tabindex="0"><code>{escape(command)}</code></pre>'
            yield "<table><thead><tr><th>status</th><th>answer</th></tr></thead><tbody>"
            for status, answer in operation["responses"].items():
                kinds = ", ".join(_content(answer))
                told = answer["description"].replace("Successful Response", "")
                yield f"<tr><td>{escape(status)}</td><td>{escape(told)} {kinds}</td></tr>"
            yield "</tbody></table></section>"


def _content(answer: Mapping[str, Any]) -> Iterator[str]:
    for kind, content in answer.get("content", {}).items():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        yield f'<a href="#{escape(name)}">{escape(name)}</a>' if name else escape(kind)


def _schemas(openapi: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in sorted(openapi["components"]["schemas"].items()):
        if name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own; never answered
            continue
        yield f'<section class="card" id="{escape(name)}"><h2>{escape(name)}</h2>'
        yield f"<p>{escape(schema.get('description', ''))}</p><dl>"
        for field, rule in schema.get("properties", {}).items():
            yield f"<dt><code>{escape(field)}</code> <small>{escape(_type(rule))}</small></dt>"
            yield f"<dd>{escape(rule.get('description', ''))}</dd>"
        yield "</dl></section>"


def _type(rule: Mapping[str, Any]) -> str:
    if "$ref" in rule:
        return str(rule["$ref"].rpartition("/")[2])
    if "anyOf" in rule:
        return " or ".join(_type(one) for one in rule["anyOf"])
    if "enum" in rule:
        return " or ".join(json.dumps(value) for value in rule["enum"])
    if "const" in rule:
        return json.dumps(rule["const"])
    if rule.get("type") == "array":
        return f"list of {_type(rule['items'])}"
    if rule.get("type") == "object" and isinstance(rule.get("additionalProperties"), dict):
        return f"map of {_type(rule['additionalProperties'])}"
    return str(rule.get("type", "anything"))
