"""The table of peers: what two sizes say, and what is refused. Nothing of a peer runs here."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.measure import Failed, PastStart
from benchmarks.peers.checked import check
from benchmarks.peers.kept import Key, Measurement, Measurements
from benchmarks.peers.page import page, row

SIZES = (600, 3000)
SETTINGS: dict[str, str | int] = {"photos": "some", "cores": 2}


def test_what_starting_takes_falls_out() -> None:
    """4 s of start and 100 photos/s: 10 s for 600 and 34 s for 3,000."""
    past = PastStart.of(SIZES, (10.0, 34.0))
    assert past.rate == pytest.approx(100)
    assert past.start == pytest.approx(4)


def test_noise_gives_no_rate() -> None:
    assert PastStart.of(SIZES, (10.0, 9.9)).rate is None


@pytest.fixture
def measured(tmp_path: Path) -> Measurements:
    """Three rounds of `verger run` (200 photos/s, 3 s) and of Daft (100 photos/s, 1 s)."""
    found = Measurements(tmp_path / "bench" / "kept.jsonl", SETTINGS)
    found.open(resume=False)
    for who, rate, start in (("verger", 200, 3.0), ("daft", 100, 1.0)):
        for size in SIZES:
            # The outlier is no median, and memory of round 0 no time.
            for number, more in enumerate((50.0, 0.0, 0.0, 40.0)):
                seconds = start + size / rate + more
                key = Key(who, "net.onnx", size, number)
                found.add(Measurement(key, seconds, 2 * seconds, seconds + 1, 512.0, 1e-6))
    return found


def test_a_row_is_of_medians_and_memory_of_its_own_round(measured: Measurements) -> None:
    ours = row(measured, "verger", "net.onnx", SIZES)
    assert ours is not None
    assert ours.past_start.rate == pytest.approx(200)
    assert ours.past_start.start == pytest.approx(3)
    assert ours.cpu == pytest.approx(2 / 200)
    assert ours.memory == 512
    assert row(measured, "ray", "net.onnx", SIZES) is None


def test_the_page_has_the_ratio_to_each_peer(measured: Measurements) -> None:
    text = page(measured, SIZES, ["net.onnx"], "net.onnx", "a command")
    assert "| `verger run` | 200.0 |  |  | 3.0 | 6.0 / 18.0 | 10.00 | 512 |" in text
    # With the same network, and as it comes.
    assert "| Daft | 100.0 | 2.00 | ≥ 1.05 | 1.0 | 7.0 / 31.0 | 20.00 | 512 |" in text
    assert "| Daft | 100.0 | 2.00 | ≥ 1.8 | 1.0 |" in text


def test_a_stopped_run_goes_on_with_what_it_measured(measured: Measurements) -> None:
    again = Measurements(measured.file, SETTINGS)
    again.open(resume=True)
    assert again.all == measured.all
    with pytest.raises(Failed, match="other settings"):
        Measurements(measured.file, SETTINGS | {"cores": 4}).open(resume=True)
    anew = Measurements(measured.file, SETTINGS | {"cores": 4})
    anew.open(resume=False)
    assert not anew.all


def test_rows_that_are_missing_or_labelled_wrongly_are_refused(tmp_path: Path) -> None:
    def written(*paths: str, label: str = "Apple") -> Path:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        labels, features = [label] * len(paths), [[1.0, 2.0]] * len(paths)
        table = pa.table({"path": paths, "label": labels, "features": features})
        pq.write_table(table, folder / "part.parquet")
        return folder

    photos = tmp_path / "photos"
    photos.mkdir()
    whole = written("file:/photos/Apple/1.jpg", "file:/photos/Apple/2.jpg")
    assert check("peer", whole, photos, 2, None) is None
    with pytest.raises(Failed, match="wrote 1 rows of 1 photos, not 2"):
        check("peer", written("Apple/1.jpg"), photos, 2, None)
    with pytest.raises(Failed, match="wrote 2 rows of 1 photos, not 2"):
        check("peer", written("Apple/1.jpg", "Apple/1.jpg"), photos, 2, None)
    with pytest.raises(Failed, match="labels"):
        check("peer", written("Apple/1.jpg", label="Pear"), photos, 1, None)
