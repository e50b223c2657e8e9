"""Whole reports: what they say of STOREs of every kind, and that nothing in them is markup."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

from report_orchard import IMAGE, NAMES, QUOTE, SCRIPT, VIEWS, Orchard, jpeg
from report_stores import lay, make_store
from verger.cli.main import cli
from verger.demo.render import VARIETIES
from verger.errors import StoreError
from verger.photos.small import small_picture
from verger.pipeline import run
from verger.pipeline.reporting import report as at_the_end
from verger.progress import Silent
from verger.report import html, positions, write_report
from verger.report.data import build
from verger.report.thumbnails import KeptSheets, Sheets, picture
from verger.settings import RunSettings
from verger.store.layout import MATRIX, RECORD
from verger.store.log import log
from verger.store.store import Store


class Reading(HTMLParser):
    """Text and elements of a page, as a parser sees them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._inside = ""
        self.data = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside = str(dict(attrs).get("id", tag))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "data":
            self.data += data
        elif not self._inside:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())


def read(page: str | Path) -> Reading:
    return Reading(Path(page).read_text(encoding="utf-8"))


def test_what_was_planted_is_found(orchard: Orchard) -> None:
    report = build(orchard.store)
    rows = report.sample.rows[report.mislabels.rows]
    assert {report.photos.path(row) for row in rows} == set(orchard.wrong)
    names = report.photos.names
    found = {
        report.photos.path(row): names[suggested]
        for row, suggested in zip(rows, report.mislabels.suggested, strict=True)
    }
    assert found == orchard.wrong
    groups: dict[int, set[str]] = {}
    for row, group in zip(report.duplicates.rows, report.duplicates.groups, strict=True):
        groups.setdefault(int(group), set()).add(report.photos.path(row))
    assert sorted(groups.values(), key=sorted) == sorted(
        ({copy, original} for copy, original in orchard.copies.items()), key=sorted
    )
    assert {one.reason: one.photos for one in report.rejects} == {
        "empty": 1, "not_an_image": 1, "truncated": 1,
    }  # fmt: skip
    assert all(check.passed for check in report.checks)
    assert len(report.checks) == 6


def test_names_are_text_and_nothing_loads_from_outside(page: Path) -> None:
    seen = read(page)
    for hostile in (SCRIPT, IMAGE, QUOTE, "<i>no photo</i>.jpg", *NAMES.values()):
        assert hostile in seen.words
    assert not [tag for tag, _ in seen.tags if tag in ("i", "b") and "onerror" in str(_)]
    assert sum(tag == "script" for tag, _ in seen.tags) == 9  # the data, and eight of ours
    for tag, attributes in seen.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "action", "srcset"):
            value = attributes.get(name) or "#"
            inside = value.startswith(("data:", "#"))
            assert inside or re.fullmatch(r"[a-z]+\.(csv|parquet)", value), (tag, value)
    paths = json.loads(seen.data)["photos"]["paths"]
    assert any(path.endswith(SCRIPT) for path in paths)
    assert "<" not in seen.data


def test_the_policy_names_every_script_and_lets_nothing_else_in(page: Path) -> None:
    seen = read(page)
    policies = [a["content"] or "" for t, a in seen.tags if a.get("http-equiv")]
    assert len(policies) == 1
    rules = dict(rule.strip().split(" ", 1) for rule in policies[0].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].count("'sha256-") == 8
    assert "unsafe" not in rules["script-src"]
    assert rules["img-src"] == "data: blob: file:"


def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = {a["href"] or "" for tag, a in read(page).tags if tag == "a" and "href" in a}
    files = {link for link in links if not link.startswith("#")}
    assert len(files) >= 14
    for file in files:
        assert (page.parent / file).is_file(), file
    ids = {a["id"] for _, a in read(page).tags if "id" in a}
    assert {link[1:] for link in links if link.startswith("#")} <= ids


def test_the_tables_beside_it_hold_the_findings(page: Path, orchard: Orchard) -> None:
    folder = page.parent
    wrong = pq.read_table(folder / "mislabelled.parquet").to_pylist()
    assert {row["path"]: row["suggested"] for row in wrong} == orchard.wrong
    rejects = pq.read_table(folder / "rejects.parquet")
    assert sorted(rejects["reason"].to_pylist()) == ["empty", "not_an_image", "truncated"]
    for parquet in set(folder.glob("*.parquet")) - set(folder.glob("kept-*")):
        table = pq.read_table(parquet)
        beside = pyarrow.csv.read_csv(
            parquet.with_suffix(".csv"),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        )
        assert (beside.num_rows, beside.column_names) == (table.num_rows, table.column_names)
    components = pq.read_table(folder / "components.parquet")
    assert components["cumulative"][-1].as_py() == pytest.approx(1.0, abs=1e-6)
    points = pq.read_table(folder / "map.parquet")
    assert points.num_rows == json.loads(read(page).data)["map"]["photos"]


def without_sizes(store: Store) -> None:
    """Have the record list no file, as an older Verger's; else another size is refused at once."""
    file = Path(store.root) / RECORD
    record = json.loads(file.read_text())
    del record["manifest"], record["sha256"]
    file.write_text(json.dumps(record))


def test_a_matrix_that_is_not_the_projections_fails_a_check(tmp_path: Path) -> None:
    photos = {f"a/{view}.jpg": jpeg(VARIETIES[0], view) for view in range(6)}
    store = make_store(lay(tmp_path / "photos", photos), tmp_path / "store")
    file = Path(store.root) / MATRIX / "part-0.parquet"
    table = pq.read_table(file)
    rows = [[value + 5 for value in row] for row in table["components"].to_pylist()]
    moved = pa.array(rows, table["components"].type)
    pq.write_table(table.set_column(2, "components", moved), file)
    without_sizes(store)
    failed = [check.what for check in build(store).checks if not check.passed]
    assert failed == ["The matrix is centred"]
    assert "A check failed: The matrix is centred." in read(write_report(store.root)).words


def grey() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (60, 40), (90, 120, 60)).save(out, "JPEG")
    return out.getvalue()


def enlarged(photo: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(photo)).resize((300, 300)).save(out, "JPEG")
    return out.getvalue()


# A one that is told as several, in either language.
ONE_AS_MANY = re.compile(
    r"(?<![\d.,\u202f])1 (?:of \d+ photos? |sur \d+ photos? )?(?:(?:new|more|nouvelles) )?"
    r"(?:photos(?! p[ea]r )|labels|components|groups|cores|rows|paths|neighbours|étiquettes|"
    r"composantes|groupes|cœurs|lignes|chemins|voisines|plus|trouvées|encodées|rejetées|have|are|ont|sont)\b"
)
SAYS = {
    "empty": ("There are 0 photos", "No photo was embedded"),
    "one": ("There is 1 photo",),
    "two": ("2 photos of 2 labels", "fewer than 10 photos", "1 of 2 photos is too small"),
    "alike": ("no variance", "No photo has a label"),
    "unlabelled": ("No photo has a label: how labels separate cannot be said.",),
    "one label": ("There is one label only: how labels separate cannot be said.",),
}


@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        "two",
        *(pytest.param(k, marks=pytest.mark.slow) for k in SAYS if k not in {"empty", "two"}),
    ],
)
def test_a_small_or_odd_store_gives_a_sensible_report(kind: str, tmp_path: Path) -> None:
    fruit = {
        f"{label}/{view}.jpg": jpeg(label, view) for label in VARIETIES[:2] for view in range(6)
    }
    photos, label_from = {
        "empty": ({"a/none.jpg": b"", "b/none.jpg": b"none"}, "parent"),
        "one": ({"a/0.jpg": jpeg(VARIETIES[0], 0)}, "parent"),
        "two": ({"a/0.jpg": enlarged(jpeg(VARIETIES[0], 0)), "b/0.jpg": grey()}, "parent"),
        "alike": ({f"{n}.jpg": grey() for n in range(4)}, "none"),
        "unlabelled": (fruit, "none"),
        "one label": (fruit, "regex:.*(j)pg"),
    }[kind]
    settings = RunSettings(label_from=label_from, csv=False)
    store = make_store(lay(tmp_path / "photos", photos), tmp_path / "store", settings)
    page = Path(write_report(store.root))
    words = read(page).words
    for text in SAYS[kind]:
        assert text in words
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b|Infinity|undefined", words)
    french = Reading(html.render(build(store), "store", "fr")).words
    for said in (words, french):
        assert ONE_AS_MANY.findall(said) == []
    assert page.stat().st_size < 3_000_000
    write_report(store.root)  # again, over the first


@pytest.mark.slow
@pytest.mark.parametrize(
    ("views", "framing", "said"),
    [
        ("224", "224/224", "every photo has at least the 224 pixels that it is brought to"),
        (
            "224,420",
            "224/224,420",
            "2 of 2 photos are too small for the network and were enlarged: their shorter sides "
            "have fewer than 420 pixels.",
        ),
    ],
)
def test_photos_are_enlarged_where_the_closest_view_needs_more_than_they_have(
    tmp_path: Path, views: str, framing: str, said: str
) -> None:
    large = io.BytesIO()
    Image.new("RGB", (300, 400), (200, 40, 40)).save(large, "JPEG")
    photos = lay(tmp_path / "photos", {"a/1.jpg": large.getvalue(), "b/2.jpg": large.getvalue()})
    settings = RunSettings(csv=False, views=views)
    words = read(Path(write_report(make_store(photos, tmp_path / "store", settings).root))).words
    assert said in words
    assert framing in words


@pytest.mark.slow
def test_a_second_run_is_compared_with_the_first(tmp_path: Path) -> None:
    photos = {f"{v}/{n}.jpg": jpeg(v, n, views=40) for v in VARIETIES[:3] for n in range(0, 40, 2)}
    folder = lay(tmp_path / "photos", photos)
    page = write_report(make_store(folder, tmp_path / "store").root)
    assert "This is the first run that left a report here" in read(page).words
    page = write_report(tmp_path / "store")
    assert "This is the first run that left a report here" in read(page).words
    for name, data in photos.items():
        negative = Image.open(io.BytesIO(data)).point(lambda level: 255 - level)
        negative.save(folder / name.replace(".jpg", "-negative.png"))
    store = make_store(folder, tmp_path / "store")
    record = json.loads((tmp_path / "store" / "run.json").read_text())
    (tmp_path / "store" / "run.json").write_text(
        json.dumps(record | {"finished": "2031-01-01T00:00:00"})
    )
    for _ in range(2):  # the report of one run says the same when it is made again
        words = read(write_report(store.root)).words
        found = re.search(r"[0-9]+ new photos?[^.]*run before\.", words)
        assert found is not None
        assert found[0] == f"{len(photos)} new photos: a clear drift from the run before."
        assert "Below 0.2 is none, from 0.5 on clear" in words
        assert "built-in" not in words


def test_a_page_of_long_names_stays_small(
    orchard: Orchard, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = build(orchard.store)
    whole = html.render(report, "name")
    placed = json.loads(Reading(whole).data)["map"]["pictured"]
    assert placed == len(report.map_rows)
    monkeypatch.setattr(html, "_SPARE", 2_000)
    monkeypatch.setattr(html, "MOST_BYTES", len(whole.encode()) - 10_000)
    small = html.render(report, "name")
    assert len(small.encode()) <= html.MOST_BYTES
    assert 0 < json.loads(Reading(small).data)["map"]["pictured"] < placed


def test_a_handful_of_photos_tells_no_rate(orchard: Orchard) -> None:
    report = build(orchard.store)
    for changes, rate in (
        ({"new": 3}, 0.0),
        ({"new": 200, "reused": 190}, 0.0),
        ({"new": 20, "changed": 15}, 9.5),
    ):
        record = {**report.record, "photos_per_second": 9.5, "changes": changes}
        assert replace(report, record=record).rate == rate


def test_secrets_in_spark_settings_are_not_shown(tmp_path: Path) -> None:
    settings = RunSettings(csv=False, spark_conf=("spark.hadoop.fs.s3a.secret.key=hunter2",))
    photos = {f"a/{n}.jpg": jpeg(VARIETIES[0], n) for n in range(3)}
    page = Path(
        write_report(make_store(lay(tmp_path / "p", photos), tmp_path / "s", settings).root)
    )
    assert "spark.hadoop.fs.s3a.secret.key=…" in read(page).words
    assert "hunter2" not in page.read_text(encoding="utf-8")


def test_a_thumbnail_is_opened_as_jpeg_of_its_size_only() -> None:
    large, png = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (4000, 10)).save(large, "JPEG")
    Image.new("RGB", (9, 9)).save(png, "PNG")
    bomb = bytearray(large.getvalue())
    sizes = bomb.index(b"\xff\xc0") + 5
    bomb[sizes : sizes + 4] = b"\xff" * 4  # more pixels than Pillow opens
    for hostile in (b"", b"no", large.getvalue(), png.getvalue(), bytes(bomb)):
        assert picture(hostile) is None
        assert not any(small_picture(hostile))
    sheets = Sheets([b"", png.getvalue()], np.zeros(2, np.uint64), KeptSheets.none())
    uris, placed = sheets.within(100_000)
    assert (len(uris), placed) == (1, 2)


@pytest.mark.slow
def test_no_thread_outlives_a_run_with_its_report(tmp_path: Path) -> None:
    photos = lay(
        tmp_path / "photos",
        {f"{v}/{view}.jpg": jpeg(v, view) for v in VARIETIES[:2] for view in range(VIEWS)},
    )
    before = set(threading.enumerate())
    run(photos, tmp_path / "store", RunSettings(engine="process", csv=False))
    left = set(threading.enumerate()) - before
    assert not [one.name for one in left if one.name.startswith("ThreadPoolExecutor")]


@pytest.mark.slow
def test_a_neighbour_map_and_the_language_go_on_as_photos_come(tmp_path: Path) -> None:
    """The first report has one; another photo of a path is new."""
    photos = lay(
        tmp_path / "photos",
        {f"{v}/{view}.jpg": jpeg(v, view) for v in VARIETIES[:3] for view in range(VIEWS)},
    )
    settings = RunSettings(engine="process", csv=False)
    run(photos, tmp_path / "store", settings)

    def laid() -> dict[str, tuple[float, float]]:
        rows = pq.read_table(tmp_path / "store/report/map.parquet").to_pylist()
        return {row["path"]: (row["neighbours_x"], row["neighbours_y"]) for row in rows}

    was = laid()
    new = f"{VARIETIES[0]}/new.jpg"
    changed = f"{VARIETIES[1]}/0.jpg"
    (photos / new).write_bytes(jpeg(VARIETIES[0], 1, quality=80))
    (photos / changed).write_bytes(jpeg(VARIETIES[2], 0, quality=80))
    (photos / VARIETIES[2]).rename(photos / "renamed")
    run(photos, tmp_path / "store", settings)
    is_ = laid()
    was = {path.replace(VARIETIES[2], "renamed"): place for path, place in was.items()}
    assert is_.keys() == was.keys() | {new}
    assert [path for path in was if is_[path] != was[path]] == [changed]
    (photos / "renamed").rename(photos / "again")
    time.sleep(1)  # reports tell runs apart by the second in which they ended
    run(photos, tmp_path / "store", settings)
    assert log(Store(tmp_path / "store"))[0].drift == "unchanged"
    is_ = laid()
    page = tmp_path / "store/report/report.html"
    write_report(tmp_path / "store", language="fr")
    assert laid() == is_
    (photos / new).unlink()
    run(photos, tmp_path / "store", settings)
    assert '<html lang="fr">' in page.read_text(encoding="utf-8")
    page.write_bytes(b'<html lang="xx">')
    write_report(tmp_path / "store")
    assert '<html lang="en">' in page.read_text(encoding="utf-8")
    for kind in (positions.PCA_MAP, None):  # whoever gave it up is not given it again
        write_report(tmp_path / "store", kind)
        with pytest.raises(KeyError, match="neighbours_x"):
            laid()
    for kept in ("map", "kept-sheets", "kept-measures", "kept-neighbours"):
        (tmp_path / f"store/report/{kept}.parquet").write_bytes(b"hostile")
    write_report(tmp_path / "store")
    assert len(laid()) == len(is_) - 1


@pytest.mark.slow
def test_a_map_of_which_most_is_new_is_laid_out_anew(tmp_path: Path) -> None:
    photos = [(v, view) for v in VARIETIES[:4] for view in range(VIEWS)]
    few = {f"{v}/{view}.jpg": jpeg(v, view) for v, view in photos[:8]}
    store = make_store(lay(tmp_path / "photos", few), tmp_path / "store")
    write_report(store.root)
    for until in (17, 35):
        more = {f"{v}/{view}.jpg": jpeg(v, view) for v, view in photos[:until]}
        store = make_store(lay(tmp_path / "photos", more), tmp_path / "store")
        places, again = (build(store, kind).maps[0] for kind in (None, positions.NEIGHBOUR_MAP))
        assert places.kind == again.kind == positions.NEIGHBOUR_MAP
        np.testing.assert_array_equal(places.points, again.points)
        write_report(store.root)


def test_a_folder_without_a_run_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No finished run in"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_damaged_table_is_named(orchard: Orchard, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "store"
    shutil.copytree(orchard.store.root, copy)
    (copy / "features" / "part-0.parquet").write_bytes(b"PAR1 not")
    with pytest.raises(StoreError, match=r"part-0\.parquet has 8 bytes, where the run left"):
        write_report(copy)
    without_sizes(Store(copy))
    with pytest.raises(StoreError, match=r"part-0\.parquet cannot be read"):
        write_report(copy)


def test_the_command_prints_where_the_page_is(orchard: Orchard) -> None:
    result = CliRunner().invoke(cli, ["report", str(orchard.store.root)])
    assert result.exit_code == 0
    assert Path(result.stdout.strip()).is_file()
    assert Store(orchard.store.root).record() is not None


def test_the_page_speaks_french(orchard: Orchard, tmp_path: Path) -> None:
    found = build(orchard.store)
    english, french = (Reading(html.render(found, "store", language)) for language in ("en", "fr"))
    assert dict(french.tags)["html"]["lang"] == "fr"
    assert "Les 6 contrôles ont réussi" in french.words
    assert "All 6 checks passed" in english.words
    for name in (SCRIPT, QUOTE, IMAGE, *NAMES.values()):
        assert name in french.words
    said = [[tag for tag, _ in page.tags] for page in (english, french)]
    assert said[0] == said[1]  # the same page, but for its words


def tiny(tmp_path: Path) -> Store:
    photos = {
        f"{label}/{view}.jpg": jpeg(label, view) for label in VARIETIES[:2] for view in (0, 1)
    }
    return make_store(lay(tmp_path / "photos", photos), tmp_path / "store")


def test_a_run_ends_with_a_report(tmp_path: Path) -> None:
    store = tiny(tmp_path)
    page = tmp_path / "store" / "report" / "report.html"
    assert at_the_end(store, RunSettings(report=False), Silent(), anew=True) == {}
    assert not page.exists()
    for anew in (False, True):
        assert at_the_end(store, RunSettings(), Silent(), anew=anew) == {"report": str(page)}
    first = page.stat().st_mtime_ns
    assert at_the_end(store, RunSettings(), Silent(), anew=False) == {"report": str(page)}
    assert page.stat().st_mtime_ns == first


def test_a_report_that_fails_does_not_fail_the_run(tmp_path: Path) -> None:
    store = tiny(tmp_path)
    (tmp_path / "store" / "report").write_text("a file is in the way")
    told = at_the_end(store, RunSettings(), Silent(), anew=True)
    assert told["warning"].startswith("The run is done, but there is no report of it. Cannot write")
    (tmp_path / "store" / "report").unlink()
    for file in (tmp_path / "store" / "features").iterdir():
        file.write_bytes(b"no table")
    told = at_the_end(store, RunSettings(), Silent(), anew=True)
    assert "has 8 bytes, where the run left" in told["warning"]
    assert "\n" not in told["warning"]
