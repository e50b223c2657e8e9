"""A report as one HTML file that opens offline.

No request leaves it, and nothing in it runs but the scripts that its content security policy names
by their hash.

Whatever comes from photos (names, labels, messages) enters through Jinja2's escaping or as JSON
that the page reads as data.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from verger.report import view
from verger.report.data import Report
from verger.report.mapped import colours, nearest_on_map
from verger.report.thumbnails import TILES_A_ROW
from verger.report.translations import Words

MOST_BYTES = 8_000_000
_SPARE = 50_000
_MOST_SHEETS = 4_200_000  # bytes of thumbnails on the map
_SCRIPTS = (
    "echarts.min.js",
    "charts.js",
    "tray.js",
    "map.js",
    "legend.js",
    "card.js",
    "lasso.js",
    "report.js",
)
_LONGEST = 400  # bytes of a path of the map, which has thousands; those of tables are whole
_LONGEST_LABEL = 300  # characters
_MOST_KNOWN = 200_000  # characters of labels that a typed one is completed from


def render(report: Report, name: str, language: str = "en", originals: str | None = None) -> str:
    """Return the page, of at most 8,000,000 bytes in UTF-8. `name` is what the STORE is called.

    `originals` is where PHOTOS lies, as the page would link to it; None where that is elsewhere.
    """
    say, page = Words(language), template(language)
    scripts = [_script(script) for script in _SCRIPTS]
    context = view.context(report, name, say) | {
        "style": Markup(_read("report.css")),  # noqa: S704 - our own file
        "scripts": scripts,
        "policy": _policy(scripts),
        "tile": report.sheets.tile,
        "originals": originals,
    }
    data = _data(report, context, say)
    bare = page.render(context, data=_as_json(data))
    left = min(_MOST_SHEETS, MOST_BYTES - _SPARE - len(bare.encode()))
    pictures, placed = report.sheets.within(max(left, 0))
    context["pictured"] = placed
    data["map"] |= {"sheets": pictures, "pictured": placed}
    return page.render(context, data=_as_json(data))


def _data(report: Report, context: dict[str, Any], say: Words) -> dict[str, Any]:
    """Return the data of the charts, on a map that has no pictures yet."""
    charts: dict[str, Any] = context["charts"]
    return charts | {
        "language": say.language,
        "words": say.of_scripts(),
        "originals": context["originals"],
        "run": f"{context['store']} {report.record['finished']}",
        **_photos(report, context),
        "map": {
            "photos": len(report.map_rows),
            "near": nearest_on_map(report),
            **_colours(report, context, say),
            "layouts": [
                {"kind": one.kind, "name": view.map_name(one.kind, say), **_quantised(one.points)}
                for one in report.maps
            ],
            "sheets": [],
            "pictured": 0,
            "tile": context["tile"],
            "tiles": TILES_A_ROW,
        },
    }


def _as_json(data: dict[str, Any]) -> Markup:
    """Return data as JSON that cannot end its script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - no markup is left in it


def _photos(report: Report, context: dict[str, Any]) -> dict[str, Any]:
    """Return the photos that the page knows by number: those of the map, then others of tables.

    photos:    their paths; the place of each one's label among `labels`; and which paths were cut
    suspects:  the label that is suggested, by number
    known:     labels of STORE, for those who type one: all of them, if `knows_all`
    """
    photos, numbers = report.photos, context["numbers"]
    paths, cut = [], []
    for number, row in enumerate(context["album"]):
        path = photos.path(row)
        if len(path.encode()) > _LONGEST and row not in context["listed"]:
            path = view.short(path, _LONGEST // 4)
            cut.append(number)
        paths.append(path)
    used, local = np.unique(photos.codes[context["album"]], return_inverse=True)
    sizes = np.cumsum([len(name) for name in photos.names])
    known = int(np.searchsorted(sizes, _MOST_KNOWN, side="right"))
    return {
        "photos": {"paths": paths, "codes": local.tolist(), "cut": cut},
        "labels": [
            None if code < 0 else view.short(photos.names[code], _LONGEST_LABEL) for code in used
        ],
        "suspects": {numbers[one["photo"].row]: one["suggested"] for one in context["mislabels"]},
        "known": photos.names[:known],
        "knows_all": known == len(photos.names),
    }


def _colours(report: Report, context: dict[str, Any], say: Words) -> dict[str, Any]:
    """Return which of the page's labels share a colour on the map."""
    codes, photos = np.unique(report.photos.codes[context["album"]], return_counts=True)
    labels = [None if code < 0 else report.photos.names[code] for code in codes]
    found = colours(labels, photos.tolist(), say.language)
    names = [view.short(name, _LONGEST_LABEL) for name in found.names]
    return {"names": names, "groups": found.groups, "own": found.own}


def _quantised(points: np.ndarray[Any, np.dtype[np.float32]]) -> dict[str, Any]:
    """Pack coordinates into 0 to 9,999: finer than a screen, and short."""
    low, high = (
        (points.min(axis=0), points.max(axis=0)) if len(points) else (np.zeros(2), np.ones(2))
    )
    spread = np.where(high > low, high - low, 1)
    packed = np.round((points - low) / spread * 9_999).astype(int)
    return {"x": packed[:, 0].tolist(), "y": packed[:, 1].tolist()}


def _policy(scripts: Sequence[Markup]) -> str:
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
        for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob: file:; base-uri 'none'; form-action 'none'"
    )


@cache
def _script(name: str) -> Markup:
    text = _read(name)
    if "</script" in text.lower():  # it would end the element that it stands in
        raise ValueError(f"{name} holds an end of a script element")
    return Markup(text)  # noqa: S704 - our own file, or the vendored library


@cache
def _read(name: str) -> str:
    return (files("verger.report") / "page" / name).read_text(encoding="utf-8")


@cache
def template(language: str) -> Template:
    """Return the template of the page, compiled."""
    return _environment(language).get_template("report.html.jinja")


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("verger.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    say = Words(language)
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        say.gettext, say.ngettext, newstyle=True
    )
    return environment
