"""What a dry run prints, compared whole with what is kept in golden/.

After a change that is meant: VERGER_GOLDEN=write python -m pytest tests/cloud/test_show.py
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import hashlib
import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from verger.cli.main import cli
from verger.cloud import parameters, tunnel
from verger.cloud.aws import Aws
from verger.cloud.job import Job, Platform
from verger.cloud.prices import table_prices
from verger.cloud.show import dry_run
from verger.cloud.sizes import check_dearest_first
from verger.cloud.stack import template
from verger.errors import CloudError, PhotosError, StoreError, UsageError

GOLDEN = Path(__file__).parent / "golden"
NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
SIZES: dict[Platform, dict[str, Any]] = {
    "ec2": {"instance_type": "c7i.2xlarge", "disk_gb": 25},
    "emr": {"instance_type": "m7g.xlarge", "nodes": 4, "primary_type": "m7g.xlarge"},
    "serverless": {"nodes": 8},
}


def job(on: Platform, **changes: Any) -> Job:
    given: dict[str, Any] = {
        "id": "verger-golden",
        "photos": "s3://orchard/photos/2026",
        "store": "s3://results/store",
        "on": on,
        "architecture": "arm64" if on == "emr" else "x86_64",
        "release": "" if on == "ec2" else "emr-spark-8.1.0",
        "price": "0.0500 + 0.2000/h on two servers, 1 × m5.large",
        "spot": on == "emr",
        "limit_minutes": 45,
        "options": ("--components", "0.95"),
    }
    return Job(**{**given, **SIZES[on], **changes})


def files(on: Platform) -> dict[str, str]:
    return dry_run(job(on), budget_usd=11.5, email="you@example.org", now=NOW)


def kept(name: str, text: str) -> str:
    """Return what is kept under a name; or keep it, where that is asked for."""
    path = GOLDEN / name
    if os.environ.get("VERGER_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("on", SIZES)
def test_a_dry_run_prints_what_it_printed(on: Platform) -> None:
    for name, text in files(on).items():
        if name.endswith(".yaml"):
            assert text == template(name.removesuffix(".yaml"))
        elif name.endswith(".sh"):
            assert text.startswith("#!/bin/bash\n")
        else:
            assert text == kept(f"{on}/{name}", text), name


@pytest.mark.parametrize("on", SIZES)
def test_each_parameter_is_one_of_the_template_and_none_is_missing(on: Platform) -> None:
    from cfnlint.decode.cfn_yaml import loads

    for name in ("base", on):
        listed = json.loads(files(on)[f"{name}.parameters.json"])
        given = {each["ParameterKey"]: each["ParameterValue"] for each in listed}
        known = loads(template(name))["Parameters"]
        assert set(given) <= set(known)
        assert {key for key, each in known.items() if "Default" not in each} <= set(given)


def test_the_servers_script_is_what_the_template_gets() -> None:
    made = files("ec2")
    listed = json.loads(made["ec2.parameters.json"])
    (data,) = [each["ParameterValue"] for each in listed if each["ParameterKey"] == "UserData"]

    assert base64.b64decode(data).decode() == made["user-data.sh"]
    assert "--components 0.95" in made["user-data.sh"]


def test_the_steps_command_line_is_what_the_template_gets() -> None:
    made = files("emr")
    listed = json.loads(made["emr.parameters.json"])
    (step,) = [e["ParameterValue"] for e in listed if e["ParameterKey"] == "StepArguments"]

    assert step.split(",") == shlex.split(made["step.txt"])


def test_the_settings_of_foxyproxy_and_the_tunnels_are_what_they_were() -> None:
    server = "i-0123456789abcdef0"
    commands = [
        tunnel.forward("eu-west-1", server, 18080, 4040),
        *tunnel.ssh("eu-west-1", server, "emr", "/home/you/.ssh/id_ed25519"),
        *tunnel.ssh("eu-west-1", server, "ec2", "/home/you/.ssh/id_ed25519"),
    ]
    text = "\n".join(shlex.join(command) for command in commands) + "\n"

    assert text == kept("tunnels.txt", text)
    settings = tunnel.foxyproxy("eu-west-1")
    assert settings == kept("foxyproxy.json", settings)


def test_show_writes_what_a_person_deploys_by_hand(tmp_path: Path) -> None:
    command = ["cloud", "show", "s3://orchard/photos", "s3://results/store", "--on", "emr",
               "--photos-count", "1000", "--name", "verger-hand", "--to", str(tmp_path),
               "--account", "123456789012",
               "--", "--components", "0.9"]  # fmt: skip

    ran = CliRunner().invoke(cli, command, catch_exceptions=False)

    assert ran.exit_code == 0, ran.output
    assert "verger cloud down verger-hand" in (tmp_path / "README.txt").read_text()
    assert (tmp_path / "scratch/scripts/bootstrap.sh").exists()
    assert "--components,0.9" in (tmp_path / "emr.parameters.json").read_text()


@pytest.mark.parametrize(
    ("on", "given"),
    [
        ("ec2", {"Tries": "c7i.xlarge/0/lasting,m7i.xlarge/0/lasting"}),
        ("emr", {"InstanceType": "c7i.xlarge", "SecondType": "m7i.xlarge"}),
    ],
)
def test_types_of_server_are_tried_in_the_order_that_is_asked_for(
    on: str, given: dict[str, str], tmp_path: Path
) -> None:
    words = ["cloud", "show", "s3://orchard/photos", "s3://results/store", "--on", on,
             "--photos-count", "1000", "--to", str(tmp_path)]  # fmt: skip
    ran = CliRunner().invoke(cli, [*words, "--instance-type", "c7i.xlarge,m7i.xlarge"])

    assert ran.exit_code == 0, ran.output
    listed = json.loads((tmp_path / f"{on}.parameters.json").read_text())
    made = {each["ParameterKey"]: each["ParameterValue"] for each in listed}
    assert given.items() <= made.items()
    for types, why in (
        ("c7i.xlarge,m7i.2xlarge", "not all have the same number of processors"),
        ("c7i.xlarge,t3.xlarge.x", "is not an instance type"),
        ("c7i-flex.large,c7g.large", "is not x86_64"),
    ):
        ran = CliRunner().invoke(cli, [*words, "--instance-type", types])
        assert why in str(ran.exception), ran.output


def test_a_type_that_costs_more_than_the_one_that_is_planned_is_refused() -> None:
    """The budget holds for whichever AWS has."""
    prices = table_prices("eu-west-1")

    check_dearest_first(("c7i.xlarge", "m7i.xlarge"), prices)  # within the margin
    with pytest.raises(UsageError, match=r"m7i\.xlarge costs more than t4g\.small"):
        check_dearest_first(("t4g.small", "m7i.xlarge"), prices)


@pytest.mark.parametrize("on", SIZES)
def test_with_an_account_nothing_is_left_to_be_filled_in(on: Platform) -> None:
    """Within what is encoded neither; of a job run alone, names that the stack gives."""
    made = dry_run(job(on), budget_usd=9, email="", now=NOW, account="123456789012")
    for name, text in made.items():
        if not name.endswith(".yaml"):
            assert "ACCOUNT" not in text, name
    assert "s3://verger-golden-123456789012" in made["README.txt"]
    if on == "ec2":
        listed = json.loads(made["ec2.parameters.json"])
        (data,) = [e["ParameterValue"] for e in listed if e["ParameterKey"] == "UserData"]
        assert b"SCRATCH=s3://verger-golden-123456789012\n" in base64.b64decode(data)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/home/me/photos", "on AWS this must be a folder in S3"),
        ("gs://orchard/photos", "on AWS this must be a folder in S3"),
        ("s3:///photos", "on AWS this must be a folder in S3|names no bucket"),
        ("s3://Orchard/photos", "Orchard is not a bucket name"),
        ("s3://a/photos", "a is not a bucket name"),
        ("s3://orchard/*", "take for a pattern"),
        ("s3://orchard/${aws:username}", "take for a pattern"),
        ("s3://orchard/a\nb", "take for a pattern"),
    ],
)
def test_what_no_policy_can_name_is_refused(url: str, why: str) -> None:
    with pytest.raises(PhotosError, match=why):
        parameters.check(job("ec2", photos=url))
    with pytest.raises(StoreError, match=why):
        parameters.check(job("ec2", store=url))


def test_a_prefix_ends_with_a_slash_so_that_no_neighbour_is_read() -> None:
    assert parameters.s3_folder("s3://orchard/photos", PhotosError) == ("orchard", "photos/")
    assert parameters.s3_folder("s3a://orchard/a/b/", PhotosError) == ("orchard", "a/b/")
    assert parameters.s3_folder("s3://orchard", PhotosError) == ("orchard", "")


@pytest.mark.parametrize("name", ["", "verger", "verger-A", "verger-x/../y", "other-x", "verger-é"])
def test_what_is_no_name_of_a_job_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="not a job name"):
        parameters.check_id(name)


def test_a_comma_in_a_folder_s_name_does_not_cut_the_step_of_emr() -> None:
    files = dry_run(job("emr", photos="s3://orchard/a,b"), budget_usd=1, email="", now=NOW)

    given = {
        one["ParameterKey"]: one["ParameterValue"]
        for one in json.loads(files["emr.parameters.json"])
    }
    assert "s3://orchard/a%2Cb" in given["StepArguments"].split(",")


def test_a_long_script_is_packed_and_one_that_is_too_long_refused() -> None:
    script = "echo a line that comes again and again\n" * 200

    packed = base64.b64decode(parameters.encoded(script))

    assert gzip.decompress(packed).decode() == script
    noise = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(200))
    with pytest.raises(UsageError, match="too many"):
        parameters.encoded(noise)


def test_a_job_is_read_back_as_it_was_written() -> None:
    written = job("serverless")

    assert parameters.from_json(parameters.as_json(written)) == written
    for wrong in ("", "[]", "null", '{"id": 1, "x": 2}', "{"):
        with pytest.raises(ValueError):  # noqa: PT011 - any
            parameters.from_json(wrong)


@pytest.mark.parametrize(("photos", "shown"), [("10000", False), ("10001", True)])
def test_a_server_shows_the_page_of_the_spark_that_it_takes(photos: str, shown: bool) -> None:
    command = ["cloud", "show", "s3://orchard/photos", "s3://results/store", "--on", "ec2",
               "--photos-count", photos, "--name", "verger-ui"]  # fmt: skip

    ran = CliRunner().invoke(cli, command, catch_exceptions=False)

    assert ("--spark-conf spark.ui.enabled=true" in ran.output) is shown
    for option in ("emr", "serverless"):
        command[command.index("--on") + 1] = option
        assert "spark.ui" not in CliRunner().invoke(cli, command, catch_exceptions=False).output


def test_where_there_is_no_page_that_is_said() -> None:
    with pytest.raises(CloudError, match="so few photos it runs without Spark"):
        tunnel.way(Aws("eu-west-1"), job("ec2"), 4040)
