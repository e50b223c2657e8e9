"""The picture of the rooms is drawn from the code, and shows all that the code does."""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


# Where one name stands twice and means one thing. What means another gets another name.
SAME = {
    "cloud": "a room, and its commands in cli/",
    "discriminant": "a projection, and its face in pyspark.ml, which saved pipelines name",
    "embedding": "a step of the run, and its tasks",
    "engine": "what carries out tasks, and Spark as one",
    "gallery": "a room, and its main module",
    "history": "the runs of a STORE, and the commands that tell of them",
    "machine": "a computer: this one, and one of AWS's",
    "ml": "the face of pyspark.ml, and what is behind it",
    "page": "what a browser gets: of the report, of the server, of the app",
    "pca": "as discriminant",
    "store": "a room, and its main module",
    "words": "texts in two languages: of the server, and of slides",
}


def test_no_name_of_a_file_or_a_folder_means_two_things() -> None:
    source = REPOSITORY / "src" / "verger"
    files = [path for path in source.rglob("*.py") if path.stem[0] != "_"]
    folders = {folder for path in files for folder in path.parents if source in folder.parents}
    folders |= {path for path in source.glob("*/page") if path.is_dir()}
    names = Counter(path.stem for path in [*files, *folders])
    assert {name for name, count in names.items() if count > 1} == set(SAME)


def test_nothing_above_storage_asks_what_kind_of_place_it_has() -> None:
    """What a caller needs to know of a place is plain data of it, such as `folder`."""
    source = REPOSITORY / "src" / "verger"
    trees = {path: ast.parse(path.read_text("utf-8")) for path in source.rglob("*.py")}
    nodes = [(path, node) for path, tree in trees.items() for node in ast.walk(tree)]
    kinds = {
        node.name
        for path, node in nodes
        if isinstance(node, ast.ClassDef)
        and (path.parent.name == "storage" or {"list", "absolute"} <= _methods(node))
    }
    assert {"Source", "Place", "LocalPlace", "Bucket", "WebList", "KnownPhotos"} <= kinds
    asked = [
        f"{path.relative_to(source)}: {ast.unparse(node)}"
        for path, node in nodes
        if path.parent.name != "storage"
        for what in _kinds_asked_by(node)
        if kinds & {one.id for one in ast.walk(what) if isinstance(one, ast.Name)}
    ]
    assert asked == []


def _methods(of: ast.ClassDef) -> set[str]:
    return {one.name for one in of.body if isinstance(one, ast.FunctionDef)}


def _kinds_asked_by(node: ast.AST) -> list[ast.expr]:
    """Return the classes that an expression asks about: by isinstance, `type() is`, or a case."""
    match node:
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, kinds]):
            return [kinds]
        case ast.Compare(left=ast.Call(func=ast.Name(id="type")), comparators=kinds):
            return [*kinds]
        case ast.MatchClass(cls=kind):
            return [kind]
    return []


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(REPOSITORY / "scripts")
    yield import_module("draw_architecture")
    sys.modules.pop("draw_architecture")


def test_the_committed_picture_is_what_the_code_says(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--check"]) == 0, "run `make docs`"
    # A picture of another day fails the check, which changes nothing.
    old = tmp_path / "architecture.svg"
    old.write_text(script.PICTURE.read_text().replace("gallery/", "galleries/"))
    monkeypatch.setattr(script, "PICTURE", old)
    assert script.main(["--check"]) == 1
    assert f"{old} is stale" in capsys.readouterr().err
    assert "galleries/" in old.read_text()
    assert script.main([]) == 0
    assert "galleries/" not in old.read_text()


def test_every_room_is_drawn_with_what_it_is_for(script: Any) -> None:
    rooms = script.rooms()
    source = REPOSITORY / "src" / "verger"
    found = [*source.glob("*.py"), *(init.parent for init in source.glob("*/__init__.py"))]
    assert {room.name for room in rooms} == {
        path.stem for path in found if not path.name.startswith("_")
    }
    drawn = script.PICTURE.read_text()
    for room in rooms:
        assert f">{room.title}</text>" in drawn
        assert 1 <= len(textwrap.wrap(room.purpose, 29)) <= 3, f"too long for a box: {room}"
    assert {room.name: room.owns for room in rooms if room.owns} == {
        "spark": "pyspark",
        "embed": "onnxruntime",
        "serve": "fastapi",
    }


def test_no_line_leads_up_and_none_is_lost(script: Any) -> None:
    rooms = script.rooms()
    counted = script.imports(rooms)
    drawn = script.drawn_lines(counted)
    rows = script.rows_of(rooms, drawn)
    row = {name: number for number, names in enumerate(rows) for name in names}
    assert all(row[what] < row[who] for who, what in drawn)

    def reached(who: str) -> set[str]:
        below = {what for user, what in drawn if user == who}
        return below.union(*map(reached, below))

    for who, what in counted:
        assert what in script.GROUND or what in reached(who), f"{who} imports {what}"
    assert 0 < len(drawn) < len(counted)


def test_a_new_import_is_a_new_line(script: Any) -> None:
    rooms = script.rooms()
    counted = script.imports(rooms)
    assert ("tasks", "knowledge") not in counted
    before, after = (
        re.findall(r"<title>(\w+ imports \w+)", script.drawing(rooms, imports))
        for imports in (counted, {**counted, ("tasks", "knowledge"): 1})
    )
    assert set(after) - set(before) == {"tasks imports knowledge"}


def test_no_box_lies_on_another(script: Any) -> None:
    drawn = script.PICTURE.read_text()
    boxes = re.findall(r'<rect class="box[ a-z]*" x="(-?\d+)" y="(\d+)" width="(\d+)"', drawn)
    assert len(boxes) == len(script.rooms())
    rows: dict[str, list[tuple[int, int]]] = {}
    for x, y, width in boxes:
        rows.setdefault(y, []).append((int(x), int(x) + int(width)))
    for row in map(sorted, rows.values()):
        assert all(end < start for (_, end), (start, _) in pairwise(row)), row
