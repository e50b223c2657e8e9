"""What commands say of what they looked at."""

from __future__ import annotations

from verger.cli.answers import verified_lines
from verger.store.defects import finding
from verger.verify import Verified


def test_verify_counts_photos_only_where_they_were_compared() -> None:
    sound = Verified(files=26, bytes=900_000, photos=30, embedded_again=5)
    assert verified_lines(sound, "store") == [
        "Sound: 26 files (0.9 MB), 30 photos, 5 of them embedded again."
    ]
    damaged = Verified(files=26, bytes=900_000, findings=[finding("matrix/1.parquet", "is gone")])
    assert verified_lines(damaged, "store")[-1] == (
        "1 finding: 26 files (0.9 MB); the matrix could not be compared with the features."
    )
