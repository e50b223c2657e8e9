"""How labels separated before people corrected some of them, beside how they do now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from verger.report.neighbours import Neighbours, purity, purity_by_label
from verger.report.reading import Ints, Photos
from verger.store.corrections import Corrections


class ChangedLabel(NamedTuple):
    """A label that photos were given or taken from: how many it had and has, and their purity."""

    name: str
    photos_before: int
    photos: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Corrected:
    """The same photos with the labels that they had at first, and with those that they have.

    photos: how many of them carry another label than at first
    before, after: mean purity with the labels of then, and with those of now
    labels: those that were given or lost photos, the greatest change of purity first
    """

    photos: int
    before: float
    after: float
    labels: tuple[ChangedLabel, ...]


def compare_corrected(
    neighbours: Neighbours, photos: Photos, rows: Ints, codes: Ints, corrections: Corrections
) -> Corrected | None:
    """Compare both, on the photos `rows` whose labels are `codes`; None where all are as at first.

    Neighbours do not depend on labels, so that nothing but these differs.
    """
    originals = corrections.originals
    given = pa.array(sorted(corrections.labels), pa.string())
    at = pc.index_in(photos.paths.take(pa.array(rows)), given).to_numpy(zero_copy_only=False)
    names = list(photos.names)
    places = {name: code for code, name in enumerate(names)}
    then = codes.copy()
    for row in np.flatnonzero(np.isfinite(at.astype(np.float64))).tolist():
        name = originals[given[int(at[row])].as_py()]
        if name is not None and name not in places:
            places[name] = len(names)
            names.append(name)
        then[row] = -1 if name is None else places[name]
    changed = then != codes
    if not changed.any() or not neighbours.index.shape[1]:
        return None
    shares = [purity(neighbours, each) for each in (then, codes)]
    before, after = (
        purity_by_label(share, each, len(names))
        for share, each in zip(shares, (then, codes), strict=True)
    )
    counts = [np.bincount(each[each >= 0], minlength=len(names)) for each in (then, codes)]
    touched = np.setdiff1d(np.union1d(then[changed], codes[changed]), [-1]).tolist()
    labels = [
        ChangedLabel(names[c], int(counts[0][c]), int(counts[1][c]), before[c], after[c])
        for c in touched
    ]
    labels.sort(key=lambda one: (-np.nan_to_num(abs(one.after - one.before)), one.name))
    return Corrected(int(changed.sum()), _mean(shares[0]), _mean(shares[1]), tuple(labels))


def _mean(shares: npt.NDArray[np.float64]) -> float:
    return float(np.nanmean(shares)) if np.isfinite(shares).any() else float("nan")
