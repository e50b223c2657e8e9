"""The notebook as text: one program in two languages, and one STORE's paths in it, as data."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
from pathlib import Path

import jupytext
import nbformat
import pytest
from click.testing import CliRunner

from verger.cli.main import cli
from verger.errors import VergerError
from verger.notebook import filled, program, write_notebook
from verger.texts import LANGUAGES
from verger.texts.catalogue import notebook_cells, said

REPOSITORY = Path(__file__).resolve().parents[2]
HOSTILE = [
    'it\'s a "quote"',
    "two\nlines\n# %%\nraise SystemExit(1)",
    "back\\slash {KEEP} %s",
    "تفاح\u202egpj.exe",
    "not utf-8 \udcff",
    "'''\"\"\"",
]


def parameters(notebook: nbformat.NotebookNode) -> dict[str, object]:
    cell = next(one for one in notebook.cells if "parameters" in one.metadata.get("tags", ()))
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


@pytest.fixture
def store(tmp_path: Path) -> Path:
    photos = tmp_path / "it's é [x]" / "photos"
    photos.mkdir(parents=True)
    (photos / "one.jpg").write_bytes(b"no photo is opened")
    root = tmp_path / "store {1}"
    root.mkdir()
    record = {
        "format": 1,
        "photos": str(photos),
        "settings": {
            "backbone": "efficientnet-lite0",
            "components": "12",
            "standardize": True,
        },
        "backbone": {"image_size": 224, "resize_shorter_side": 256},
    }
    (root / "run.json").write_text(json.dumps(record))
    return root


def test_every_text_is_there_in_french() -> None:
    english, french = (program(language).cells for language in ("en", "fr"))
    words, cells = said("notebook", "fr"), notebook_cells()
    code = "\n".join(cell.source for cell in english if cell.cell_type == "code")
    assert [part for part in words if part not in code] == []
    texts = [
        (one.source, other.source)
        for one, other in zip(english, french, strict=True)
        if one.cell_type == "markdown"
    ]
    assert len(cells) == len(texts)
    for one, other in texts:
        assert one != other
        # What is the same in any language: how deep a heading is, and where links lead.
        assert re.findall(r"^#+ |\]\(\S+\)", one, re.M) == re.findall(
            r"^#+ |\]\(\S+\)", other, re.M
        )
    ast.parse("\n".join(cell.source for cell in french if cell.cell_type == "code"))


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("suffix", [".ipynb", ".py"])
def test_a_name_stays_a_name(name: str, suffix: str, tmp_path: Path) -> None:
    given = {"PHOTOS": name, "STORE": f"s3://{name}", "BACKBONE": name}
    notebook = filled("fr", given)
    assert given.items() <= parameters(notebook).items()
    fmt = "ipynb" if suffix == ".ipynb" else "py:percent"
    file = tmp_path / f"notebook{suffix}"
    file.write_text(jupytext.writes(notebook, fmt=fmt), encoding="utf-8")
    again = jupytext.read(file)
    assert given.items() <= parameters(again).items()
    assert len(again.cells) == len(program("fr").cells)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_written_for_a_store(
    language: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(cli, ["notebook", store.name, "--language", language])
    assert ended.exit_code == 0, ended.output
    file = Path(f"verger.{language}.ipynb")
    assert ended.stdout == f"{file}\n"
    (opens, _) = ended.stderr.splitlines()
    program, *rest = shlex.split(opens.removeprefix("Next: "))
    assert rest[-1:] == [str(file)]
    assert shutil.which(program)
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    record = json.loads((store / "run.json").read_text())
    filled_in = parameters(notebook)
    assert (filled_in["PHOTOS"], filled_in["STORE"]) == (record["photos"], str(store))
    assert (filled_in["KEEP"], filled_in["STANDARDIZE"]) == (12, True)  # as the run did
    assert notebook.cells[0].source.startswith("# ")
    assert sorted(path.name for path in store.iterdir()) == ["run.json"]


def test_what_is_there_is_not_replaced_unless_asked(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("my work\n")
    with pytest.raises(VergerError, match="already exists") as refused:
        write_notebook(store, file)
    assert refused.value.exit_code == 2
    assert file.read_text() == "my work\n"
    write_notebook(store, file, overwrite=True)
    assert "PhotoEmbedder" in file.read_text()


@pytest.mark.parametrize(
    ("name", "options", "code", "said"),
    [
        ("notebook.txt", {}, 2, "a notebook's name ends in"),
        ("notebook.py", {"execute": True}, 2, "cannot hold what cells give"),
        ("nowhere/notebook.py", {}, 4, "Cannot write"),
        ("notebook.py", {"photos": "gone"}, 3, "does not exist"),
        ("notebook.py", {"photos": "ftp://photos"}, 3, "this kind of location is not supported"),
        ("notebook.py", {"photos": "http://me:x@host/list"}, 3, "is not the address of a list"),
    ],
)
def test_a_mistake_is_told_in_a_line(
    name: str, options: dict[str, object], code: int, said: str, store: Path, tmp_path: Path
) -> None:
    with pytest.raises(VergerError, match=said) as refused:
        write_notebook(store, tmp_path / name, **options)  # type: ignore[arg-type]
    assert refused.value.exit_code == code
    assert "\n" not in str(refused.value)
    assert not (tmp_path / name).exists()


def test_photos_that_moved_are_asked_for(store: Path, tmp_path: Path) -> None:
    photos = Path(json.loads((store / "run.json").read_text())["photos"])
    moved = photos.rename(tmp_path / "moved")
    with pytest.raises(VergerError, match="--photos"):
        write_notebook(store, tmp_path / "notebook.py")
    write_notebook(store, tmp_path / "notebook.py", photos=str(moved))
    assert parameters(jupytext.read(tmp_path / "notebook.py"))["PHOTOS"] == str(moved)


def test_a_list_on_the_web_stands_in_it_as_it_is_given(store: Path, tmp_path: Path) -> None:
    """A STORE does not know the query, which may be a secret; who gives one wants it asked for."""
    record = json.loads((store / "run.json").read_text())
    record["photos"] = "https://orchard.example/photos/list.csv"
    (store / "run.json").write_text(json.dumps(record))
    file = tmp_path / "notebook.py"
    for given in (None, "https://orchard.example/photos/list.csv?signature=x"):
        write_notebook(store, file, photos=given, overwrite=True)
        assert parameters(jupytext.read(file))["PHOTOS"] == (given or record["photos"])


def test_a_folder_without_a_run_has_no_notebook(tmp_path: Path) -> None:
    with pytest.raises(VergerError, match="No finished run in") as refused:
        write_notebook(tmp_path, tmp_path / "notebook.py")
    assert refused.value.exit_code == 4


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_committed_one_is_this_text_and_was_run(language: str) -> None:
    committed = nbformat.read(REPOSITORY / "notebooks" / f"verger.{language}.ipynb", as_version=4)
    written = program(language).cells
    assert [cell.source for cell in committed.cells] == [cell.source for cell in written]
    code = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5
