"""Photo references → features and rejects, as Arrow record batches. No Spark.

Photos are read some way ahead of the decoder, decoded a little ahead of the network, and put into
batches, all at the same time and in order, within a bounded amount of memory:

    references ─► read (threads) ─► decode (a thread) ─► batches ─► network ─► record batches

What was made of the same bytes before is taken as it is, in place of decoding and computing.
Where a GPU computes the network, as many threads decode for it as there are cores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from verger.embed import Backbone
from verger.photos.decode import Photo, decode
from verger.photos.reasons import Reason, Reject, reason_of
from verger.photos.references import PhotoRef
from verger.photos.small import small_picture
from verger.settings import RunSettings
from verger.storage.prefetch import ahead

READ_AHEAD_PHOTOS = 32  # or twice as many as are read at once
READ_AHEAD_BYTES = 32 * 2**20  # of encoded photos; one larger photo is still read, alone
READ_THREADS = 8
ROWS_A_RECORD_BATCH = 64
MOST_ROWS_HELD = 512  # or twice a batch of the network, so that rejects among it cut none short
DECODE_AHEAD = 8  # decoded photos, 150 kB a view at 224 pixels
DECODE_AHEAD_BYTES = 128 * 2**20  # of what they, and those that wait for it, are decoded from

MAX_BYTES = RunSettings().max_bytes

DENIED = "Permission denied"  # a photo's detail, the same in a folder, a bucket and on the web

_OF_THE_REFERENCE = ("path", "label", "bytes", "modified", "e_tag")  # columns of both tables
_NO_PIXELS = np.empty((0, 0, 0, 3), dtype=np.uint8)

Read = Callable[[str], bytes]  # path relative to PHOTOS → the file's bytes
Progress = Callable[[int, int], None]  # photos embedded and rejected so far
# uint8 (N, views, size, size, 3) → float32 (N, features)
Infer = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Embedder:
    """Everything that turns one reference into one row, but the network itself."""

    backbone: Backbone
    batch_size: int
    max_pixels: int
    max_bytes: int = MAX_BYTES  # of a file
    decoders: int = 1  # threads

    @property
    def decode_ahead(self) -> int:
        """How many photos are decoded ahead of the network: while a GPU has one batch, the next."""
        return DECODE_AHEAD if self.decoders == 1 else 2 * max(self.batch_size, self.decoders)


class Made(NamedTuple):
    """What was made of a photo's bytes before: its features, float32, and the other columns."""

    features: npt.NDArray[np.float32]
    columns: dict[str, Any]


Recall = Callable[[bytes], Made | None]  # SHA-256 of a photo's bytes → what was made of the same


class _Decoded(NamedTuple):
    ref: PhotoRef
    outcome: Photo | Made | Reject
    sha256: bytes = b""


class Embedded(NamedTuple):
    """Some references, embedded: the rows of both tables, each in the order of the references.

    reused: how many rows of features are those of the same bytes before
    """

    features: pa.RecordBatch
    rejects: pa.RecordBatch
    reused: int = 0


def features_schema() -> pa.Schema:
    """Schema of the table of features: one row a photo that was embedded."""
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("label", pa.string()),
            pa.field("features", pa.list_(pa.float32())),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            pa.field("bytes", pa.int64()),
            pa.field("modified", pa.timestamp("us", tz="UTC")),
            pa.field("thumbnail", pa.binary()),
            pa.field("e_tag", pa.string()),
            pa.field("picture", pa.binary()),
            pa.field("sha256", pa.binary()),
        ]
    )


def content_columns() -> list[str]:
    """Name the columns of the table of features that a photo's bytes decide, and nothing else."""
    return [name for name in features_schema().names if name not in _OF_THE_REFERENCE]


def rejects_schema() -> pa.Schema:
    """Schema of the table of rejects: one row a photo that could not be used."""
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("label", pa.string()),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("detail", pa.string()),
            pa.field("bytes", pa.int64()),
            pa.field("modified", pa.timestamp("us", tz="UTC")),
            pa.field("e_tag", pa.string()),
        ]
    )


def embed(
    refs: Iterable[PhotoRef],
    embedder: Embedder,
    read: Read,
    infer: Infer,
    report: Progress = lambda _embedded, _rejected: None,
    *,
    reads_at_once: int = READ_THREADS,
    recall: Recall = lambda _sha256: None,
) -> Iterator[Embedded]:
    """Embed photos: one row for each reference, kept or rejected, in the same order, in batches.

    `read` may raise OSError, which makes that photo a reject and no other. A batch of the network
    is always full but for the last, so that one bad photo changes none of its neighbours' features.
    Where `recall` knows what was made of the same bytes before, nothing is decoded.
    """
    rows = _Rows(embedder.backbone.card.features, infer)
    decoders = ThreadPoolExecutor(embedder.decoders)
    with ThreadPoolExecutor(reads_at_once) as readers, decoders:
        ahead_of = max(READ_AHEAD_PHOTOS, 2 * reads_at_once)
        most = max(MOST_ROWS_HELD, 2 * embedder.batch_size)
        for decoded in _decoded(refs, embedder, read, recall, readers, decoders, ahead_of):
            rows.add(decoded)
            if len(rows.waiting) == embedder.batch_size:
                rows.infer()
                report(rows.embedded, rows.rejected)
            is_enough = len(rows) >= ROWS_A_RECORD_BATCH and not rows.waiting
            if is_enough or len(rows) >= most:
                yield rows.flush()
                report(rows.embedded, rows.rejected)
        if len(rows):
            yield rows.flush()
    report(rows.embedded, rows.rejected)


def fetch(ref: PhotoRef, read: Read, max_bytes: int) -> bytes:
    """Return a photo's bytes. Raises `Reject` for one that cannot be read, or has too many."""
    if ref.reason is not None:
        raise Reject(Reason(ref.reason), ref.detail or "")
    size = ref.bytes
    if size <= max_bytes:
        try:
            data = read(ref.path)
        except PermissionError as error:
            raise Reject(reason_of(error), DENIED) from None
        except OSError as error:
            raise Reject(reason_of(error), error.strerror or type(error).__name__) from None
        size = len(data)  # a list on the web does not say how large its photos are
        if size <= max_bytes:
            return data
    raise Reject(Reason.TOO_LARGE, f"{size} bytes; --max-bytes is {max_bytes}")


def _decoded(
    refs: Iterable[PhotoRef],
    embedder: Embedder,
    read: Read,
    recall: Recall,
    readers: ThreadPoolExecutor,
    decoders: ThreadPoolExecutor,
    read_ahead: int,
) -> Iterator[_Decoded]:
    framing = embedder.backbone.card.input.framing

    def fetched(ref: PhotoRef) -> tuple[PhotoRef, bytes | Reject, bytes]:
        try:
            data = fetch(ref, read, embedder.max_bytes)
            return ref, data, hashlib.sha256(data).digest()
        except Reject as reject:
            return ref, reject, b""

    def open_(read: tuple[PhotoRef, bytes | Reject, bytes]) -> _Decoded:
        ref, data, sha256 = read
        if isinstance(data, Reject):
            return _Decoded(ref, data)
        try:
            made = recall(sha256) or decode(data, framing, embedder.max_pixels)
            return _Decoded(ref, made, sha256)
        except Reject as reject:
            return _Decoded(ref, reject)

    in_memory = ahead(
        readers,
        fetched,
        refs,
        most=read_ahead,
        weight=lambda ref: ref.bytes,
        most_weight=READ_AHEAD_BYTES,
    )
    return ahead(
        decoders,
        open_,
        in_memory,
        most=embedder.decode_ahead,
        weight=lambda got: len(got[1]) if isinstance(got[1], bytes) else 0,
        most_weight=DECODE_AHEAD_BYTES,
    )


class _Rows:
    """Rows in the order of the references, and the photos among them that wait for the network."""

    def __init__(self, features: int, infer: Infer) -> None:
        self._width = features
        self._infer = infer
        self._rows: list[_Decoded] = []
        self._features: list[npt.NDArray[np.float32]] = []
        self.waiting: list[npt.NDArray[np.uint8]] = []
        self.embedded = 0
        self.rejected = 0
        self._reused = 0

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: _Decoded) -> None:
        if isinstance(row.outcome, Photo):
            self.waiting.append(row.outcome.pixels)
            row = row._replace(outcome=replace(row.outcome, pixels=_NO_PIXELS))
        elif isinstance(row.outcome, Made):
            self.embedded += 1
            self._reused += 1
        else:
            self.rejected += 1
        self._rows.append(row)

    def infer(self) -> None:
        if self.waiting:
            self._features.append(self._infer(np.stack(self.waiting)))
            self.embedded += len(self.waiting)
            self.waiting.clear()

    def flush(self) -> Embedded:
        self.infer()
        rows, self._rows = self._rows, []
        reused, self._reused = self._reused, 0
        computed = (row for some in self._features for row in some)
        kept, rejects = [], []
        values = [np.empty(0, np.float32)]
        for ref, outcome, sha256 in rows:
            row = {name: getattr(ref, name) for name in _OF_THE_REFERENCE}
            if isinstance(outcome, Photo):
                sizes = {"width": outcome.width, "height": outcome.height}
                seen = {"thumbnail": outcome.thumbnail, "picture": small_picture(outcome.thumbnail)}
                kept.append(row | sizes | seen | {"sha256": sha256})
                values.append(next(computed))
            elif isinstance(outcome, Made):
                kept.append(row | outcome.columns)
                values.append(outcome.features)
            else:
                rejects.append(row | {"reason": outcome.reason.value, "detail": outcome.detail})
        schema = features_schema()
        at = schema.get_field_index("features")
        features = pa.RecordBatch.from_pylist(kept, schema)
        self._features.clear()
        offsets = np.arange(len(kept) + 1, dtype=np.int32) * np.int32(self._width)
        lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(values)))
        return Embedded(
            features.set_column(at, schema.field(at), lists),
            pa.RecordBatch.from_pylist(rejects, rejects_schema()),
            reused,
        )
