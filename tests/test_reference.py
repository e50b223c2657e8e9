"""The reference pages say what the code says, and the check notices when they do not."""

import ast
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import verger.errors
import verger.pipeline
from verger.photos.reasons import Reason
from verger.settings import RunSettings, ServeSettings
from verger.store.inventory import Tally
from verger.store.parts import SCHEMAS

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPT = REPOSITORY / "scripts" / "reference.py"
PAGES = REPOSITORY / "docs" / "reference"


def reference(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    made = reference("--folder", str(tmp_path))
    assert made.returncode == 0, made.stderr
    return tmp_path


def test_the_committed_pages_are_what_the_code_says() -> None:
    checked = reference("--check")
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    "page",
    [
        "cli.md",
        *(
            pytest.param(f"{name}.md", marks=pytest.mark.slow)
            for name in ("settings", "store", "reasons", "errors")
        ),
    ],
)
def test_a_changed_page_fails_the_check_by_name(written: Path, page: str) -> None:
    file = written / page
    file.write_text(file.read_text(encoding="utf-8") + "one more line\n", encoding="utf-8")
    changed = file.read_bytes()
    checked = reference("--check", "--folder", str(written))
    assert checked.returncode == 1
    assert checked.stderr.count("is stale") == 1
    assert page in checked.stderr
    assert file.read_bytes() == changed, "--check must change nothing"


@pytest.mark.slow
def test_a_missing_page_fails_the_check(written: Path) -> None:
    (written / "reasons.md").unlink()
    checked = reference("--check", "--folder", str(written))
    assert checked.returncode == 1
    assert "reasons.md" in checked.stderr


def test_the_pages_do_not_depend_on_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert reference("--folder", str(tmp_path)).returncode == 0
    assert reference("--check", "--folder", str(tmp_path)).returncode == 0
    assert (tmp_path / "cli.md").read_bytes() == (PAGES / "cli.md").read_bytes()


def test_spark_is_not_imported() -> None:
    code = (
        f"import runpy, sys; runpy.run_path({str(SCRIPT)!r})['pages'](); "
        "sys.exit('pyspark' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=False)
    assert ran.returncode == 0


@pytest.mark.parametrize(
    "setting",
    sorted({field.name for kind in (RunSettings, ServeSettings) for field in fields(kind)}),
)
def test_every_setting_is_documented(setting: str) -> None:
    rows = rows_starting(PAGES / "settings.md", f"| `{setting}` |")
    kinds = (RunSettings, ServeSettings)
    owners = [kind for kind in kinds if setting in {field.name for field in fields(kind)}]
    assert len(rows) == len(owners)
    for row in rows:
        assert f"`--{setting.replace('_', '-')}`" in row
    assert f"--{setting.replace('_', '-')}" in (PAGES / "cli.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_documented(reason: Reason) -> None:
    (row,) = rows_starting(PAGES / "reasons.md", f"| `{reason.value}` |")
    assert reason.meaning in row


def test_every_error_and_exit_code_is_documented() -> None:
    kinds = [
        kind
        for kind in vars(verger.errors).values()
        if isinstance(kind, type) and issubclass(kind, verger.errors.VergerError)
    ]
    assert len(kinds) > 1
    for kind in kinds:
        rows_of_kind = rows_starting(
            PAGES / "errors.md", f"| {kind.exit_code} | `{kind.__name__}` |"
        )
        assert len(rows_of_kind) == 1, kind
    for code in (0, 130, 143):
        assert rows_starting(PAGES / "errors.md", f"| {code} |")


COLUMNS = [(table, field.name) for table, schema in SCHEMAS.items() for field in schema]
MATRIX_COLUMNS = [("matrix", name) for name in ("path", "label", "components")]


@pytest.mark.parametrize(("table", "column"), [*COLUMNS, *MATRIX_COLUMNS])
def test_every_column_is_documented(table: str, column: str) -> None:
    page = (PAGES / "store.md").read_text(encoding="utf-8")
    (section,) = [part for part in page.split("\n## ") if part.startswith(f"`{table}/`")]
    (row,) = [line for line in section.splitlines() if line.startswith(f"| `{column}` |")]
    if table in SCHEMAS:
        assert f"| {'yes' if SCHEMAS[table].field(column).nullable else 'no'} |" in row
    documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    known = [*COLUMNS, *MATRIX_COLUMNS]
    assert documented == [name for of, name in known if of == table]


def test_the_fields_of_the_run_record_are_those_that_the_pipeline_writes() -> None:
    parts = {"run", "reduce", "_embedded_and_reduced", "_reduced", "_engine", "finish"}
    functions = {
        node.name: node
        for source in sources_of_the_pipeline()
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and node.name in parts
    }
    assert functions.keys() == parts
    made = {
        key.value
        for function in functions.values()
        for node in ast.walk(function)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
    documented = fields_of_the_record()
    added = {"format", "run", "kept", "manifest", "sha256"}  # by STORE
    assert documented.keys() == made | added


def test_every_change_and_stage_is_documented() -> None:
    documented = fields_of_the_record()
    for name in Tally().as_record():
        assert f"`{name}`" in documented["changes"]
    stages = set(re.findall(r"clock\.time\(\"(\w+)\"\)", "".join(sources_of_the_pipeline())))
    assert {"list", "embed"} < stages
    assert set(re.findall(r"`(\w+)`", documented["seconds"])) == stages


def sources_of_the_pipeline() -> list[str]:
    assert verger.pipeline.__file__
    modules = Path(verger.pipeline.__file__).parent.glob("*.py")
    return [module.read_text(encoding="utf-8") for module in modules]


def fields_of_the_record() -> dict[str, str]:
    page = (PAGES / "store.md").read_text(encoding="utf-8")
    record = page.split("## `run.json`")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", record, re.MULTILINE))


def rows_starting(page: Path, start: str) -> list[str]:
    lines = page.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith(start)]


CODE = ("src", "tests", "benchmarks", "scripts")
PROSE = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
READMES = [REPOSITORY / "README.md", REPOSITORY / "README.fr.md"]


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_a_module_that_a_text_names_is_there() -> None:
    """Paths such as `photos/decode.py`, in pages and in the code; replaced decisions may be old."""
    code = [file for name in CODE for file in (REPOSITORY / name).rglob("*.py")]
    gone = ("has taken its place", "**Replaced.**")
    pages = [page for page in PROSE if not any(word in page.read_text("utf-8") for word in gone)]
    stale = {}
    for file in [*pages, *code]:
        named = re.findall(r"`((?:\w+/)+\w+\.py)`", file.read_text("utf-8"))
        homes = [REPOSITORY, REPOSITORY / "src", REPOSITORY / "src" / "verger", file.parent]
        for path in {*named} - {"scripts/entry.py"}:  # in a job's bucket
            if not any((home / path).exists() for home in homes):
                stale[path] = file.relative_to(REPOSITORY).as_posix()
    assert stale == {}


@pytest.mark.parametrize("readme", READMES, ids=lambda page: page.name)
def test_the_readme_names_only_options_that_there_are(readme: Path) -> None:
    code = "\n".join(re.findall(r"`[^`\n]+`", readme.read_text(encoding="utf-8")))
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", code))
    assert "--components" in named
    known = set(re.findall(r"--[a-z-]+", (PAGES / "cli.md").read_text(encoding="utf-8")))
    assert named - known - {"--no-deps"} == set()  # pip's


def test_the_french_readme_is_a_twin() -> None:
    english, french = (readme.read_text(encoding="utf-8") for readme in READMES)
    for part in (r"^(#+) ", r"^```(\w*)", r"^(\| `[^`]+`)", r"\]\(((?:docs|src)/[^)]+)\)"):
        found = re.findall(part, re.sub(r"[-.]fr(\.\w+\))", r"\1", french), re.MULTILINE)
        assert re.findall(part, english, re.MULTILINE) == found
    for reason in Reason:
        assert f"`{reason.value}`" in english
        assert f"`{reason.value}`" in french


def test_every_page_is_in_the_index() -> None:
    index = (REPOSITORY / "docs" / "index.md").read_text(encoding="utf-8")
    pages = [
        page.relative_to(REPOSITORY / "docs").as_posix()
        for page in PROSE
        if "docs" in str(page.relative_to(REPOSITORY))
    ]
    assert [page for page in pages if page != "index.md" and f"({page})" not in index] == []


def test_every_benchmark_is_in_the_table() -> None:
    folder = REPOSITORY / "benchmarks"
    table = (folder / "README.md").read_text(encoding="utf-8")
    names = {
        file.stem
        for file in folder.glob("*.py")
        if file.read_text(encoding="utf-8").startswith('"""`python -m benchmarks.')
    }
    assert {name for name in names if f"`benchmarks.{name}" not in table} == set()
    pages = {file.name for file in folder.glob("*.md")} - {"README.md"}
    assert {page for page in pages if f"]({page})" not in table} == set()


def test_every_room_is_on_the_page_of_architecture() -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = page.split("## The rooms")[1].split("## ")[0]
    source = REPOSITORY / "src" / "verger"
    files = {file.name for file in source.glob("*.py") if not file.name.startswith("_")}
    folders = {f"{file.parent.name}/" for file in source.glob("*/__init__.py")}
    assert "ml.py" in files
    assert set(re.findall(r"^\| `(\w+(?:\.py|/))`", named, re.MULTILINE)) == files | folders
