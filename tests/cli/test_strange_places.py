"""Runs where settings of other programs lie about, names are strange, and nobody listens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from program import ON_SPARK, Ended, command, execute, finish, start, verger

QUIET = Path(__file__).parents[1] / "quiet.py"
# A file of each of these names stands in the way of a program that has the folder on its path.
NAMES = ("random", "numpy", "logging", "secrets", "tempfile", "socket", "pandas", "pyspark")

# What a person does with a STORE, one after another, in a network where nobody is.
EVERYTHING = '''\
import json, subprocess, sys, time, urllib.request
from pathlib import Path
def verger(*words):
    return [sys.executable, "-m", "verger", *words]
def done(*words):
    subprocess.run(verger(*words), check=True, stdout=subprocess.DEVNULL)
FEW = """
import sys, verger.demo as demo
from verger.cli.main import main
render = demo.render_orchard
demo.render_orchard = lambda to, **how: render(to, varieties=5, views=4, test_views=2, **how)
sys.argv = ["verger", "demo", "demo"]
main()
"""
subprocess.run([sys.executable, "-c", FEW], check=True, stdout=subprocess.DEVNULL)
photo = str(next(Path("demo/photos").rglob("*.jpg")))
done("identify", "demo/store", photo)
done("evaluate", "demo/store", "demo/photos/Test", "--quiet")
done("report", "demo/store")
done("notebook", "demo/store")
server = subprocess.Popen(verger("serve", "demo/store", "--port", "8123"), stdout=-3)
for _ in range(600):
    try:
        urllib.request.urlopen("http://127.0.0.1:8123/healthz").read()
        break
    except OSError:
        assert server.poll() is None
        time.sleep(0.1)
urllib.request.urlopen("http://127.0.0.1:8123/").read()
body = b"--x\\r\\nContent-Disposition: form-data; name=photos; filename=a.jpg\\r\\n\\r\\n"
body += Path(photo).read_bytes() + b"\\r\\n--x--\\r\\n"
asked = urllib.request.Request("http://127.0.0.1:8123/api/v1/identify", body)
asked.add_header("Content-Type", "multipart/form-data; boundary=x")
try:
    urllib.request.urlopen(asked).read()
finally:
    server.terminate()
    server.wait()
'''


def quietly(told: Path, line: list[str], env: dict[str, str], cwd: Path) -> Ended:
    """Run a command in a network of its own, or skip where there can be none."""
    if sys.platform != "linux" or shutil.which("ip") is None:
        pytest.skip("a network of its own needs Linux and iproute2")
    own = [shutil.which("unshare") or "unshare", "--net", "--uts"]
    if os.getuid() != 0:
        own.append("--map-root-user")
    if subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may have no network of its own")
    return execute([*own, sys.executable, str(QUIET), str(told), *line], env, cwd)


@pytest.fixture
def photos(few: list[Path], tmp_path: Path) -> Path:
    folder = tmp_path / "photos é"
    for number, file in enumerate(few[:8]):
        (folder / f"label {number % 2}").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / f"label {number % 2}" / f"ü{number}.jpg")
    return folder


def strange(folder: Path) -> dict[str, str]:
    """An environment in which each variable is meant for another Spark, or is wrong."""
    conf = folder / "conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text(
        "spark.eventLog.enabled true\nspark.eventLog.dir file:/no/such/folder\n"
        "spark.master spark://nowhere.invalid:7077\nspark.jars /no/such.jar\n"
    )
    (conf / "spark-env.sh").write_text("exit 1\n")
    (conf / "core-site.xml").write_text(
        "<configuration><property><name>fs.defaultFS</name>"
        "<value>hdfs://nowhere.invalid:9000</value></property></configuration>"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    return kept | {
        "SPARK_HOME": "/no/such/spark",
        "SPARK_CONF_DIR": str(conf),
        "HADOOP_CONF_DIR": str(conf),
        "SPARK_LOCAL_DIRS": "/proc/nothing",
        "SPARK_LOCAL_IP": "203.0.113.7",
        "SPARK_DIST_CLASSPATH": "/no/such/*",
        "SPARK_REMOTE": "sc://nowhere.invalid",
        "PYSPARK_SUBMIT_ARGS": "--packages no.such:package:1 --master yarn",
        "PYSPARK_PYTHON": "/no/such/python",
        "JAVA_TOOL_OPTIONS": "-XX:+UseG1GC -Xmx16m",
        "_JAVA_OPTIONS": "-Xmx16m",
        "LANG": "fr_FR.UTF-8" if "fr_FR.utf8" not in locales() else "xx_XX.UTF-8",
    }


def locales() -> list[str]:
    ran = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False)
    return ran.stdout.split()


@pytest.mark.spark
def test_a_run_where_everything_is_strange(photos: Path, tmp_path: Path) -> None:
    """Names, locale, variables and files are in the way, and the machine's name means nothing."""
    here = tmp_path / "here é"
    here.mkdir()
    for name in NAMES:
        (here / f"{name}.py").write_text("print('mine'); raise SystemExit(3)\n")
    (here / "json").mkdir()
    (here / "json" / "__init__.py").write_text("raise SystemExit(3)\n")
    program = [str(Path(sys.executable).parent / "verger")]
    line = [*program, "run", str(photos), "résultats-é", "--json", "--no-report", *ON_SPARK]
    told = tmp_path / "told.json"
    ended = quietly(told, line, strange(tmp_path), here)
    assert ended.code == 0, ended.err
    counts = json.loads(ended.out)["counts"]
    assert (counts["listed"], counts["embedded"]) == (8, 8)
    assert pq.read_table(here / "résultats-é" / "matrix").num_rows == 8
    assert json.loads(told.read_text()) == []
    assert "JAVA" not in ended.err


@pytest.mark.spark
def test_a_locale_that_knows_no_accents(photos: Path, tmp_path: Path) -> None:
    """The second run has nothing new: Java, which is given a locale of its own, starts once."""
    store = tmp_path / "résultats-é"
    for locale, new in (("C", 8), ("POSIX", 0)):
        env = {**os.environ, "LC_ALL": locale}
        ended = verger("run", photos, store, "--quiet", *ON_SPARK, env=env)
        assert (ended.code, ended.err) == (0, "")
        changes = json.loads((store / "run.json").read_text())["changes"]
        assert (changes["new"], changes["kept"]) == (new, 8 - new)


@pytest.mark.slow
def test_nobody_is_spoken_to(tmp_path: Path) -> None:
    """Demo, identify, evaluate, report, notebook, serve: no packet leaves, no name is asked for."""
    home, told, here = (tmp_path / name for name in ("home", "told.json", "here"))
    home.mkdir()
    here.mkdir()
    env = {**os.environ, "HOME": str(home), "TMPDIR": str(here)}
    env.pop("XDG_CACHE_HOME", None)
    ended = quietly(told, [sys.executable, "-c", EVERYTHING], env, here)
    assert ended.code == 0, ended.err[-3000:]
    assert json.loads(told.read_text()) == []
    left = {str(file.relative_to(home)) for file in home.rglob("*") if file.is_file()}
    assert not [
        file for file in left if not file.startswith((".cache/verger/", ".cache/fontconfig"))
    ]
    assert not list(tmp_path.rglob("*.ses"))
    assert {file.name for file in here.iterdir()} == {"demo", "verger.en.ipynb"}


@pytest.mark.spark
def test_a_cache_and_a_temporary_folder_where_no_program_may_run(
    mounted: Callable[[str, str], Path], photos: Path, tmp_path: Path
) -> None:
    still = mounted("still", "noexec,size=200m")
    env = {**os.environ, "XDG_CACHE_HOME": str(still), "TMPDIR": str(still)}
    ended = verger("run", photos, tmp_path / "store", "--quiet", *ON_SPARK, env=env)
    assert (ended.code, ended.err) == (0, "")
    assert [file for file in still.iterdir() if file.name != "verger"] == []


@pytest.mark.spark
def test_a_cache_and_a_temporary_folder_that_are_full(
    mounted: Callable[[str, str], Path], photos: Path, tmp_path: Path
) -> None:
    full = mounted("full", "size=1m")
    (full / "filler").write_bytes(bytes(shutil.disk_usage(full).free))
    env = {**os.environ, "XDG_CACHE_HOME": str(full), "TMPDIR": str(full)}
    ended = verger("run", photos, tmp_path / "store", "--quiet", *ON_SPARK, env=env)
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.spark
def test_a_run_that_is_killed_leaves_nothing_for_long(photos: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    env = {**os.environ, "TMPDIR": str(scratch)}
    process = start(command("run", photos, tmp_path / "store", *ON_SPARK), env)
    while not list(scratch.glob("vg-*/.held")):
        assert process.poll() is None
    process.kill()
    finish(process)
    left = list(scratch.glob("v*-*"))
    assert left
    for folder in left:
        os.utime(folder / ".held", (0, 0))
    ended = verger("run", photos, tmp_path / "store", "--quiet", *ON_SPARK, env=env)
    assert (ended.code, ended.err) == (0, "")
    assert not list(scratch.glob("v*-*"))
