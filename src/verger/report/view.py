"""What the page says, in words, numbers and pictures: `Report` → what the template shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from verger.embed.card import framing_of
from verger.report.checks import Check
from verger.report.data import FEW_PHOTOS, MOST_GROUPS, MOST_OF_A_GROUP, Rejected, Report
from verger.report.drift import CLEAR, SMALL
from verger.report.duplicates import NEAR_LEVELS
from verger.report.oddities import KINDS
from verger.report.outliers import SPREADS
from verger.report.thumbnails import Picture
from verger.report.translations import Words
from verger.settings import parse_components
from verger.texts.command import phrases

_FIRST = 8  # rows of a finding that are open on the page
_SHOWN = 48  # and those that can be opened; the tables beside it hold all
_CORRECTED = 12
_SUSPECTS = 100  # of those that look mislabelled, as people decide of them on the page
_MOST_LABELS = 150
_FRAMING = ("image_size", "views", "resize_shorter_side")  # of a record: told as one
_MOST_BARS = 120
_IN_WORDS = ("label_from", "refit", "device", "engine", "memory", "language")  # of the settings


@dataclass(frozen=True, slots=True)
class Shown:
    """One photo on the page."""

    path: str
    label: str | None
    making: Future[Picture | None]
    row: int  # its place among all photos

    @property
    def picture(self) -> Picture | None:
        """Its thumbnail; None where there is none."""
        return self.making.result()


def context(report: Report, name: str, say: Words) -> dict[str, Any]:
    """Return everything that the template needs but scripts and styles."""
    labels = _label_rows(report)
    mislabels, outliers, oddities = _mislabels(report), _outliers(report), _oddities(report)
    duplicates = [
        _group(report, one) for one in report.duplicates.in_order(report.photos.codes)[:MOST_GROUPS]
    ]
    leaks = [_group(report, one) for one in report.leaks[:MOST_GROUPS]]
    odd = [one for kind in oddities for one in kind["photos"]]
    listed = [
        *(one["photo"].row for one in (*mislabels, *outliers, *odd)),
        *(one.row for group in (*duplicates, *leaks) for one in group["photos"]),
    ]
    album = list(dict.fromkeys([*map_rows(report), *listed]))
    return {
        "language": say.language,
        "name": _title(report, name),
        "store": name,
        "report": report,
        "record": report.record,
        "lead": _lead(report, say),
        "kept": f"{_kept(report, say)} {_compared(report, say)}".rstrip(),
        "tiles": _tiles(report, say),
        "stages": _stages(report.record, say),
        "headlines": _headlines(report, say),
        "labels": labels,
        "pairs": _pairs(report),
        "confusions": _confusions(report),
        "corrected": report.corrected and report.corrected.labels[:_CORRECTED],
        "reasons": {one.reason: _reason(one, say) for one in report.rejects},
        "duplicates": duplicates,
        "mislabels": mislabels,
        "outliers": outliers,
        "oddities": oddities,
        "leaks": leaks,
        "spellings": _spellings(report),
        "median": float(np.median(report.counts)) if len(report.counts) else 0.0,
        "album": album,
        "listed": set(listed),
        "numbers": {row: number for number, row in enumerate(album)},
        "few": _few(report),
        "drift": _drift(report, say),
        "checks": [_check(check, say) for check in report.checks],
        "notes": _notes(report, say),
        "provenance": _provenance(report, say),
        "charts": _charts(report, labels),
        "pictured": 0,
        "first": _FIRST,
        "limits": {
            "few": FEW_PHOTOS, "near": NEAR_LEVELS, "spreads": SPREADS, "small": SMALL,
            "clearly": CLEAR, "labels": _MOST_LABELS,
        },
        "number": say.number, "percent": say.percent, "bytes": say.size,
        "short": short, "when": say.moment, "detail_in_words": partial(_detail, say=say),
        "map_names": [map_name(one.kind, say) for one in report.maps],
    }  # fmt: skip


def map_rows(report: Report) -> list[int]:
    """Return the photos of the map, by their places among all."""
    return [int(row) for row in report.sample.rows[report.map_rows]]


def map_name(kind: str, say: Words) -> str:
    """Name a layout of the map."""
    names = {
        "pca": say("Principal components"),
        "labels": say("Label directions"),
        "neighbours": say("Neighbours (t-SNE)"),
    }
    return names[kind]


def short(text: str, most: int) -> str:
    """Cut the middle out of a text that is longer than `most` characters."""
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - end - 1]}…{text[-end:]}"


def _title(report: Report, name: str) -> str:
    """Name the report by the folder of its photos, as people know that one."""
    return PurePosixPath(str(report.record.get("photos", ""))).name or name


def _lead(report: Report, say: Words) -> str:
    return say(
        "%(photos)s of %(labels)s, embedded by %(backbone)s and reduced to %(components)s.",
        photos=say.plural(
            "%(count)s photo", "%(count)s photos", report.record["counts"]["embedded"]
        ),
        labels=say.plural("%(count)s label", "%(count)s labels", len(report.photos.names)),
        backbone=report.record["backbone"]["name"],
        components=say.plural("%(count)s component", "%(count)s components", report.pca.k),
    )


def _kept(report: Report, say: Words) -> str:
    record, standardized = report.record, report.pca.standardized
    features = say("%(features)s features", features=say.number(record["backbone"]["features"]))
    if standardized:
        features = say("%(features)s, each divided by its spread", features=features)
    return say.plural(
        "%(count)s component keeps %(share)s of the variance of %(features)s. "
        "The data could give %(rank)s.",
        "%(count)s components keep %(share)s of the variance of %(features)s. "
        "The data could give %(rank)s.",
        report.pca.k,
        share=say.percent(record["projection"]["explained_variance"]),
        features=features,
        rank=say.number(report.pca.rank),
    )


def _compared(report: Report, say: Words) -> str:
    """Say how the projection compares with one fitted anew, where the run looked at that."""
    projection = report.record["projection"]
    figures = projection.get("compared")
    if not figures:
        return ""
    values = {
        "kept": say.percent(figures["variance_kept"], 3),
        "best": say.percent(figures["variance_best"], 3),
        "separation": say.percent(figures["separation_kept"], 2),
        "angle": say.number(figures["angle"], 1),
    }
    if not projection["held"]:
        return say(
            "The projection was fitted anew: as many components of the run before would keep "
            "%(kept)s, whereas it keeps %(best)s, and %(separation)s of the separation of labels; "
            "the largest angle between the subspaces is %(angle)s°.",
            **values,
        )
    return say(
        "The projection is held from an earlier run, of %(photos)s photos: of all photos it keeps "
        "%(kept)s, whereas as many fitted anew would keep %(best)s, and %(separation)s of the "
        "separation of labels; the largest angle between the subspaces is %(angle)s°.",
        photos=say.number(report.pca.rows),
        **values,
    )


def _tiles(report: Report, say: Words) -> list[tuple[str, str, str]]:
    record = report.record
    counts, projection = record["counts"], record["projection"]
    seconds = sum(float(value) for value in record["seconds"].values())
    number = say.number
    features = number(record["backbone"]["features"])
    cores = say.plural("%(count)s core", "%(count)s cores", int(record["cores"]))
    tiles = [
        (
            number(counts["embedded"]),
            say.plural("photo embedded", "photos embedded", counts["embedded"]),
            say.plural("of %(count)s listed", "of %(count)s listed", counts["listed"]),
        ),
        (
            number(len(report.photos.names)),
            say.plural("label", "labels", len(report.photos.names)),
            _per_label(report, say),
        ),
        (
            number(counts["rejected"]),
            say.plural("photo rejected", "photos rejected", counts["rejected"]),
            _share(counts["rejected"], counts["listed"], say),
        ),
        (
            number(report.pca.k),
            say.plural("component kept", "components kept", report.pca.k),
            say("of %(features)s features", features=features),
        ),
        (
            say.percent(float(projection["explained_variance"])),
            say("of the variance kept"),
            say("rank %(rank)s", rank=number(report.pca.rank)),
        ),
        (
            number(report.rate) if report.rate else "–",
            say("photos per second"),
            say("on %(cores)s; %(seconds)s s in all", cores=cores, seconds=number(seconds)),
        ),
    ]
    cost = record.get("cost")
    if isinstance(cost, Mapping) and "amount" in cost:
        money = f"{say.number(float(cost['amount']), 2)} {cost.get('currency', 'USD')}"
        tiles.append((money, say("cost"), str(cost.get("where", ""))))
    return tiles


def _per_label(report: Report, say: Words) -> str:
    if not len(report.counts):
        return say("no photo has a label")
    low, high = int(report.counts.min()), int(report.counts.max())
    if low == high:
        return say.plural("%(count)s photo each", "%(count)s photos each", low)
    return say("%(low)s to %(high)s photos each", low=say.number(low), high=say.number(high))


def _share(part: int, whole: int, say: Words) -> str:
    if not whole:
        return say("of none")
    return say("%(share)s of all", share=say.percent(part / whole))


def _stages(record: Mapping[str, Any], say: Words) -> list[tuple[str, float, float]]:
    seconds = {str(name): float(value) for name, value in record["seconds"].items()}
    whole = sum(seconds.values()) or 1.0
    return [(say.known("stages", name), value, value / whole) for name, value in seconds.items()]


@dataclass(frozen=True, slots=True)
class Headline:
    """One line of what stands out; `kind` is good, look or bad; `section` is where to read on."""

    kind: str
    text: str
    section: str


def _headlines(report: Report, say: Words) -> list[Headline]:
    counts = report.record["counts"]
    failed = [_check(check, say).what for check in report.checks if not check.passed]
    lines = [
        Headline("bad", say("A check failed: %(what)s.", what=what), "provenance")
        for what in failed
    ] or [
        Headline(
            "good", say("All %(checks)s checks passed.", checks=len(report.checks)), "provenance"
        )
    ]
    if counts["rejected"]:
        reasons = ", ".join(
            f"{say.number(one.photos)} {_reason(one, say).reason}" for one in report.rejects
        )
        text = say.plural(
            "%(count)s photo was rejected: %(reasons)s.",
            "%(count)s photos were rejected: %(reasons)s.",
            counts["rejected"],
            reasons=reasons,
        )
        lines.append(Headline("look", text, "rejects"))
    if report.duplicates.extra:
        groups = int(report.duplicates.groups.max())
        text = say.plural(
            "%(count)s photo repeats a picture that is already there, in %(groups)s.",
            "%(count)s photos repeat a picture that is already there, in %(groups)s.",
            report.duplicates.extra,
            groups=say.plural("%(count)s group", "%(count)s groups", groups),
        )
        lines.append(Headline("look", text, "duplicates"))
    if len(report.mislabels.rows):
        text = say.plural(
            "%(count)s photo looks mislabelled.",
            "%(count)s photos look mislabelled.",
            len(report.mislabels.rows),
        )
        lines.append(Headline("look", text, "mislabelled"))
    if report.leaks:
        text = say.plural(
            "%(count)s picture is on more than one side of the split.",
            "%(count)s pictures are on more than one side of the split.",
            len(report.leaks),
        )
        lines.append(Headline("look", text, "leaks"))
    if report.oddities:
        text = say.plural(
            "%(count)s photo is blurred, dark, bright, tiny or of odd shape.",
            "%(count)s photos are blurred, dark, bright, tiny or of odd shape.",
            len({one.row for one in report.oddities}),
        )
        lines.append(Headline("look", text, "oddities"))
    if report.spellings:
        text = say.plural(
            "%(count)s label is written in several ways.",
            "%(count)s labels are written in several ways.",
            len(report.spellings),
        )
        lines.append(Headline("look", text, "spellings"))
    lines += _about_labels(report, say)
    if not report.pca.k:
        text = say("The photos have no variance: no component.")
        lines.append(Headline("look", text, "variance"))
    text, kind = _verdict(report, say)
    lines.append(Headline(kind, text, "drift"))
    return lines


def _about_labels(report: Report, say: Words) -> Iterable[Headline]:
    few = int((report.counts < FEW_PHOTOS).sum())
    if few:
        text = say.plural(
            "%(count)s label has fewer than %(few)s photos.",
            "%(count)s labels have fewer than %(few)s photos.",
            few,
            few=FEW_PHOTOS,
        )
        yield Headline("look", text, "few")
    if report.separation is None:
        known = len(report.photos.names)
        why = say("No photo has a label") if not known else say("There is one label only")
        if len(report.photos) < 2:
            why = say.plural(
                "There is %(count)s photo", "There are %(count)s photos", len(report.photos)
            )
        text = say("%(why)s: how labels separate cannot be said.", why=why)
        yield Headline("look", text, "separation")
        return
    after = report.separation.overall[1]
    kind = "good" if after >= 0.8 else "look"
    text = say(
        "After reduction, %(share)s of a photo's nearest neighbours carry its label "
        "(%(chance)s by chance).",
        share=say.percent(after),
        chance=say.percent(report.separation.chance),
    )
    yield Headline(kind, text, "separation")
    if report.separation.pairs and report.separation.pairs[0].share >= 0.15:
        pair = report.separation.pairs[0]
        first, second = (_named(report, code) for code in (pair.first, pair.second))
        text = say(
            "“%(first)s” and “%(second)s” are hard to tell apart.", first=first, second=second
        )
        yield Headline("look", text, "separation")


def _reason(one: Rejected, say: Words) -> Rejected:
    """Name and explain a reason as the page does; one of another version stands as it is."""
    meaning = say(one.meaning) if one.meaning else ""
    return replace(one, reason=say.known("reasons", one.reason), meaning=meaning)


def _check(check: Check, say: Words) -> Check:
    """Tell a check as the page does."""
    values = {
        name: say.number(value) if isinstance(value, int) else say.power(value)
        for name, value in check.values.items()
    }
    return replace(check, what=say(check.what), figures=say(check.figures, **values))


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


def _confusions(report: Report) -> list[dict[str, Any]]:
    if report.separation is None:
        return []
    return [
        {
            "label": _named(report, one.label),
            "named": _named(report, one.named),
            "photos": one.photos,
            "share": one.share,
            "examples": [
                (_of_sample(report, row), _of_sample(report, near)) for row, near in one.examples
            ],
        }
        for one in report.separation.confusions[:_FIRST]
    ]


def _group(report: Report, group: slice) -> dict[str, Any]:
    """Return what is shown of a group of duplicates."""
    found, codes = report.duplicates, report.photos.codes
    return {
        "across": len(np.unique(codes[found.rows[group]])) > 1,
        "exact": bool(found.exact[group].all()),
        "difference": float(found.difference[group].max()),
        "size": group.stop - group.start,
        "photos": [_of_all(report, row) for row in found.rows[group][:MOST_OF_A_GROUP].tolist()],
    }


def _mislabels(report: Report) -> list[dict[str, Any]]:
    found = report.mislabels
    return [
        {
            "photo": _of_sample(report, int(row)),
            "suggested": report.photos.names[int(suggested)],
            "margin": float(margin),
            "votes": float(votes),
            "near": [_of_sample(report, int(at)) for at in report.neighbours.index[row][:3]],
        }
        for row, suggested, margin, votes in zip(
            found.rows[:_SUSPECTS], found.suggested, found.margin, found.votes, strict=False
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
    few = np.union1d(np.flatnonzero(report.counts < FEW_PHOTOS), list(report.unbalanced))
    rows = [_label(report, int(code)) for code in few[: _SHOWN * 2]]
    return sorted(rows, key=lambda row: row["photos"])


def _label(report: Report, code: int) -> dict[str, Any]:
    """Return a label, how many photos it has, and some of them."""
    (mine,) = np.nonzero(report.codes == code)
    examples = [_of_sample(report, int(at)) for at in mine[:4]]
    return {
        "name": _named(report, code),
        "photos": int(report.counts[code]),
        "examples": examples,
    }


def _spellings(report: Report) -> list[list[dict[str, Any]]]:
    codes = {name: code for code, name in enumerate(report.photos.names)}
    return [
        [_label(report, codes[name]) for name in one.labels[:_FIRST]]
        for one in report.spellings[:_SHOWN]
    ]


def _oddities(report: Report) -> list[dict[str, Any]]:
    found = []
    for kind in KINDS:
        mine = [one for one in report.oddities if one.what == kind]
        shown = [
            {"photo": _of_all(report, one.row), "figure": one.figure, "usual": one.usual}
            for one in mine[:_SHOWN]
        ]
        found.append({"kind": kind, "count": len(mine), "photos": shown})
    return [one for one in found if one["count"]]


def _verdict(report: Report, say: Words) -> tuple[str, str]:
    found = report.drift
    if found.verdict == "first":
        return say(
            "This is the first run that left a report here: there is none to compare with."
        ), ""
    if found.verdict == "other_backbone":
        return say(
            "The run before used another backbone or other views, so that nothing can be compared."
        ), "look"
    if found.verdict == "unchanged":
        return say("No photo is new since the run before."), "good"
    if found.verdict == "none":
        text = say.plural(
            "%(count)s new photo: no drift from the run before%(unseen)s.",
            "%(count)s new photos: no drift from the run before%(unseen)s.",
            found.new,
            unseen=_unseen(found.visible, say),
        )
    elif found.verdict == "small":
        text = say.plural(
            "%(count)s new photo: a small drift from the run before.",
            "%(count)s new photos: a small drift from the run before.",
            found.new,
        )
    else:
        text = say.plural(
            "%(count)s new photo: a clear drift from the run before.",
            "%(count)s new photos: a clear drift from the run before.",
            found.new,
        )
    if found.new_labels:
        text += " " + say.plural(
            "%(count)s label is new.", "%(count)s labels are new.", len(found.new_labels)
        )
    return text, "good" if found.verdict == "none" and not found.new_labels else "look"


def _unseen(visible: float, say: Words) -> str:
    """Say what so few photos could not have shown."""
    if visible <= SMALL:
        return ""
    return say(" (one below %(spreads)s spreads could not be seen)", spreads=say.number(visible, 1))


def _drift(report: Report, say: Words) -> dict[str, Any]:
    found = report.drift
    return {
        "text": _verdict(report, say)[0],
        "components": found.components,
        "labels": found.labels[:_SHOWN],
        "new_labels": [short(name, 60) for name in found.new_labels[:_SHOWN]],
        "missing_labels": [short(name, 60) for name in found.missing_labels[:_SHOWN]],
    }


def _notes(report: Report, say: Words) -> list[tuple[str, str]]:
    """Return the notes of the run, each with the language that it is in."""
    record = report.record
    notes = [*record["notes"], *record["projection"]["notes"]]
    told = [(note, say.note(note)) for note in notes]
    return [(say.language, text) if text else ("en", note) for note, text in told]


def _detail(english: str, say: Words) -> tuple[str, str]:
    """Say the detail of a reject, which STORE has in English; first, the language that it is in."""
    said = english if say.language == "en" else phrases(say.language).say(english)
    return ("en" if said == english else say.language), said


def _provenance(report: Report, say: Words) -> dict[str, list[tuple[str, str]]]:
    """Return what the record says, in English by its own names, which are those of the settings."""
    record, backbone = report.record, report.record["backbone"]
    run = {"photos": str(record["photos"])} if "photos" in record else {}
    run |= {name: say.moment(str(record[name])) for name in ("started", "finished")
            if name in record}  # fmt: skip
    if "reduced" in record:
        run["reduced"] = say.moment(str(record["reduced"].get("finished", "")))
    seen = {str(name): str(value) for name, value in backbone.items() if name not in _FRAMING}
    seen |= {"features": say.number(backbone["features"]), "views": str(framing_of(backbone))}
    settings = {str(name): _setting(name, value, say) for name, value in record["settings"].items()}

    def told(section: str, values: Mapping[str, str]) -> list[tuple[str, str]]:
        return [(say.known(section, name), value) for name, value in values.items()]

    return {
        say("Run"): told("record", run),
        say("Versions"): [(str(k), str(v)) for k, v in record["versions"].items()],
        say("Backbone"): told("backbone", seen),
        say("Settings"): told("settings", settings),
    }


def _setting(name: str, value: Any, say: Words) -> str:
    """Write a setting; of pairs (--spark-conf) the keys alone, as values may be secrets."""
    if isinstance(value, bool):
        return say("yes") if value else say("no")
    if isinstance(value, list):
        return ", ".join(f"{str(one).partition('=')[0]}=…" for one in value)
    if name in _IN_WORDS:
        return say.known("values", str(value)) if value is not None else ""
    if name == "components" and value is not None:  # a number, which the record has as text
        value = parse_components(value)
    if isinstance(value, int | float):
        digits = np.format_float_positional(value, trim="-").partition(".")[2]
        return say.number(value, len(digits))
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
    label = report.photos.label(row)
    return Shown(
        short(report.photos.path(row), 200),
        None if label is None else short(label, 80),
        report.pictures.of(row),
        row,
    )
