"""Import paths of before the rooms: they work and say what is new; nothing of ours takes one."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from verger._moved import MODULES, NAMES

REPOSITORY = Path(__file__).resolve().parents[1]
# What the README, the notebooks and the how-to pages of then say.
SNIPPETS = {
    "README.md": """
        from verger.backbones import open_backbone
        from verger.photos.decode import decode
        from verger.projection import load_pca
        """,
    "a notebook": """
        from verger.errors import PhotosError, StoreError
        from verger.ml import PCA, Discriminant, PhotoEmbedder
        from verger.photos.decode import decode
        from verger.photos.reasons import Reject
        from verger.places import place_of
        from verger.settings import RunSettings
        from verger.spark.session import session
        """,
    "programs": """
        from verger.backbones import Backbone, Card, InputSpec, Network, open_backbone, preload
        from verger.backbones.backbone import Backbone
        from verger.backbones.card import Card
        from verger.cli import cli, main
        from verger.demo import demo
        from verger.discriminant import Discriminant, fit_discriminant, load_discriminant
        from verger.discriminant import save_discriminant
        from verger.evaluate import evaluate
        from verger.features import Embedder
        from verger.gallery import Gallery, build_gallery
        from verger.identify import Identifier
        from verger.moments import Moments
        from verger.photos.render import render_orchard
        from verger.photos.source import Labeller, labeller_from
        from verger.pipeline import Outcome, plan, prepare, reduce, run
        from verger.places import place_of, source_of, store_place
        from verger.projection import PCA, fit_pca, load_pca, save_pca
        from verger.report import write_report
        from verger.store import Publication, Store, Work
        from verger.tables import Table, rows_of, write_csv
        import verger.knowledge.labels
        import verger.summary
        assert callable(main) and callable(prepare)
        assert verger.summary.summary is verger.store.summary.summary
        """,
}


def python(program: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, str(program)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "program.py"


WHOLE = [old for old in sorted(MODULES) if " " not in MODULES[old]]
DIVIDED = [old for old in sorted(MODULES) if " " in MODULES[old]]


@pytest.mark.parametrize("old", WHOLE)
def test_an_old_path_gives_the_module_itself(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    new = import_module(f"verger.{MODULES[old]}")
    monkeypatch.delitem(sys.modules, f"verger.{old}", raising=False)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        moved = import_module(f"verger.{old}")
    assert moved is new
    assert new.__name__ == f"verger.{MODULES[old]}"
    assert new.__spec__ is not None
    assert new.__spec__.name == new.__name__
    assert f"verger.{old} is now {new.__name__}." in [str(warning.message) for warning in told]


@pytest.mark.parametrize("old", DIVIDED)
def test_a_module_that_was_divided_finds_its_names(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, f"verger.{old}", raising=False)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        was = import_module(f"verger.{old}")
    homes = [f"verger.{home}" for home in MODULES[old].split()]
    assert [str(warning.message) for warning in told] == [
        f"verger.{old} is now {' and '.join(homes)}."
    ]
    for home in map(import_module, homes):
        mine = [name for name, value in vars(home).items() if is_made_in(home, value)]
        assert mine != []
        assert all(getattr(was, name) is vars(home)[name] for name in mine)
    with pytest.raises(AttributeError, match=rf"'verger\.{old}' has no attribute 'orchards'"):
        was.orchards  # noqa: B018


def is_made_in(module: ModuleType, value: object) -> bool:
    return getattr(value, "__module__", None) == module.__name__


def test_no_module_is_where_a_row_says_that_it_is_gone() -> None:
    src = REPOSITORY / "src" / "verger"
    paths = [src.joinpath(*old.split(".")) for old in MODULES]
    assert [path for path in paths if path.with_suffix(".py").exists()] == []
    assert [path for path in paths if (path / "__init__.py").exists()] == []


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in NAMES for name in NAMES[module]]
)
def test_a_name_that_left_is_still_found(module: str, name: str) -> None:
    was = import_module(f"verger.{module}")
    vars(was).pop(name, None)
    with pytest.warns(DeprecationWarning, match=rf"verger\.{module}\.{name} is now verger\."):
        value = getattr(was, name)
    assert value is getattr(import_module(f"verger.{NAMES[module][name]}"), name)
    assert getattr(was, name) is value  # told once


@pytest.mark.slow
@pytest.mark.parametrize("where", sorted(SNIPPETS))
def test_what_was_written_before_runs(where: str, program: Path) -> None:
    program.write_text("\n".join(line.strip() for line in SNIPPETS[where].splitlines()))
    ran = python(program)
    assert ran.returncode == 0, ran.stderr


def test_the_warning_names_the_new_path_and_the_callers_line(program: Path) -> None:
    program.write_text(
        "import verger.places\n\nfrom verger.projection import PCA\n"
        "from verger.pipeline import prepare\nfrom verger.store import now\n"
    )
    told = [line for line in python(program, "-W", "always").stderr.splitlines() if ".py:" in line]
    assert told == [
        f"{program}:{line}: DeprecationWarning: verger.{old} is now verger.{new}."
        for line, old, new in [
            (1, "places", " and verger.".join(MODULES["places"].split())),
            (3, "projection", "projections.pca"),
            (4, "pipeline.prepare", "demo.prepare"),
            (5, "store.now", f"{NAMES['store']['now']}.now"),
        ]
    ]


@pytest.mark.slow
def test_what_did_not_move_warns_of_nothing(program: Path) -> None:
    program.write_text(
        "from verger.cli import main\nfrom verger.pipeline import run\n"
        "import verger.demo, verger.gallery, verger.ml, verger.store\n"
    )
    ran = python(program, "-W", "error::DeprecationWarning:__main__")
    assert ran.returncode == 0, ran.stderr


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"verger\.orchards"):
        import_module("verger.orchards")
    for module in NAMES:
        with pytest.raises(AttributeError, match=f"'verger.{module}' has no attribute 'orchards'"):
            import_module(f"verger.{module}").orchards  # noqa: B018


def test_import_verger_loads_nothing_else(program: Path) -> None:
    program.write_text(
        "import sys, verger\nprint(*sorted(n for n in sys.modules if n.startswith('verger')))\n"
    )
    assert python(program).stdout.split() == ["verger", "verger._moved"]


def imports(text: str) -> Iterator[str]:
    """Yield the full names that a program imports: module, and module.name."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.slow
def test_nothing_of_ours_takes_an_old_path() -> None:
    gone = {f"verger.{old}" for old in MODULES}
    gone |= {f"verger.{module}.{name}" for module in NAMES for name in NAMES[module]}
    folders = ("src", "tests", "benchmarks", "scripts")
    files = [file for folder in folders for file in (REPOSITORY / folder).rglob("*.py")]
    assert len(files) > 200
    old = {
        f"{file.relative_to(REPOSITORY)}: {name}"
        for file in files
        for name in imports(file.read_text(encoding="utf-8"))
        if name in gone
    }
    # In text, and in programs that are strings: whatever reads like an import.
    written = re.compile(r"(?:from|import) (verger(?:\.\w+)+)")
    texts = [
        *REPOSITORY.glob("*.md"),
        *(REPOSITORY / "docs").rglob("*.md"),
        *(REPOSITORY / "notebooks").glob("*.ipynb"),
        *(file for file in files if file != Path(__file__)),
    ]
    old |= {
        f"{file.relative_to(REPOSITORY)}: {name}"
        for file in texts
        for name in written.findall(file.read_text(encoding="utf-8"))
        if name in gone
    }
    assert old == set()


@pytest.mark.parametrize("old", [old for old in MODULES if "." in old])
def test_an_old_path_hides_no_name_of_the_package_that_it_is_a_part_of(old: str) -> None:
    """Python binds each submodule that it imports to its last name in the package."""
    above, _, last = old.rpartition(".")
    home, *more = MODULES.get(above, above).split()
    package = import_module(f"verger.{home}")
    assert more or isinstance(vars(package).get(last, package), ModuleType)
