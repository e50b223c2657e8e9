"""The scripts and command lines that a job is turned into, and what watches the run."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import obstore
import pytest

from seaweed import S3
from verger.cloud import entry, machine
from verger.cloud.job import Job
from verger.errors import UsageError

JOB = Job(
    id="verger-1", photos="s3://orchard/some photos", store="s3://results/é", on="emr",
    nodes=3, instance_type="m5.2xlarge", release="emr-7.13.0", options=("--components", "5"),
)  # fmt: skip
AWKWARD = "s3://b/a 'b' \"c\" $(touch gone) `id`;é, %2C\\ *~ {x}\nrm -rf"
SCRIPTS = ("user-data.sh", "job.sh", "bootstrap.sh")


def shellcheck(text: str) -> str:
    line = [str(Path(sys.executable).with_name("shellcheck")), "--shell=bash", "-"]
    return subprocess.run(line, input=text, capture_output=True, text=True, check=False).stdout


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    assert shellcheck("rm $1\n")  # it is there, and looks
    # The values that user-data.sh goes by stand above it, so it is checked as it is sent.
    assert shellcheck(machine.user_data(JOB, "scratch")) == ""
    for name in SCRIPTS[1:]:
        assert shellcheck(machine.script(name)) == "", name


@pytest.mark.parametrize("photos", [JOB.photos, AWKWARD])
def test_no_value_is_taken_for_shell(photos: str, tmp_path: Path) -> None:
    job = dataclasses.replace(JOB, photos=photos, options=("--label-from", "regex:(?P<label>$x')"))
    text = machine.user_data(job, "scratch")
    head = text[: text.index("# What the server")]
    ran = subprocess.run(
        ["bash", "-c", head + '\nprintf "%s\\0" "$SCRATCH" "$LIMIT" "$@"'],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    scratch, limit, *words = ran.stdout.split("\0")[:-1]
    assert (scratch, limit) == ("s3://scratch", "120")
    assert [unquote(word) for word in words] == ["run", photos, job.store, *job.options]
    assert list(tmp_path.iterdir()) == []


def test_command_lines_are_of_ascii_words_without_commas() -> None:
    """CloudFormation's lists have commas between; Java in a POSIX locale knows ASCII alone."""
    job = dataclasses.replace(JOB, photos=AWKWARD)
    for word in machine.emr_step(job, "scratch"):
        assert word.isascii()
        assert not set(", \n'\"$`") & set(word)


def test_the_step_is_the_platform_s_own_spark() -> None:
    step = machine.emr_step(JOB, "scratch")
    assert step[:3] == ["spark-submit", "--deploy-mode", "client"]
    conf = dict(word.split("=", 1) for word in step if word.startswith("spark."))
    assert not [key for key in conf if "commit" in key or "s3" in key or "jars" in key]
    assert conf["spark.executor.instances"] == "12"  # 3 nodes of 8 processors, 2 an executor
    at = step.index("/opt/verger/entry.py")
    assert step[at + 1 : at + 5] == ["--job", "verger-1", "--scratch", "s3://scratch"]


def test_serverless_takes_the_archive_and_the_same_arguments() -> None:
    words = shlex.split(machine.spark_parameters(JOB, "scratch"))
    assert words[::2] == ["--conf"] * (len(words) // 2)
    conf = dict(word.split("=", 1) for word in words[1::2])
    assert conf["spark.archives"] == "s3://scratch/archive/verger-env.tar.gz#verger-env"
    assert conf["spark.executorEnv.PYTHONPATH"] == "./verger-env"
    given = machine.entry_arguments(JOB, "scratch")
    assert given == machine.emr_step(JOB, "scratch")[-len(given) :]


def test_a_topic_is_handed_on_where_there_is_one() -> None:
    topic = "arn:aws:sns:eu-west-1:123456789012:ended"
    told = dataclasses.replace(JOB, notify=topic)
    for job, words in ((told, ["--notify", topic]), (JOB, [])):
        step = machine.emr_step(job, "scratch")
        assert [word for word in step if word in ("--notify", topic)] == words
        assert (f"NOTIFY={topic}" in machine.user_data(job, "scratch")) is bool(words)


def test_user_data_fit_a_parameter_of_cloudformation() -> None:
    assert len(machine.user_data(JOB, "verger-20261121-101010-abcdef-123456789012")) < 3072
    long = dataclasses.replace(JOB, options=("--label-from", "x" * 2000))
    with pytest.raises(UsageError, match="too long"):
        machine.user_data(long, "scratch")


def run_entry(s3: S3, cwd: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, entry.__file__, "--job", "verger-1", "--scratch", "s3://scratch-entry",
         "--", *words],
        env=os.environ | s3.environment(), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def test_a_run_that_fails_leaves_its_reason(s3: S3, tmp_path: Path) -> None:
    scratch = s3.make_bucket("scratch-entry")
    process = run_entry(s3, tmp_path, "run", str(tmp_path / "no%20such"), str(tmp_path / "store"))
    _, err = process.communicate(timeout=100)
    assert process.returncode == 3
    result = json.loads(bytes(obstore.get(scratch, "result.json").bytes()))
    assert result["exit_code"] == 3
    assert "no such" in result["error"]
    assert result["record"] is None
    assert json.loads((tmp_path / "result.json").read_text()) == result
    log = bytes(obstore.get(scratch, "logs/progress.log").bytes()).decode()
    assert "verger: " in log
    assert log == err


def test_out_of_time_a_run_is_stopped_and_says_so(s3: S3, tmp_path: Path) -> None:
    """SIGTERM, as a server that shuts down sends it, while Verger waits for a named pipe."""
    scratch = s3.make_bucket("scratch-entry-2")
    os.mkfifo(tmp_path / "labels.csv")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    process = subprocess.Popen(
        [sys.executable, entry.__file__, "--job", "verger-1", "--scratch", "s3://scratch-entry-2",
         "--", "run", "photos", "store", "--label-from", "labels.csv"],
        env=os.environ | s3.environment(), cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert "job verger-1" in process.stderr.readline()
    with (tmp_path / "labels.csv").open("w"):  # opens when Verger reads it, which then waits
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=100)
    assert process.returncode == 143
    result = json.loads(bytes(obstore.get(scratch, "result.json").bytes()))
    assert result["exit_code"] == 143
    assert "stopped" in result["error"]


def test_a_run_that_is_killed_says_nothing_and_is_told_all_the_same(tmp_path: Path) -> None:
    result: dict[str, Any] = entry.Watched("verger-1", 0.0, tmp_path / "log").result(-9, None)
    assert result["exit_code"] == 137
    assert "by signal 9" in result["error"]
