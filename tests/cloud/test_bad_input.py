"""What a user gets wrong, or has not: one line and its exit code, before anything costs money."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from verger.cli.main import cli
from verger.errors import UsageError, VergerError

from .nobody import sign_out

HERE, STORE = "photos", "s3://results/store"
UPLOAD = ["--upload", "s3://orchard/photos"]


@pytest.fixture(autouse=True)
def signed_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder of photos, nobody who is signed in, and no network."""
    sign_out(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / HERE).mkdir()
    (tmp_path / HERE / "1.jpg").write_bytes(b"x" * 5_000)


def refused(*arguments: str) -> VergerError:
    """Say a command that has to fail; return the error, of one line."""
    ended = CliRunner().invoke(cli, ["cloud", *arguments])
    assert isinstance(ended.exception, VergerError), ended.output
    assert "\n" not in str(ended.exception)
    assert ended.stdout == ""
    return ended.exception


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--email", "nobody"], "--email nobody: not an e-mail address"),
        (["--notify", "me@example.org"], "not an SNS topic"),
        (
            ["--notify", "arn:aws:sns:eu-west-1:123456789012:ended", "--on", "serverless"],
            "can reach only S3",
        ),
        (["--account", "me"], "--account me: not an account number"),
        (["--release", "emr-6.15.0", "--on", "emr"], "not an EMR release that runs Verger"),
        (["--release", "emr-7.13.0", "--on", "ec2"], "one EC2 server, which has no EMR"),
        (
            ["--on", "emr", "--instance-type", "m7i.xlarge,m6i.xlarge,m5.xlarge,c7i.xlarge"],
            "4 types, and at most 3 are tried",
        ),
        (["--", "--components", "banana"], "--components banana is neither"),
        (["--", "--shrinkage", "7"], "--shrinkage 7.0 is not a share"),
        (["--", "--backbone", "mine.onnx"], "cannot read a local file"),
        (["--", "--label-from", "labels.csv"], "cannot read a local file"),
        (["--", "--master", "yarn"], "the platform sets it"),
        (["--", "--device", "cuda"], "Verger uses no GPU"),
    ],
)
def test_what_a_server_would_refuse_is_refused_here(options: list[str], what: str) -> None:
    asked = ["--photos-count", "9", "s3://orchard/photos", STORE, *options]
    assert what in str(refused("show", *asked))
    assert isinstance(refused("show", *asked), UsageError)


@pytest.mark.parametrize(
    "command",
    [
        ["show", "--photos-count", "9", "s3://orchard/photos", STORE, "--to", "photos/1.jpg/x"],
        ["pack", "photos/1.jpg/x", "--on", "ec2"],
        ["ui", "verger-x", "--foxyproxy", "photos/1.jpg/x"],
    ],
    ids=lambda command: command[0],
)
def test_a_place_that_cannot_be_written_is_said_at_once(command: list[str]) -> None:
    assert "cannot be written: Not a directory" in str(refused(*command))


@pytest.mark.parametrize("option", ["--nonsense", "--dry-run"])
def test_an_option_that_no_run_on_aws_has_is_refused(option: str) -> None:
    ended = CliRunner().invoke(cli, ["cloud", "run", HERE, STORE, *UPLOAD, "--", option])
    assert ended.exit_code == 2
    assert option in ended.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["run", "s3://orchard/photos", STORE],
        ["run", HERE, STORE, *UPLOAD],
        ["status"],
        ["status", "verger-x", "--follow"],
        ["logs", "verger-x"],
        ["stop", "verger-x"],
        ["down", "verger-x"],
        ["ui", "verger-x"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_who_is_not_signed_in_is_told_to(command: list[str]) -> None:
    error = refused(*command)
    assert error.exit_code == 11, error
    assert "Sign in" in error.hint


@pytest.mark.parametrize(
    "command", [["status"], ["down", "verger-x"], ["run", HERE, STORE, *UPLOAD]]
)
def test_where_there_is_no_network_that_is_said(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    error = refused(*command)
    assert error.exit_code == 12, error
    assert "cannot be reached" in error.what
