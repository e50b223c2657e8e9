"""The choices of a run: each has its help and its option, and nonsense is refused by name."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click
import pytest

from verger.cli.main import cli
from verger.errors import UsageError
from verger.settings import Price, RunSettings, parse_components


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("128", 128),
        ("10000", 10_000),
        ("007", 7),
        ("+3", 3),
        (" 5 ", 5),
        ("0.95", 0.95),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("0.999999", 0.999999),
    ],
)
def test_components_are_a_number_or_a_share(text: str, value: float) -> None:
    parsed = parse_components(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "text",
    ["0", "-3", "1.5", "1.0", "0.0", "-0.5", "abc", "", " ", "nan", "inf", "-inf", "1e3", "120%",
     "0,95", "1 2", "0x10", "None", "9" * 5000],
)  # fmt: skip
def test_components_that_are_neither_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--components") as caught:
        RunSettings(components=text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch_size": 0}, "--batch-size 0"),
        ({"batch_size": -1}, "--batch-size -1"),
        ({"batch_size": 1025}, "--batch-size 1025"),
        ({"device": "gpu"}, "--device gpu is not one of cpu, cuda, auto"),
        ({"refit": "sometimes"}, "--refit sometimes is neither always nor when-it-matters"),
        ({"max_pixels": 0}, "--max-pixels 0"),
        ({"max_bytes": 0}, "--max-bytes 0"),
        ({"image_size": 15}, "--image-size 15"),
        ({"image_size": -224}, "--image-size -224"),
        ({"cores": 0}, "--cores 0"),
        ({"max_rejects": -0.1}, "--max-rejects -0.1"),
        ({"max_rejects": 1.1}, "--max-rejects 1.1"),
        ({"max_rejects": float("nan")}, "--max-rejects nan"),
        ({"memory": "2"}, "--memory 2"),
        ({"memory": "0g"}, "--memory 0g"),
        ({"memory": "lots"}, "--memory lots"),
        ({"memory": "-1g"}, "--memory -1g"),
        ({"memory": "1g "}, "--memory 1g"),
        ({"spark_conf": ("a.b",)}, "--spark-conf a.b"),
        ({"spark_conf": ("=x",)}, "--spark-conf =x"),
        ({"cores": 2, "master": "local[2]"}, "--cores and --master"),
    ],
)
def test_a_choice_that_cannot_be_right_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        RunSettings(**settings)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 1},
        {"batch_size": 1024},
        {"max_rejects": 0.0},
        {"max_rejects": 1.0},
        {"memory": "800m"},
        {"memory": "2G"},
        {"spark_conf": ("a.b=c=d", "e=")},
        {"image_size": 16, "cores": 1},
    ],
)
def test_a_choice_at_the_edge_is_taken(settings: dict[str, Any]) -> None:
    RunSettings(**settings)


def test_every_setting_has_its_help_and_its_option_with_the_same_default() -> None:
    options = {param.name: param for param in cli.commands["run"].params}
    for setting in dataclasses.fields(RunSettings):
        option = options[setting.name]
        assert isinstance(option, click.Option)
        assert option.help == setting.metadata["help"]
        assert len(option.help or "") > 15
        assert (option.help or "").endswith(".")
        assert "--" + setting.name.replace("_", "-") in option.opts
        given = () if option.multiple else option.default
        assert given == setting.default, setting.name


def test_the_command_line_gives_the_defaults_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = cli.commands["run"]
    context = command.make_context("run", ["photos", "store"])
    given = {f.name: context.params[f.name] for f in dataclasses.fields(RunSettings)}
    assert RunSettings(**given) == RunSettings()
    line = ["photos", "store", "-k", "7", "--no-csv", "--standardize"]
    line += ["--spark-conf", "a=b", "--spark-conf", "c=d"]
    params = command.make_context("run", line).params
    assert params["components"] == "7"
    assert params["csv"] is False
    assert params["standardize"] is True
    assert params["spark_conf"] == ("a=b", "c=d")


def test_settings_are_written_into_the_record_as_json() -> None:
    settings = RunSettings(spark_conf=("a=b",), cores=2)
    record = json.loads(json.dumps(settings.as_record(), allow_nan=False))
    assert record.keys() == {field.name for field in dataclasses.fields(RunSettings)}
    assert record["cores"] == 2


def test_settings_cannot_be_changed_once_checked() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunSettings().cores = 3  # type: ignore[misc]


def test_a_price_is_read_as_it_is_written_and_reckons_by_the_hour() -> None:
    price = Price.parse("0.05 + 0.2/h on ec2, 1 × c7i.xlarge")
    assert price == Price(0.05, 0.2, "ec2, 1 × c7i.xlarge")
    assert Price.parse(str(price)) == price
    assert price.record(1800) == {
        "amount": 0.15, "currency": "EUR", "where": "ec2, 1 × c7i.xlarge",
    }  # fmt: skip
    for wrong in ("", "0.05", "-1 + 2/h on ec2", "1 + nan/h on ec2", "1 + 2/h on ", "1 + 2/h"):
        with pytest.raises(UsageError, match="is not a price"):
            RunSettings(price=wrong)


@pytest.mark.parametrize(
    "pair",
    [
        "spark.hadoop.fs.s3a.secret.key=hunter2",
        "spark.hadoop.fs.s3a.access.key=hunter2",
        "spark.hadoop.fs.s3a.encryption.key=hunter2",
        "spark.hadoop.fs.azure.account.key.me.dfs.core.windows.net=hunter2",
        "spark.hadoop.fs.azure.sas.box.me=hunter2",
        "spark.authenticate.secret=hunter2=",
        "spark.ssl.keyPassword=hunter2",
        "spark.executorEnv.AWS_SESSION_TOKEN=hunter2",
        "spark.executorEnv.GITHUB_API_KEY=hunter2",
        "spark.hadoop.fs.s3a.proxy=http://me:hunter2@proxy:3128",
        "spark.jars.repositories=https://me:p@ss/hunter2@host/maven",
        "spark.x.url=jdbc:mysql://host/db?user=me&password=hunter2",
        "spark.driver.extraJavaOptions=-Xss4m -Djavax.net.ssl.trustStorePassword=hunter2 -Da=b",
    ],
)
def test_secrets_of_spark_are_in_no_record(pair: str) -> None:
    settings = RunSettings(spark_conf=("a.b=c", pair), master="sc://host:1/;token=hunter2")
    record = settings.as_record()
    assert "hunter2" not in json.dumps(record)
    name = pair.partition("=")[0]
    assert record["spark_conf"][0] == "a.b=c"
    assert record["spark_conf"][1].startswith(f"{name}=")
    assert settings.spark_conf[1] == pair  # what Spark is given
    with pytest.raises(UsageError) as caught:
        RunSettings(spark_conf=(pair.replace("=", ":"),))
    assert "hunter2" not in str(caught.value)


def test_what_is_no_secret_stands_in_the_record_as_it_is() -> None:
    pairs = ["spark.task.maxFailures=1", "spark.ui.enabled=true", "spark.x=http://host/a", "e="]
    record = RunSettings(spark_conf=tuple(pairs), master="spark://host:7077").as_record()
    assert (record["spark_conf"], record["master"]) == (pairs, "spark://host:7077")
    assert RunSettings().as_record()["master"] is None
