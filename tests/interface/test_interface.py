"""What `import verger` gives: its examples run, in notebooks, in threads, beside other Sparks."""

from __future__ import annotations

import doctest
import inspect
import io
import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import numpy as np
import pyarrow as pa
import pytest

import verger
from once import once
from verger.demo.render import render_orchard
from verger.errors import PhotosError, StoreError, UsageError
from verger.settings import settings_from

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).parents[2]
KERNEL = """
import verger
outcome = verger.run("photos", "store", components=5)
outcome
"""


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with photos of five labels, in which one stands."""

    def make(made: Path) -> None:
        assert render_orchard(made / "photos", varieties=5, views=4, test_views=2) == 30

    here = once(tmp_path_factory, "thirty", make)
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def store(
    tmp_path_factory: pytest.TempPathFactory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> verger.Store:
    def make(made: Path) -> None:
        verger.run(folder / "photos", made / "store", components=5, report=False, progress=False)

    shutil.move(once(tmp_path_factory, "five", make) / "store", folder / "store")
    return verger.open_store("store")


def photo_of(folder: Path, label: str) -> Path:
    return sorted((folder / "photos" / "Test" / label).iterdir())[0]


@pytest.mark.parametrize("name", ["Store", *(n for n in verger.__all__ if n.islower())])
def test_all_is_said(name: str) -> None:
    """What a newcomer reads with `help`."""
    said = inspect.getdoc(getattr(verger, name))
    assert said
    assert len(said.splitlines()[0]) <= 100


def test_the_examples_run_as_they_stand(store: verger.Store, folder: Path) -> None:
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    given = {"verger": verger, "photo": photo_of(folder, "Banana")}
    order = ("run", "reduce", "plan", "open_store", "identify", "evaluate")
    for name in order:
        (found,) = finder.find(getattr(verger, name), name, module=False, globs=given)
        assert found.examples, name
        runner.run(found)
    assert runner.summarize().failed == 0


@pytest.mark.parametrize("page", ["README.md", "README.fr.md"])
def test_the_snippet_of_the_readme_runs_as_it_is_printed(
    page: str, store: verger.Store, folder: Path
) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(import verger\n.*?)```", text, re.DOTALL)
    for name in ("PHOTOS", "LABELLED", "ETIQUETEES"):
        (folder / name).symlink_to("photos")
    shutil.move("store", "STORE")
    for name in ("new.jpg", "other.jpg", "nouvelle.jpg", "autre.jpg"):
        shutil.copy(photo_of(folder, "Banana"), name)
    # Five labels have no fifty components.
    exec(snippet.replace("components=50", "components=5, report=False"), {})  # noqa: S102


@pytest.mark.parametrize("page", ["pca.md", "acp.fr.md"])
def test_pca_is_checked_by_numpy_as_the_page_says(
    page: str, store: verger.Store, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    shutil.move("store", "STORE")
    exec(snippet, {})  # noqa: S102
    first, second = capsys.readouterr().out.splitlines()
    projection = store.record["projection"]
    assert f"{projection['k']} " in first
    assert f"{projection['explained_variance']:.2%}" in first
    assert float(second.split(":")[1]) < 1e-3


def test_importing_it_loads_nothing_else() -> None:
    program = "import sys, verger; print([m for m in sys.modules if m.split('.')[0] in 'numpy"
    program += " pyarrow pyspark onnxruntime click'.split()], dir(verger))"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("[] [")
    for name in verger.__all__:
        assert f"'{name}'" in ran.stdout


def test_dir_lists_the_public_names_and_no_room() -> None:
    import_module("verger.storage.place")
    assert verger.storage
    assert dir(verger) == sorted([*verger.__all__, "__version__"])


def test_an_old_path_takes_no_function_s_place() -> None:
    with pytest.deprecated_call():
        sys.modules.pop("verger.identify", None)
        import_module("verger.identify")
    assert verger.identify.__module__ == "verger.interface"
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        verger.nothing_of_the_kind  # noqa: B018


def test_tables_are_those_of_the_store(store: verger.Store, folder: Path) -> None:
    (folder / "photos" / "Test" / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    store = verger.run("photos", "store", report=False, progress=False).store
    matrix, features, rejects = store.matrix(), store.features(thumbnails=True), store.rejects()
    assert matrix["path"].to_pylist() == sorted(matrix["path"].to_pylist())
    assert features.schema.names == ["path", "label", "features", "thumbnail"]
    assert store.features().schema.names == ["path", "label", "features"]
    assert rejects.select(["path", "label"]).to_pylist() == [
        {"path": "Test/broken.jpg", "label": "Test"}
    ]
    assert len(matrix) == len(features) == store.record["counts"]["embedded"] == 30
    assert matrix.to_pandas().shape == (30, 3)
    # A photo of the run is placed where the run placed it, also by its bytes.
    row = matrix.slice(7, 1).to_pylist()[0]
    file = folder / "photos" / row["path"]
    placed = store.project([str(file), file.read_bytes(), b"GIF89a"])
    assert placed["path"].to_pylist() == [str(file), None, None]
    for components in placed["components"].to_pylist()[:2]:
        np.testing.assert_allclose(components, row["components"], atol=1e-4)
    assert placed["components"].to_pylist()[2] is None
    assert [bool(reason) for reason in placed["reason"].to_pylist()] == [False, False, True]
    assert store.project(file).schema == placed.schema


def test_a_fruit_is_named_from_files_and_bytes(store: verger.Store, folder: Path) -> None:
    banana, other = photo_of(folder, "Banana"), photo_of(folder, "Pineapple")
    one = store.identify(banana)
    assert str(one) == "Banana"
    assert one.answer
    assert one.answer.label == "Banana"
    both = store.identify([str(banana), other.read_bytes()])
    assert [str(each) for each in both] == ["Banana", "Pineapple"]
    assert both[1].photos == ("photo 1",)
    together = store.identify([banana, b"no photo"], together=True)
    assert str(together) == "Banana"
    assert [path for path, _ in together.rejects] == ["photo 2"]
    nothing = store.identify(folder / "nowhere.jpg")
    assert nothing.answer is None
    assert str(nothing).endswith("No such file or directory")
    assert verger.identify("store", banana) == one
    with pytest.raises(UsageError, match="There is no photo"):
        store.identify([])


def test_a_notebook_shows_pictures_and_obeys_no_name(folder: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    (folder / "photos" / "Training" / "Banana").rename(folder / "photos" / "Training" / hostile)
    outcome = verger.run("photos", "store", report=False, progress=False)
    shown = outcome._repr_html_()
    answer = outcome.store.identify([photo_of(folder, "Banana"), b"<b>"], together=True)
    assert shown.count("data:image/jpeg;base64,") == 6
    for html in (shown, answer._repr_html_()):
        assert "<img src" not in html
        assert "&lt;img src=x" in html
    assert answer._repr_html_().count("data:image/jpeg;base64,") == 1 + 5
    assert "<b>" not in outcome.store.identify(b"<b>")._repr_html_()


def test_mistakes_are_told_in_a_line(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"no setting component\. Did you mean components\?"):
        verger.run("photos", "store", component=5)
    with pytest.raises(UsageError, match="--components 0"):
        verger.run("photos", "store", components=0)
    with pytest.raises(StoreError, match="No finished run in"):
        verger.open_store("store")
    with pytest.raises(StoreError, match="None is not a path or an address"):
        verger.open_store(None)  # type: ignore[arg-type]
    with pytest.raises(PhotosError, match="3 is not a path or an address"):
        verger.run(3, "store")  # type: ignore[arg-type]
    with pytest.raises(PhotosError):
        verger.run("nowhere", "store", progress=False)
    assert not (folder / "store").exists()


@pytest.mark.parametrize(
    ("setting", "takes"),
    [
        ({"csv": "yes"}, "True or False"),
        ({"cores": "2"}, "a whole number"),
        ({"cores": True}, "a whole number"),
        ({"max_rejects": "half"}, "a number"),
        ({"label_from": None}, "text"),
        ({"views": [224, 420]}, "a number or text"),
        ({"components": None}, "a number or text"),
        ({"components": True}, "a number or text"),
        ({"spark_conf": "a=b"}, "a list of texts"),
        ({"spark_conf": [1]}, "a list of texts"),
    ],
)
def test_a_setting_of_the_wrong_type_is_told(setting: dict[str, Any], takes: str) -> None:
    with pytest.raises(UsageError, match=f"this setting takes {takes}"):
        verger.run("photos", "store", **setting)


def test_settings_are_taken_as_python_has_them() -> None:
    made = settings_from({
        "components": np.float64(0.9), "max_rejects": "50%", "cores": np.int64(2),
        "backbone": Path("net.onnx"), "spark_conf": ["a=b"], "shrinkage": 0,
        "views": 224, "csv": np.False_,
    })  # fmt: skip
    assert (made.components, made.max_rejects, made.cores) == ("0.9", 0.5, 2)
    assert type(made.cores) is int  # the run record is JSON
    assert (made.backbone, made.spark_conf, made.shrinkage) == ("net.onnx", ("a=b",), 0)
    assert (made.views, made.csv) == ("224", False)


@pytest.mark.parametrize("photos", [None, 3, [None], bytearray(b"x"), io.BytesIO(b"x")])
def test_what_is_not_a_photo_is_told(store: verger.Store, photos: Any) -> None:
    with pytest.raises(UsageError, match="This is not a photo, but of type"):
        store.identify(photos)
    with pytest.raises(UsageError, match="This is not a photo, but of type"):
        store.project(photos)


def test_reducing_keeps_what_is_not_said(store: verger.Store) -> None:
    assert len(store.record["settings"]["components"]) == 1
    again = verger.reduce("store", standardize=True, report=False, progress=False)
    assert again.record["projection"]["k"] == 5
    assert again.record["projection"]["standardized"]
    assert "5 components keep" in str(again)


def test_in_threads(folder: Path) -> None:
    def run(store: str) -> pa.Table:
        return verger.run(
            "photos", store, components=3, report=False, progress=False
        ).store.matrix()

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(run, ["a", "b"])
    assert one == other


@pytest.fixture
def executed(folder: Path) -> nbformat.NotebookNode:
    from nbclient import NotebookClient

    notebook: nbformat.NotebookNode = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(KERNEL)]
    )
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "", "language": "python"}
    NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def test_in_jupyter(executed: nbformat.NotebookNode) -> None:
    """Progress in plain lines where no widget can be; and the outcome with pictures."""
    outputs = executed.cells[0].outputs
    said = "".join(one.text for one in outputs if one.output_type == "stream")
    assert "Embedding: 30/30 photos" in said
    (shown,) = (one.data for one in outputs if one.output_type == "execute_result")
    assert shown["text/html"].count("<img") == 5
    assert json.dumps(shown["text/plain"])


@pytest.mark.spark
def test_beside_a_spark_of_the_user_s(spark: SparkSession, folder: Path) -> None:
    outcome = verger.run("photos", "store", engine="spark", report=False, progress=False)
    assert outcome.record["engine"] == "spark"
    assert spark.range(3).count() == 3
    assert len(outcome.store.matrix()) == 30
