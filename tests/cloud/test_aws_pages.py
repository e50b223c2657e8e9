"""The pages of AWS: what they name exists, both languages say the same, drawings are the code's."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest

from verger.cli.main import cli

REPOSITORY = Path(__file__).resolve().parents[2]
HOWTO = REPOSITORY / "docs" / "howto"
PAGES = ("aws.md", "aws.fr.md")


def read(name: str) -> str:
    return (HOWTO / name).read_text(encoding="utf-8")


def options(command: click.Command) -> set[str]:
    return {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}


@pytest.mark.parametrize("page", PAGES)
def test_every_option_of_a_plan_that_is_named_exists(page: str) -> None:
    group = cli.commands["cloud"]
    assert isinstance(group, click.Group)
    section = re.split(r"\n## ", read(page))[3]
    named = set(re.findall(r"--[a-z][a-z-]+", section))
    assert named
    assert named <= options(group.commands["plan"])


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_every_fence_that_is_named_exists(page: str) -> None:
    group = cli.commands["cloud"]
    assert isinstance(group, click.Group)
    said = re.findall(r"verger cloud ([a-z]+)([^`#\n]*)", read(page))
    assert {name for name, _ in said} >= {"plan", "run", "show", "status", "ui", "down"}
    for name, rest in said:
        named = set(re.findall(r"--[a-z][a-z-]+", rest.split(" -- ")[0]))
        assert named <= options(group.commands[name]), (name, rest)
    fences = re.split(r"\n## ", read(page))[4]
    named = set(re.findall(r"\| `(--[a-z-]+)", fences)) | set(re.findall(r"^`(--[a-z]+)", fences))
    assert len(named) >= 4
    assert named <= options(group.commands["run"])


def test_both_languages_have_the_same_commands_and_tables() -> None:
    def skeleton(page: str) -> list[object]:
        text = read(page)
        code = [
            [line.split("#")[0].rstrip() for line in block.splitlines()]
            for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
        ]
        rows = [len(re.findall(r"^\|", part, re.MULTILINE)) for part in text.split("\n## ")]
        return [code, rows]

    assert skeleton("aws.md") == skeleton("aws.fr.md")


@pytest.mark.parametrize("name", ["aws.svg", "aws.fr.svg"])
def test_the_drawing_is_well_formed_and_has_a_name(name: str) -> None:
    root = ET.fromstring(read(name))  # noqa: S314 - a file of ours
    spaces = {"svg": "http://www.w3.org/2000/svg"}
    title = root.find("svg:title", spaces)
    assert title is not None
    assert title.text


def test_the_drawings_are_what_the_script_draws() -> None:
    script = runpy.run_path(str(REPOSITORY / "scripts" / "draw_cloud.py"))
    assert script["main"](["--check"]) == 0
    english, french = script["TEXTS"].values()
    assert list(english) == list(french)
    assert len(english["ways"]) == len(french["ways"])


def test_the_policy_gives_no_more_than_it_says() -> None:
    policy = json.loads(read("aws-user-policy.json"))
    for statement in policy["Statement"]:
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        resources = statement["Resource"]
        resources = [resources] if isinstance(resources, str) else resources
        assert statement["Effect"] == "Allow"
        assert "*" not in actions
        if any(
            re.search(r"iam:|^s3:|cloudformation:Create|cloudformation:Delete", a) for a in actions
        ):
            assert all(re.search(r"verger-|MY-BUCKET|aws-service-role", r) for r in resources)
        if any(re.match(r"(ec2|elasticmapreduce|emr-serverless):[CRT]", one) for one in actions):
            assert "aws:RequestedRegion" in statement["Condition"]["StringEquals"]
