"""What the page says, in words, numbers and pictures: `Report` → what the template shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from verger.report.build import FEW_PHOTOS, Report
from verger.report.drift import CLEAR, SMALL
from verger.report.duplicates import NEAR_LEVELS
from verger.report.outliers import SPREADS
from verger.report.pictures import Picture, picture

MAP_NAMES = {
    "pca": "Principal components",
    "labels": "Label directions",
    "neighbours": "Neighbours (t-SNE)",
}
_FIRST = 8  # rows of a finding that are open on the page
_SHOWN = 48  # and those that can be opened; the tables beside it hold all
_MOST_LABELS = 150
_STRIP = 18
_MOST_BARS = 120
_STAGES = {
    "list": "listing",
    "start": "starting Spark",
    "embed": "embedding",
    "gallery": "building the gallery",
    "fit": "fitting",
    "project": "projecting",
    "csv": "writing the CSV",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One photo on the page."""

    path: str
    label: str | None
    picture: Picture | None


def context(report: Report, name: str) -> dict[str, Any]:
    """Return everything that the template needs but scripts and styles."""
    labels = _label_rows(report)
    return {
        "name": _title(report, name),
        "store": name,
        "report": report,
        "record": report.record,
        "tiles": _tiles(report),
        "stages": _stages(report.record),
        "strip": _strip(report),
        "headlines": _headlines(report),
        "labels": labels,
        "pairs": _pairs(report),
        "duplicates": _duplicates(report),
        "mislabels": _mislabels(report),
        "outliers": _outliers(report),
        "few": _few(report),
        "drift": _drift(report),
        "provenance": _provenance(report),
        "charts": _charts(report, labels),
        "pictured": 0,
        "first": _FIRST,
        "limits": {
            "few": FEW_PHOTOS, "near": NEAR_LEVELS, "spreads": SPREADS, "small": SMALL,
            "clearly": CLEAR, "labels": _MOST_LABELS,
        },
        "number": number, "percent": percent, "bytes": size, "short": short,
        "map_names": [MAP_NAMES[one.kind] for one in report.maps],
    }  # fmt: skip


def _title(report: Report, name: str) -> str:
    """Name the report by the folder of its photos, as people know that one."""
    return PurePosixPath(str(report.record.get("photos", ""))).name or name


def number(value: float) -> str:
    """Write a count with separators."""
    return f"{value:,.0f}"


def percent(share: float, digits: int = 1) -> str:
    """Write a share; one that is no number as a dash."""
    return f"{share:.{digits}%}" if math.isfinite(share) else "–"


def size(count: float) -> str:
    """Write a number of bytes in the unit that suits."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def short(text: str, most: int) -> str:
    """Cut the middle out of a text that is longer than `most` characters."""
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - end - 1]}…{text[-end:]}"


def plural(count: int, one: str, many: str = "") -> str:
    """Write a count and its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _tiles(report: Report) -> list[tuple[str, str, str]]:
    record = report.record
    counts, projection = record["counts"], record["projection"]
    seconds = sum(float(value) for value in record["seconds"].values())
    features = int(record["backbone"]["features"])
    tiles = [
        (number(counts["embedded"]), "photos", f"of {number(counts['listed'])} listed"),
        (number(len(report.photos.names)), "labels", _per_label(report)),
        (number(counts["rejected"]), "rejected", _share(counts["rejected"], counts["listed"])),
        (number(report.pca.k), "components kept", f"of {number(features)} features"),
        (
            percent(float(projection["explained_variance"])),
            "of the variance kept",
            f"rank {number(report.pca.rank)}",
        ),
        (
            f"{record['photos_per_second']:,.0f}",
            "photos per second",
            f"on {plural(int(record['cores']), 'core')}; {seconds:,.0f} s in all",
        ),
    ]
    cost = record.get("cost")
    if isinstance(cost, Mapping) and "amount" in cost:
        money = f"{float(cost['amount']):,.2f} {cost.get('currency', 'USD')}"
        tiles.append((money, "cost", str(cost.get("where", ""))))
    return tiles


def _per_label(report: Report) -> str:
    if not len(report.counts):
        return "no photo has a label"
    low, high = int(report.counts.min()), int(report.counts.max())
    return f"{low:,} photos each" if low == high else f"{low:,} to {high:,} photos each"


def _share(part: int, whole: int) -> str:
    return f"{percent(part / whole)} of all" if whole else "of none"


def _stages(record: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    seconds = {str(name): float(value) for name, value in record["seconds"].items()}
    whole = sum(seconds.values()) or 1.0
    return [(_STAGES.get(name, name), value, value / whole) for name, value in seconds.items()]


def _strip(report: Report) -> list[Shown]:
    """One photo of each of some labels, spread over all of them."""
    known = np.unique(report.codes)
    if len(known) >= _STRIP:
        chosen = known[np.linspace(0, len(known) - 1, _STRIP).astype(int)]
        rows = [int(np.argmax(report.codes == code)) for code in chosen]
    else:
        spread = np.linspace(0, len(report.codes) - 1, min(_STRIP, len(report.codes)))
        order = np.argsort(report.codes, kind="stable")
        rows = order[spread.astype(int)].tolist()
    return [_of_sample(report, row) for row in rows]


@dataclass(frozen=True, slots=True)
class Headline:
    """One line of what stands out; `kind` is good, look or bad; `section` is where to read on."""

    kind: str
    text: str
    section: str


def _headlines(report: Report) -> list[Headline]:
    counts = report.record["counts"]
    failed = [check.what for check in report.checks if not check.passed]
    lines = [Headline("bad", f"A check failed: {what}.", "provenance") for what in failed] or [
        Headline("good", f"All {len(report.checks)} checks passed.", "provenance")
    ]
    if counts["rejected"]:
        reasons = ", ".join(
            f"{number(one.photos)} {one.reason.replace('_', ' ')}" for one in report.rejects
        )
        rejected = plural(counts["rejected"], "photo was", "photos were")
        lines.append(Headline("look", f"{rejected} rejected: {reasons}.", "rejects"))
    if report.duplicates.extra:
        groups = int(report.duplicates.groups.max())
        extra = plural(report.duplicates.extra, "photo repeats", "photos repeat")
        text = f"{extra} a picture that is already there, in {plural(groups, 'group')}."
        lines.append(Headline("look", text, "duplicates"))
    if len(report.mislabels.rows):
        wrong = plural(len(report.mislabels.rows), "photo looks", "photos look")
        lines.append(Headline("look", f"{wrong} mislabelled.", "mislabelled"))
    lines += _about_labels(report)
    if not report.pca.k:
        lines.append(Headline("look", "The photos have no variance: no component.", "variance"))
    text, kind = _verdict(report)
    lines.append(Headline(kind, text, "drift"))
    return lines


def _about_labels(report: Report) -> Iterable[Headline]:
    few = int((report.counts < FEW_PHOTOS).sum())
    if few:
        what = plural(few, "label has", "labels have")
        yield Headline("look", f"{what} fewer than {FEW_PHOTOS} photos.", "few")
    if report.separation is None:
        known = len(report.photos.names)
        text = "No photo has a label" if not known else "There is one label only"
        if len(report.photos) < 2:
            text = f"There is {plural(len(report.photos), 'photo')}"
        yield Headline("look", f"{text}: how labels separate cannot be said.", "separation")
        return
    after = report.separation.overall[1]
    kind = "good" if after >= 0.8 else "look"
    text = (
        f"After reduction, {percent(after, 0)} of a photo's nearest neighbours carry its label "
        f"({percent(report.separation.chance, 0)} by chance)."
    )
    yield Headline(kind, text, "separation")
    if report.separation.pairs and report.separation.pairs[0].share >= 0.15:
        pair = report.separation.pairs[0]
        first, second = (_named(report, code) for code in (pair.first, pair.second))
        yield Headline("look", f"“{first}” and “{second}” are hard to tell apart.", "separation")


def _named(report: Report, code: int) -> str:
    return short(report.photos.names[code], 60)


def _label_rows(report: Report) -> list[dict[str, Any]]:
    """All labels, the least pure first, up to a number that a page can hold."""
    apart = report.separation
    nan = float("nan")
    rows: list[dict[str, Any]] = []
    for code, name in enumerate(report.photos.names):
        known = apart is not None and code < len(apart.raw)
        rows.append(
            {
                "name": short(name, 80),
                "code": code,
                "photos": int(report.counts[code]),
                "raw": apart.raw[code] if apart and known else nan,
                "reduced": apart.reduced[code] if apart and known else nan,
            }
        )
    rows.sort(key=lambda row: (not math.isfinite(row["reduced"]), row["reduced"]))
    rows = rows[:_MOST_LABELS]
    for row in rows:
        (mine,) = np.nonzero(report.codes == row["code"])
        row["example"] = _of_sample(report, int(mine[0])) if len(mine) else None
    return rows


def _pairs(report: Report) -> list[dict[str, Any]]:
    if report.separation is None:
        return []
    return [
        {
            "first": _named(report, pair.first),
            "second": _named(report, pair.second),
            "share": pair.share,
            "examples": [
                (_of_sample(report, one), _of_sample(report, two)) for one, two in pair.examples
            ],
        }
        for pair in report.separation.pairs
        if pair.share >= 0.01
    ]


def _duplicates(report: Report) -> list[dict[str, Any]]:
    """Group the duplicates; those across labels come first, then the largest groups."""
    found = report.duplicates
    groups = []
    for rows in np.split(np.arange(len(found.rows)), np.flatnonzero(np.diff(found.groups)) + 1):
        if not len(rows):
            continue
        codes = set(report.photos.codes[found.rows[rows]].tolist())
        groups.append(
            {
                "across": len(codes) > 1,
                "exact": bool(found.exact[rows].all()),
                "difference": float(found.difference[rows].max()),
                "size": len(rows),
                "rows": found.rows[rows[:4]].tolist(),
            }
        )
    groups.sort(key=lambda one: (not one["across"], -one["size"], not one["exact"]))
    for group in groups[:_SHOWN]:
        group["photos"] = [_of_all(report, row) for row in group["rows"]]
    return groups[:_SHOWN]


def _mislabels(report: Report) -> list[dict[str, Any]]:
    found = report.mislabels
    return [
        {
            "photo": _of_sample(report, int(row)),
            "suggested": _named(report, int(suggested)),
            "margin": float(margin),
            "votes": float(votes),
            "near": [_of_sample(report, int(at)) for at in report.neighbours.index[row][:3]],
        }
        for row, suggested, margin, votes in zip(
            found.rows[:_SHOWN], found.suggested, found.margin, found.votes, strict=False
        )
    ]


def _outliers(report: Report) -> list[dict[str, Any]]:
    found = report.outliers
    return [
        {
            "photo": _of_sample(report, int(row)),
            "distance": float(distance),
            "spreads": float(spreads),
            "near": [_of_sample(report, int(at)) for at in report.neighbours.index[row][:3]],
        }
        for row, distance, spreads in zip(
            found.rows[:_SHOWN], found.distance, found.spreads, strict=False
        )
    ]


def _few(report: Report) -> list[dict[str, Any]]:
    rows = []
    for code in np.flatnonzero(report.counts < FEW_PHOTOS)[: _SHOWN * 2].tolist():
        (mine,) = np.nonzero(report.codes == code)
        rows.append(
            {
                "name": _named(report, code),
                "photos": int(report.counts[code]),
                "examples": [_of_sample(report, int(at)) for at in mine[:4]],
            }
        )
    return sorted(rows, key=lambda row: row["photos"])


def _verdict(report: Report) -> tuple[str, str]:
    found = report.drift
    if found.verdict == "first":
        return "This is the first run that left a report here: there is none to compare with.", ""
    if found.verdict == "other_backbone":
        return "The run before used another backbone, so that nothing can be compared.", "look"
    if found.verdict == "unchanged":
        return "No photo is new since the run before.", "good"
    fresh = plural(found.new, "new photo")
    text = {
        "none": f"{fresh}: no drift from the run before{_unseen(found.visible)}.",
        "small": f"{fresh}: a small drift from the run before.",
        "clear": f"{fresh}: a clear drift from the run before.",
    }[found.verdict]
    if found.new_labels:
        text += f" {plural(len(found.new_labels), 'label is', 'labels are')} new."
    return text, "good" if found.verdict == "none" and not found.new_labels else "look"


def _unseen(visible: float) -> str:
    """Say what so few photos could not have shown."""
    return f" (one below {visible:.1f} spreads could not be seen)" if visible > SMALL else ""


def _drift(report: Report) -> dict[str, Any]:
    found = report.drift
    return {
        "text": _verdict(report)[0],
        "components": found.components,
        "labels": found.labels[:_SHOWN],
        "new_labels": [short(name, 60) for name in found.new_labels[:_SHOWN]],
        "missing_labels": [short(name, 60) for name in found.missing_labels[:_SHOWN]],
    }


def _provenance(report: Report) -> dict[str, list[tuple[str, str]]]:
    record = report.record
    run = [
        (name, str(record[name])) for name in ("photos", "started", "finished") if name in record
    ]
    if "reduced" in record:
        run.append(("reduced", str(record["reduced"].get("finished", ""))))
    return {
        "Run": run,
        "Versions": [(str(k), str(v)) for k, v in record["versions"].items()],
        "Backbone": [(str(k).replace("_", " "), str(v)) for k, v in record["backbone"].items()],
        "Settings": [
            (str(k).replace("_", " "), _setting(v)) for k, v in record["settings"].items()
        ],
    }


def _setting(value: Any) -> str:
    """Write a setting; of pairs (--spark-conf) the keys alone, as values may be secrets."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(f"{str(one).partition('=')[0]}=…" for one in value)
    return "" if value is None else short(str(value), 300)


def _charts(report: Report, labels: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the numbers that the charts draw."""
    found = report.spectrum
    last = max([found.k, *(at for _, at in found.needed if at)], default=0)
    last = min(len(found.ratios), math.ceil(last * 1.08) + 2)
    ratios = found.ratios[:last]
    rows = [row for row in labels if math.isfinite(row["reduced"])][:24]
    most = np.argsort(-report.counts, kind="stable")
    if len(most) > _MOST_BARS:
        most = most[np.linspace(0, len(most) - 1, _MOST_BARS).astype(int)]
    return {
        "variance": {
            "single": [round(float(ratio), 6) for ratio in ratios],
            "cumulative": [round(float(share), 6) for share in np.cumsum(ratios)],
            "k": found.k,
            "needed": [[target, at] for target, at in found.needed],
        },
        "purity": {
            "labels": [row["name"] for row in rows],
            "raw": [round(row["raw"], 4) for row in rows],
            "reduced": [round(row["reduced"], 4) for row in rows],
        },
        "counts": {
            "labels": [_named(report, int(code)) for code in most],
            "photos": [int(report.counts[code]) for code in most],
        },
        "drift": {
            "components": [shift.component for shift in report.drift.components],
            "spreads": [round(shift.spreads, 4) for shift in report.drift.components],
            "small": SMALL,
            "clear": CLEAR,
        },
    }


def _of_sample(report: Report, row: int) -> Shown:
    return _of_all(report, int(report.sample.rows[row]))


def _of_all(report: Report, row: int) -> Shown:
    thumbnail = report.sample.thumbnails.get(row)
    label = report.photos.label(row)
    return Shown(
        short(report.photos.path(row), 200),
        None if label is None else short(label, 80),
        picture(thumbnail) if thumbnail else None,
    )
