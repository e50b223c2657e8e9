"""Listing photos and labelling them: nothing lost, nothing invented, names kept exactly."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from names import ALIKE, KEPT
from verger.errors import PhotosError, UsageError
from verger.photos.labels import CsvLabels, labeller_from, normalised
from verger.photos.reasons import Reason
from verger.photos.references import EXTENSIONS, PhotoRef
from verger.storage.folder import LocalPlace


def put(file: Path, data: bytes = b"photo") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def listed(root: Path, labels: str = "none") -> list[PhotoRef]:
    return list(LocalPlace(root).list(labeller_from(labels, root.name)))


def paths(root: Path) -> list[str]:
    return [ref.path for ref in listed(root)]


# Listing ------------------------------------------------------------------------------------------


def test_photos_are_those_with_a_known_extension_in_any_case(tmp_path: Path) -> None:
    names = [f"a{e}" for e in EXTENSIONS] + [f"b{e.upper()}" for e in EXTENSIONS]
    names += ["c.JpEg", "two.dots.png"]
    for name in [*names, "a.txt", "jpg", "a.jpg.part", "a.svg", "a.jpg~"]:
        put(tmp_path / name)
    assert paths(tmp_path) == sorted(names)


def test_a_reference_holds_size_and_time_in_utc(tmp_path: Path) -> None:
    file = put(tmp_path / "a.jpg", b"12345")
    os.utime(file, (1_700_000_000.25, 1_700_000_000.25))
    (ref,) = listed(tmp_path)
    at = dt.datetime(2023, 11, 14, 22, 13, 20, 250_000, tzinfo=dt.UTC)
    assert ref == PhotoRef("a.jpg", None, 5, at)


def test_the_order_is_fixed_however_files_came_to_be(tmp_path: Path) -> None:
    names = [f"{d}/{n}.jpg" for d in ("b", "a", "a/z", "c c") for n in range(20)]
    for root in ("one", "two"):
        names.reverse()
        for name in names:
            put(tmp_path / root / name)
    assert paths(tmp_path / "one") == paths(tmp_path / "two") == sorted(names)


def test_the_order_is_that_of_whole_paths_by_code_point(tmp_path: Path) -> None:
    """A folder sorts as its name with a slash, not as its name: `a b/` and `a.jpg` before `a/`."""
    folders = ["a", "a b", "a-", "a!", "a.", "a0", "A", "é", "e\u0301", "\uff5e", "🍑", "a.jpg"]
    names = [f"{folder}/{name}" for folder in folders for name in ("1.jpg", "a/2.jpg", "a.jpg")]
    names += ["a.png", "a.gif", "a0.jpg", "a1.jpg", "a,.jpg", "\uffee.jpg", "🍏.jpg", "é.jpg"]
    for name in names:
        put(tmp_path / name)
    found = paths(tmp_path)
    assert found == sorted(names)
    assert found == sorted(names, key=str.encode)  # so an object store lists its keys, too


def test_the_order_holds_for_links_to_folders_and_for_what_is_unusable(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    target = put(tmp_path / "elsewhere" / "e.jpg").parent
    (root / "link").parent.mkdir()
    (root / "link").symlink_to(target)
    put(root / "link b" / "1.jpg")
    put(root / "link0.jpg")
    put(root / "link.jpg")
    (root / "link-.jpg").symlink_to("gone")
    (root / "link1.jpg").symlink_to("link1.jpg")
    found = paths(root)
    assert found == sorted(found)
    assert found == [
        "link b/1.jpg", "link-.jpg", "link.jpg", "link/e.jpg", "link0.jpg", "link1.jpg"
    ]  # fmt: skip


def test_the_order_holds_for_names_that_are_no_unicode_as_they_are_shown(tmp_path: Path) -> None:
    try:
        for name in (b"\xff", b"\xc3", b"z", "\u00e9".encode(), b"]"):
            folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
            folder.mkdir()
            (folder / "a.jpg").write_bytes(b"photo")
            Path(f"{folder}.jpg").write_bytes(b"photo")
    except OSError:
        pytest.skip("this file system takes Unicode names alone")
    found = paths(tmp_path)
    assert len(found) == 10
    assert found == sorted(found)


@pytest.mark.parametrize("name", KEPT)
def test_a_name_is_kept_exactly(tmp_path: Path, name: str) -> None:
    folder = name.removesuffix(".jpg")
    put(tmp_path / folder / name)
    (ref,) = listed(tmp_path, "parent")
    assert ref.path == f"{folder}/{name}"
    assert ref.label == normalised(folder)
    assert (tmp_path / ref.path).read_bytes() == b"photo"


def test_a_name_that_is_no_unicode_is_a_reject_shown_escaped(tmp_path: Path) -> None:
    bad = os.fsencode(tmp_path) + b"/p\xeache"
    try:
        Path(os.fsdecode(bad)).mkdir()
    except OSError:
        pytest.skip("this file system takes Unicode names alone")
    Path(os.fsdecode(bad), "a.jpg").write_bytes(b"photo")
    Path(os.fsdecode(bad), "\udcff.jpg").write_bytes(b"")
    put(tmp_path / "good.jpg")
    refs = listed(tmp_path, "parent")
    assert {(ref.path, ref.label, ref.reason) for ref in refs} == {
        ("good.jpg", tmp_path.name, None),
        ("p\\xeache/a.jpg", "p\\xeache", Reason.BAD_NAME),
        ("p\\xeache/\\xff.jpg", "p\\xeache", Reason.BAD_NAME),
    }
    # The folder itself may be given as PHOTOS: its files are fine, and so must their label be.
    inner = {ref.path: ref.label for ref in listed(Path(os.fsdecode(bad)), "parent")}
    assert inner == {"a.jpg": "p\\xeache", "\\xff.jpg": "p\\xeache"}


def test_a_folder_named_like_a_photo_is_a_folder(tmp_path: Path) -> None:
    put(tmp_path / "x.jpg" / "y.png")
    (tmp_path / "empty.jpg").mkdir()
    assert paths(tmp_path) == ["x.jpg/y.png"]


def test_links_are_followed_but_never_in_a_circle(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    elsewhere = put(tmp_path / "elsewhere" / "e.jpg").parent
    put(root / "a" / "a.jpg")
    put(root / "b" / "b.jpg")
    (root / "file.jpg").symlink_to(elsewhere / "e.jpg")
    (root / "folder").symlink_to(elsewhere)
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "self").symlink_to(".")
    (root / "a" / "other").symlink_to("../b")
    (root / "b" / "other").symlink_to("../a")
    assert paths(root) == [
        "a/a.jpg",
        "a/other/b.jpg",
        "b/b.jpg",
        "b/other/a.jpg",
        "file.jpg",
        "folder/e.jpg",
    ]


def test_links_that_lead_nowhere_are_rejects(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").symlink_to("gone.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "broken").symlink_to("gone")  # no photo by its name: nothing was promised
    refs = listed(tmp_path)
    assert [(ref.path, ref.reason, ref.bytes) for ref in refs] == [
        ("broken.jpg", Reason.UNREADABLE, 0),
        ("loop.jpg", Reason.UNREADABLE, 0),
    ]
    assert all(ref.detail for ref in refs)


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (ref,) = listed(tmp_path)
    assert (ref.path, ref.reason) == ("pipe.jpg", Reason.UNREADABLE)


def test_a_file_of_no_bytes_is_a_reject_already(tmp_path: Path) -> None:
    put(tmp_path / "void.jpg", b"")
    (ref,) = listed(tmp_path)
    assert (ref.reason, ref.bytes) == (Reason.EMPTY, 0)


def test_a_store_inside_the_photos_is_not_read(tmp_path: Path) -> None:
    put(tmp_path / "a.jpg")
    put(tmp_path / "store" / ".verger" / "lock")
    put(tmp_path / "store" / "features" / "part.jpg")
    put(tmp_path / "deep" / "store" / ".verger" / "x.jpg")
    assert paths(tmp_path) == ["a.jpg"]


def test_a_thousand_labels(tmp_path: Path) -> None:
    for n in range(1000):
        put(tmp_path / "wide" / f"label {n}" / "a.jpg")
    assert len({ref.label for ref in listed(tmp_path / "wide", "parent")}) == 1000


@pytest.mark.skipif(sys.platform != "linux", reason="paths may not be so long elsewhere")
def test_folders_nest_deeper_than_python_s_stack_allows(tmp_path: Path) -> None:
    deep = tmp_path / "deep"
    deep.mkdir()
    start = Path.cwd()
    try:
        os.chdir(deep)
        for _ in range(700):
            Path("d").mkdir()
            os.chdir("d")
        Path("a.jpg").write_bytes(b"photo")
    finally:
        os.chdir(start)
    found = paths(deep)
    subprocess.run(["rm", "-rf", str(deep)], check=True)  # Python 3.11 would recurse
    assert found == ["d/" * 700 + "a.jpg"]


def test_folders_that_cannot_be_listed_at_all(tmp_path: Path) -> None:
    with pytest.raises(PhotosError, match=r"No such folder: .*gone"):
        listed(tmp_path / "gone")
    with pytest.raises(PhotosError, match=r"Not a folder: .*a\.jpg"):
        listed(put(tmp_path / "a.jpg"))
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(PhotosError, match="Cannot list"):
        listed(tmp_path / "loop")
    assert listed(put(tmp_path / "none" / "a.txt").parent) == []


AS_ANOTHER_USER = """
import json, os, sys
from pathlib import Path
from verger.errors import PhotosError
from verger.photos.labels import labeller_from
from verger.storage.folder import LocalPlace
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
root = Path(sys.argv[1])
refs = [[r.path, r.reason, r.detail] for r in LocalPlace(root).list(labeller_from("none", ""))]
try:
    (root / "file.jpg").read_bytes()
    opened = "yes"
except OSError as error:
    opened = error.strerror
try:
    list(LocalPlace(root / "closed").list(labeller_from("none", "")))
except PhotosError as error:
    refused = str(error)
print(json.dumps([refs, opened, refused]))
"""


def test_what_may_not_be_read_is_named_and_its_neighbours_are_kept() -> None:
    root = Path(tempfile.mkdtemp(prefix="verger-test-"))  # pytest's own folders are closed to all
    try:
        root.chmod(0o755)
        put(root / "a" / "a.jpg")
        put(root / "closed" / "c.jpg")
        put(root / "file.jpg").chmod(0)
        put(root / "z.jpg")
        (root / "closed").chmod(0)
        put(root / "listed" / "d.jpg")
        put(root / "listed" / "folder" / "e.jpg")
        (root / "listed").chmod(0o644)  # names can be read, and nothing behind them
        done = subprocess.run(
            [sys.executable, "-c", AS_ANOTHER_USER, str(root)],
            capture_output=True,
            text=True,
            check=True,
        )
        refs, opened, refused = json.loads(done.stdout)
        assert refs == [
            ["a/a.jpg", None, None],
            ["closed/", "unavailable", "the folder cannot be listed: Permission denied"],
            ["file.jpg", None, None],  # found out when it is read: see test_features
            ["listed/d.jpg", "unavailable", "Permission denied"],
            ["listed/folder/", "unavailable", "Permission denied"],
            ["z.jpg", None, None],
        ]
        assert opened == "Permission denied"
        assert "Permission denied" in refused
    finally:
        for folder in ("closed", "listed"):
            (root / folder).chmod(0o755)
        shutil.rmtree(root)


# Labels -------------------------------------------------------------------------------------------


def test_the_label_is_the_photo_s_folder(tmp_path: Path) -> None:
    label = labeller_from("parent", "Fruit")
    assert label("Training/Apple Golden/1.jpg") == "Apple Golden"
    assert label("Apple/1.jpg") == "Apple"
    assert label("1.jpg") == "Fruit"  # at the top: the name of PHOTOS itself
    assert label("Apple/") == "Apple"  # a folder that could not be listed


def test_the_folder_s_name_is_found_where_photos_is_a_dot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Plum").mkdir()
    monkeypatch.chdir(tmp_path / "Plum")
    assert labeller_from("parent", LocalPlace(Path()).name)("1.jpg") == "Plum"
    above = LocalPlace(Path("..", "Plum"))
    assert labeller_from("parent", above.name)("1.jpg") == "Plum"


def test_no_label_at_all(tmp_path: Path) -> None:
    assert labeller_from("none", "top")("Apple/1.jpg") is None


def test_a_label_by_regular_expression(tmp_path: Path) -> None:
    label = labeller_from(r"regex:([a-z]+)_\d+", "top")
    assert label("box/apple_12.jpg") == "apple"
    assert label("box/12.jpg") is None
    assert labeller_from(r"regex:^(?:x/)?(y)?", "top")("x/z.jpg") is None
    assert labeller_from("regex:(é+)", "top")("pée.jpg") == "é"


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("(", "not a regular expression"),
        ("a*", "0 groups"),
        ("(a)(b)", "2 groups"),
        ("", "0 groups"),
        ("(a{99999999999999999999})", "not a regular expression"),
    ],
)
def test_a_regular_expression_that_gives_no_label_is_refused(
    tmp_path: Path, expression: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        labeller_from(f"regex:{expression}", "top")
    assert f"regex:{expression}" in str(caught.value)


def csv_of(folder: Path, text: str) -> CsvLabels:
    file = folder / "labels.csv"
    file.write_bytes(text.encode())
    labels = labeller_from(str(file), "top")
    assert isinstance(labels, CsvLabels)
    return labels


def test_labels_from_a_csv_file(tmp_path: Path) -> None:
    text = 'id,path,label\r\n1,a/1.jpg,Apple\r\n2,./b 2.jpg,"Plum, red"\r\n3,"two\nlines.jpg",x\r\n'
    labels = csv_of(tmp_path, "\ufeff" + text + "4,none.jpg,\r\n5,gone.jpg,Pear\r\n")
    assert labels("a/1.jpg") == "Apple"
    assert labels("b 2.jpg") == "Plum, red"
    assert labels("two\nlines.jpg") == "x"
    assert labels("none.jpg") is None
    assert labels("other.jpg") is None
    assert labels("a/1.jpg") == "Apple"
    (note,) = labels.notes()
    assert note.endswith(" names no photo that was found.")
    assert note.startswith("1 row of ")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert csv_of(tmp_path, "\ufeffpath,label\na.jpg,x\n")("a.jpg") == "x"


def test_a_path_may_stand_twice_with_the_same_label_only(tmp_path: Path) -> None:
    assert csv_of(tmp_path, "path,label\na.jpg,x\na.jpg,x\n")("a.jpg") == "x"
    with pytest.raises(UsageError, match=r"line 3 gives a\.jpg a second label"):
        csv_of(tmp_path, "path,label\na.jpg,x\na.jpg,y\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf\r\n \n", "it is empty"),
        (b"path,label\n", "no line of it has a path and a label"),
        (b"path,label\na.jpg,\nb.jpg, \n,Plum\n", "no line of it has a path and a label"),
        (b"file,label\na,b\n", "lacks path"),
        (b"path;name\na;b\n", "lacks label"),
        (b"sep=|\npath,label\na,b\n", "lacks label and path"),
        (b"path,label\np\x81che.jpg,x\n", "cannot be read as CSV in UTF-8"),
        (b"path,label\n" + b"a" * 200_000 + b",x\n", "cannot be read as CSV"),
    ],
)
def test_a_csv_file_that_is_none_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = put(tmp_path / "labels.csv", content)
    with pytest.raises(UsageError, match=said) as caught:
        labeller_from(str(file), "top")
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_that_is_too_short_has_no_label(tmp_path: Path) -> None:
    labels = csv_of(tmp_path, "path,label\na.jpg\n\nb.jpg,y,more\n")
    assert labels("a.jpg") is None
    assert labels("b.jpg") == "y"


@pytest.mark.parametrize("spec", ["gone.csv", "Parent", "", "."])
def test_a_labeller_that_is_none_of_them_is_refused(
    tmp_path: Path, spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="--label-from"):
        labeller_from(spec, "top")


@pytest.mark.parametrize("written", ALIKE)
def test_labels_that_look_the_same_are_one(tmp_path: Path, written: str) -> None:
    folders = labeller_from("parent", written)
    table = csv_of(tmp_path, f'path,label\n1.jpg,"{written}"\n')
    expression = labeller_from("regex:(.*)/", "top")
    (label,) = {
        folders(f"{written}/1.jpg"), folders("1.jpg"), folders.given("x", written), table("1.jpg"),
        expression(f"{written}/1.jpg"),
    }  # fmt: skip
    assert label == "P\u00eache"


def test_blanks_between_words_are_one_and_a_blank_label_is_none(tmp_path: Path) -> None:
    assert labeller_from("parent", "top")("Red \u00a0 Plum/1.jpg") == "Red Plum"
    assert labeller_from("parent", "top")("Pomme/1.jpg") != labeller_from("parent", "")(
        "pomme/1.jpg"
    )
    assert csv_of(tmp_path, "path,label\n1.jpg,\u00a0\n2.jpg,x\n")("1.jpg") is None


PATHS = ["Pear/1.jpg", "Plum red/2.jpg", "Plum red/deep/3.jpg"]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffpath;label\r\n{0};a\r\n{1};b\r\n{2};c\r\n",
        "path\tlabel\n{0}\ta\n{1}\tb\n{2}\tc\n",
        "sep=;\r\npath;label\r\n{0};a\r\n{1};b\r\n{2};c\r\n",
        'Path, Label\n{0}, a\n"{1}", "b"\n{2}, c\n',
        "LABEL,x,PATH\na,,{0}\nb,,{1}\nc,,{2}\n",
        "path,label\n{0} ,a \n {1},b\n{2} , c\n",
        "path,label\n/home/me/photos/{0},a\n/home/me/photos/{1},b\n/home/me/photos/{2},c\n",
        "path,label\n/{0},a\n/{1},b\n/{2},c\n",
        "path,label\nphotos/{0},a\nphotos/{1},b\nphotos/{2},c\n",
        "path,label\n1.jpg,a\n2.jpg,b\n3.jpg,c\n",
    ],
)
@pytest.mark.parametrize("windows", [False, True])
def test_tables_as_people_have_them(tmp_path: Path, text: str, windows: bool) -> None:
    text = text.format(*PATHS)
    if windows:
        text = text.replace("/home", "C:/home").replace("/", "\\")
    file = put(tmp_path / "labels.csv", text.encode())
    labels = labeller_from(str(file), "photos")
    assert [labels(path) for path in PATHS] == ["a", "b", "c"]
    assert labels("Pear/9.jpg") is None
    assert labels.notes() == []
    labels.check()  # some were


def test_a_table_in_utf_16_is_read(tmp_path: Path) -> None:
    file = put(tmp_path / "labels.csv", "path\tlabel\r\na.jpg\tP\u00eache\r\n".encode("utf-16"))
    assert labeller_from(str(file), "top")("a.jpg") == "P\u00eache"


def test_a_table_that_a_french_windows_saved_is_read_and_told(tmp_path: Path) -> None:
    rows = "path;label\r\nété/1.jpg;Pêche d’été\r\nété/2.jpg;Cœur de bœuf\r\n"
    file = put(tmp_path / "labels.csv", rows.encode("cp1252"))
    labels = labeller_from(str(file), "top")
    assert [labels(f"été/{n}.jpg") for n in (1, 2)] == ["Pêche d’été", "Cœur de bœuf"]
    assert labels.notes() == [f"{file} is not in UTF-8; it was read as Windows-1252."]
    file.write_text(rows, encoding="utf-8")
    (note,) = labeller_from(str(file), "top").notes()
    assert note.startswith("2 rows of ")


def test_a_path_that_is_written_exactly_comes_first(tmp_path: Path) -> None:
    labels = csv_of(tmp_path, 'path,label\na\\b.jpg,x\na/b.jpg,y\n" c.jpg",z\nc.jpg,w\n')
    assert [labels(path) for path in ("a\\b.jpg", "a/b.jpg", " c.jpg", "c.jpg")] == list("xyzw")
    assert csv_of(tmp_path, "path,label\na/1.jpg,x\n")("1.jpg") is None  # another photo


@pytest.mark.parametrize("other", ["a\\b.jpg", " a/b.jpg"])
def test_a_photo_that_is_written_in_two_ways_has_one_label(tmp_path: Path, other: str) -> None:
    for rows in ([f"{other},x", "a/b.jpg,y"], ["a/b.jpg,y", f"{other},x"]):
        labels = csv_of(tmp_path, "\n".join(["path,label", *rows, ""]))
        assert labels("a/b.jpg") == "y"
        with pytest.raises(
            UsageError, match=r"b\.jpg name the same photo, with different labels\.$"
        ):
            labels.check()
    labels = csv_of(tmp_path, f"path,label\n{other},y\na/b.jpg,y\n")
    assert labels("a/b.jpg") == "y"
    labels.check()
    assert labels.notes() == []


def test_a_name_alone_is_that_of_one_photo(tmp_path: Path) -> None:
    labels = csv_of(tmp_path, "path,label\n1.jpg,x\n2.jpg,y\n")
    assert labels("a/1.jpg") == "x"
    with pytest.raises(UsageError, match=r"1\.jpg names a/1\.jpg and b/1\.jpg"):
        labels("b/1.jpg")


def test_a_table_that_names_no_photo_is_refused(tmp_path: Path) -> None:
    labels = csv_of(tmp_path, "path,label\nA/1.JPG,x\n")
    assert labels("a/1.jpg") is None
    with pytest.raises(UsageError, match=r"it has no label for any photo\. It names A/1\.JPG"):
        labels.check()
    labeller_from("none", "top").check()
