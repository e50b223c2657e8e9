"""Which photos of a gallery an app holds, where it cannot hold all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


def chosen(label_ids: npt.NDArray[np.integer], most: int) -> Ids:
    """Choose at most so many photos, as many of each label as that allows, evenly over its photos.

    label_ids: (n,), the label of each photo; −1 for none, which counts as one more
    Returns the rows of those chosen, in order: int64 (m,).
    """
    each = most_each(np.bincount(label_ids + 1), most)
    order = np.argsort(label_ids, kind="stable")
    ends = np.cumsum(np.bincount(label_ids + 1))
    rows = [evenly(ids, each) for ids in np.split(order, ends[:-1])]
    return np.sort(np.concatenate([*rows, np.zeros(0, np.int64)])).astype(np.int64)


def most_each(counts: npt.NDArray[np.integer], most: int) -> int:
    """Return how many of each label, of its `counts`, may be taken without passing `most`."""
    least, too_many = 0, int(counts.max(initial=0)) + 1
    while too_many - least > 1:
        middle = (least + too_many) // 2
        if np.minimum(counts, middle).sum() <= most:
            least = middle
        else:
            too_many = middle
    return least


def evenly(ids: npt.NDArray[np.integer], most: int) -> npt.NDArray[np.integer]:
    """Take so many, evenly: the first photos of a label are often of one single fruit."""
    if len(ids) <= most:
        return ids
    return ids[np.arange(most) * len(ids) // most]


def stands_for(label_ids: npt.NDArray[np.integer], rows: Ids) -> npt.NDArray[np.float32]:
    """Return for how many photos of its label each of the chosen ones speaks: float32 (m,)."""
    there = np.bincount(label_ids + 1)
    kept = np.bincount(label_ids[rows] + 1, minlength=len(there))
    speaks = there / np.maximum(kept, 1)
    return np.asarray(speaks[label_ids[rows] + 1], dtype=np.float32)
