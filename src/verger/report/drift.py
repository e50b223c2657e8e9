"""How the photos of this run differ from those of the run before.

A report keeps a summary of its run: means and spreads of all photos, and of each label, along the
first principal components. The next run's new photos are placed along the *same* directions and
compared with it: shifts are differences of means in units of the earlier spread (J. Cohen,
"Statistical power analysis for the behavioral sciences", 1988, from whom 0.2 for small and 0.5 for
medium). A shift counts where it is also more than 3.5 standard errors: that one of 16 components
passes by chance happens less than once in a hundred runs.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from verger.projections.model_files import count_of
from verger.projections.npy import array_in
from verger.projections.pca import PCA
from verger.report.reading import Floats, Photos
from verger.storage.place import Place
from verger.store.record_file import is_as_written, sealed

DIRECTIONS = 16
SMALL, CLEAR = 0.2, 0.5  # spreads
FORMAT = 1
SUMMARY, KEYS = "baseline.json", "baseline.keys.npy"
_ERRORS = 3.5
_FEWEST = 5  # photos of a label, on both sides
_MOST_LABELS = 500
_ROWS_A_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class Summary:
    """Means and spreads of one run's photos along q directions.

    offset, directions:  float32 (q,), (q, d): a row x is placed at directions @ x − offset
    mean, spread:        float64 (q,)
    labels:              label → (photos, mean (q,), spread (q,)); the most frequent 500
    """

    finished: str
    backbone: str  # SHA-256, a blank, and how it saw photos; older summaries have the first alone
    photos: int
    offset: Floats
    directions: Floats
    mean: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]
    labels: Mapping[str, tuple[int, npt.NDArray[np.float64], npt.NDArray[np.float64]]]
    keys: npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Shift:
    """One difference of means: of a component (`label` None), or of a label where it is largest."""

    component: int
    label: str | None
    photos: int
    before: float
    after: float
    spreads: float
    counts: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """The comparison. `verdict` is one of first, unchanged, other_backbone, none, small, clear.

    `visible` is the smallest shift, in spreads, that so many photos can show.
    """

    verdict: str
    since: str = ""
    old: int = 0
    new: int = 0
    gone: int = 0
    components: tuple[Shift, ...] = ()
    labels: tuple[Shift, ...] = ()
    new_labels: tuple[str, ...] = ()
    missing_labels: tuple[str, ...] = ()
    visible: float = 0.0


def directions_of(pca: PCA) -> tuple[Floats, Floats]:
    """Return the first principal directions (q, d) of raw features, and their offset (q,)."""
    directions = (pca.components[:DIRECTIONS] / pca.scale).astype(np.float32)
    return directions, (directions @ pca.mean).astype(np.float32)


def summarise(
    photos: Photos,
    placed: Floats,
    directions: Floats,
    offset: Floats,
    *,
    finished: str,
    backbone: str,
) -> Summary:
    """Summarise the photos of a run, which lie at `placed` (n, q)."""
    labels = {}
    counts = photos.counts()
    for code in np.argsort(-counts, kind="stable")[:_MOST_LABELS].tolist():
        mine = placed[photos.codes == code]
        labels[photos.names[code]] = (len(mine), *_mean_and_spread(mine))
    mean, spread = _mean_and_spread(placed)
    return Summary(
        finished, backbone, len(photos), offset, directions, mean, spread, labels,
        np.sort(photos.contents),
    )  # fmt: skip


def compare(old: Summary | None, photos: Photos, placed: Floats, backbone: str) -> Drift:
    """Compare the photos that the earlier run did not have with the earlier run.

    `placed` is (n, q): all photos along the earlier run's directions.
    """
    if old is None:
        return Drift("first")
    if old.backbone not in (backbone, backbone.partition(" ")[0]):
        return Drift("other_backbone", since=old.finished, old=old.photos)
    # Summaries of older reports know photos by path and size.
    fresh = ~(np.isin(photos.contents, old.keys) | np.isin(photos.keys, old.keys))
    gone = int((~np.isin(old.keys, np.concatenate([photos.contents, photos.keys]))).sum())
    new = int(fresh.sum())
    named = {photos.names[code] for code in np.unique(photos.codes[photos.codes >= 0])}
    found = Drift(
        "unchanged",
        since=old.finished,
        old=old.photos,
        new=new,
        gone=gone,
        new_labels=tuple(sorted(named - set(old.labels))),
        missing_labels=tuple(sorted(set(old.labels) - named)),
    )
    if not new or not old.photos or not placed.shape[1]:
        return found
    components = _shifts(None, placed[fresh], old.photos, old.mean, old.spread)
    labels = []
    for code in np.unique(photos.codes[fresh & (photos.codes >= 0)]).tolist():
        known = old.labels.get(photos.names[code])
        mine = placed[fresh & (photos.codes == code)]
        if known and min(known[0], len(mine)) >= _FEWEST:
            shifts = _shifts(photos.names[code], mine, *known)
            labels.append(max(shifts, key=lambda shift: (shift.counts, abs(shift.spreads))))
    labels.sort(key=lambda shift: (-shift.counts, -abs(shift.spreads)))
    worst = max((abs(s.spreads) for s in components if s.counts), default=0.0)
    verdict = "clear" if worst >= CLEAR else "small" if worst >= SMALL else "none"
    visible = float(_ERRORS * np.sqrt(1 / new + 1 / old.photos))
    return replace(
        found,
        verdict=verdict,
        visible=visible,
        components=tuple(components),
        labels=tuple(labels),
    )


def load_summaries(place: Place, folder: str) -> tuple[Summary | None, Summary | None]:
    """Read the summaries of the last run and of the one before; what cannot be read is None."""
    return _load(place, f"{folder}/"), _load(place, f"{folder}/previous-")


def save_summaries(folder: Path, current: Summary, previous: Summary | None) -> None:
    """Write both summaries into the folder of a report."""
    for prefix, summary in (("", current), ("previous-", previous)):
        if summary is not None:
            keys = folder / f"{prefix}{KEYS}"
            np.save(keys, summary.keys, allow_pickle=False)
            said = sealed(_as_json(summary) | {"keys": _sha256(keys.read_bytes())})
            text = json.dumps(said, ensure_ascii=False) + "\n"
            (folder / f"{prefix}{SUMMARY}").write_text(text, encoding="utf-8")


def _mean_and_spread(
    rows: Floats,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if not len(rows):
        return np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    mean = rows.mean(axis=0, dtype=np.float64)
    squares = np.zeros_like(mean)
    for start in range(0, len(rows), _ROWS_A_BLOCK):  # a copy of all in float64 would not be small
        squares += ((rows[start : start + _ROWS_A_BLOCK] - mean) ** 2).sum(axis=0)
    return mean, np.sqrt(squares / max(len(rows) - 1, 1))


def _shifts(
    label: str | None,
    fresh: Floats,
    old_count: int,
    old_mean: npt.NDArray[np.float64],
    old_spread: npt.NDArray[np.float64],
) -> list[Shift]:
    n = len(fresh)
    mean, _ = _mean_and_spread(fresh)
    spread = np.where(old_spread > 0, old_spread, 1.0)
    shifts = (mean - old_mean) / spread
    counts = np.abs(shifts) > _ERRORS * np.sqrt(1 / n + 1 / old_count)
    each = (values.tolist() for values in (old_mean, mean, shifts, counts))
    return [Shift(at, label, n, *one) for at, one in enumerate(zip(*each, strict=True), 1)]


def _as_json(summary: Summary) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "finished": summary.finished,
        "backbone": summary.backbone,
        "photos": summary.photos,
        "mean": _rounded(summary.mean),
        "spread": _rounded(summary.spread),
        "labels": {
            name: {"photos": n, "mean": _rounded(mean), "spread": _rounded(spread)}
            for name, (n, mean, spread) in summary.labels.items()
        },
        "offset": _rounded(summary.offset),
        "directions": {
            "shape": list(summary.directions.shape),
            "float32": base64.b64encode(summary.directions.astype("<f4").tobytes()).decode(),
        },
    }


def _load(place: Place, prefix: str) -> Summary | None:
    try:
        raw = json.loads(place.read(f"{prefix}{SUMMARY}"))
        if raw["format"] != FORMAT or not is_as_written(raw):
            return None
        photos, data = count_of(raw, "photos"), place.read(f"{prefix}{KEYS}")
        if raw.get("keys", found := _sha256(data)) != found:  # older summaries do not say
            return None
        file = np.frombuffer(data, np.uint8)
        keys = array_in(file, KEYS, "<u8", (photos,)).astype(np.uint64, copy=False)
        shape = tuple(int(side) for side in raw["directions"]["shape"])
        packed = base64.b64decode(raw["directions"]["float32"], validate=True)
        directions = np.frombuffer(packed, "<f4").reshape(shape)
        q = len(directions)
        if directions.ndim != 2:
            return None
        return Summary(
            str(raw["finished"]), str(raw["backbone"]), photos,
            _vector(raw["offset"], q).astype(np.float32), directions.astype(np.float32),
            _vector(raw["mean"], q), _vector(raw["spread"], q),
            {
                str(name): (
                    count_of(one, "photos"), _vector(one["mean"], q), _vector(one["spread"], q),
                )
                for name, one in raw["labels"].items()
            },
            keys,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _vector(values: Any, length: int) -> npt.NDArray[np.float64]:
    vector = np.asarray(values, dtype=np.float64)
    if vector.shape != (length,) or not np.isfinite(vector).all():
        raise ValueError("a vector of another length")
    return vector


def _rounded(values: npt.NDArray[np.floating]) -> list[float]:
    return [float(f"{value:.7g}") for value in values]
