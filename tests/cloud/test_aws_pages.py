"""The pages of AWS: what they name exists, both languages say the same, drawings are the code's."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import parliament
import pytest
from click.testing import CliRunner

from verger.cli.main import cli
from verger.cloud.policy import LONGEST, characters, template, user_policies, user_policy
from verger.errors import UsageError

from .policies import allows

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


@pytest.mark.parametrize(
    "page",
    ["aws-first-hour.md", "aws-first-hour.fr.md", "gdpr.md", "fruits-360.md", "fruits-360.fr.md"],
)
def test_the_commands_of_the_other_pages_exist(page: str) -> None:
    assert isinstance(cli.commands["cloud"], click.Group)
    groups = {"cloud ": cli.commands["cloud"].commands, "": cli.commands}
    said = re.findall(r"\bverger (cloud )?([a-z]+)\b([^`#\n]*)", read(page).replace("\n  ", " "))
    known = [(groups[group][name], rest) for group, name, rest in said if name in groups[group]]
    assert len(known) >= 3
    for command, rest in known:
        named = set(re.findall(r"--[a-z][a-z-]+", rest.split(" -- ")[0]))
        assert named <= options(command), (command.name, rest)


@pytest.mark.parametrize("page", ["aws", "aws-first-hour", "gdpr"])
def test_both_languages_have_the_same_commands_and_tables(page: str) -> None:
    def skeleton(page: str) -> list[object]:
        text = read(page)
        code = [
            [line.split("#")[0].rstrip() for line in block.splitlines()]
            for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
        ]
        rows = [len(re.findall(r"^\|", part, re.MULTILINE)) for part in text.split("\n## ")]
        return [code, rows]

    assert skeleton(f"{page}.md") == skeleton(f"{page}.fr.md")


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
    policy = template()
    for statement in policy["Statement"]:
        actions = statement["Action"]
        actions = [actions] if isinstance(actions, str) else actions
        resources = statement["Resource"]
        resources = [resources] if isinstance(resources, str) else resources
        assert statement["Effect"] == "Allow"
        assert "*" not in actions
        if any(
            re.search(r"iam:(?!Get|Sim)|^s3:|cloudformation:Create|cloudformation:Delete", a)
            for a in actions
        ):
            assert all(re.search(r"verger-|MY-BUCKET|aws-service-role", r) for r in resources)
        if any(re.match(r"(ec2|elasticmapreduce|emr-serverless):[CRT]", one) for one in actions):
            assert "aws:RequestedRegion" in statement["Condition"]["StringEquals"]


BY_A_STACK = {"aws:CalledVia": "cloudformation.amazonaws.com"}
HERE = {"aws:RequestedRegion": "eu-west-1"}


@pytest.mark.parametrize("action", [
    "ec2:CreateTags", "ec2:CreateVpc", "ec2:CreateLaunchTemplate",
    "ec2:AuthorizeSecurityGroupIngress", "emr-serverless:CreateApplication",
    "emr-serverless:TagResource",
])  # fmt: skip
def test_what_a_job_has_is_made_by_stacks_alone_and_nothing_else_gets_a_job_s_tag(
    action: str,
) -> None:
    """Who could tag what is there as a job's could delete it."""
    policy = template()

    assert allows(policy, action, ANY, HERE | BY_A_STACK)
    assert not allows(policy, action, ANY, HERE)
    assert not allows(policy, action, ANY, {"aws:RequestedRegion": "us-east-1"} | BY_A_STACK)


@pytest.mark.parametrize("action", [
    "ec2:RunInstances", "elasticmapreduce:RunJobFlow", "elasticmapreduce:AddTags",
    "emr-serverless:StartJobRun", "states:StartExecution",
])  # fmt: skip
def test_what_costs_money_is_started_by_a_job_s_keeper_alone(action: str) -> None:
    assert not allows(template(), action, ANY, HERE | BY_A_STACK | MINE)


def test_a_stack_has_a_job_s_name_and_its_tag() -> None:
    stack = "arn:aws:cloudformation:eu-west-1:123456789012:stack/{}/1"
    for name, tag, may in (
        ("verger-1-job", "verger-1", True),
        ("verger-1-job", "of-the-company", False),
        ("of-the-company", "verger-1", False),
    ):
        tagged = {"aws:RequestTag/verger:job": tag}
        assert allows(template(), "cloudformation:CreateStack", stack.format(name), tagged) is may
    assert not allows(template(), "cloudformation:CreateStack", stack.format("verger-1-job"))


MINE = {"aws:ResourceTag/verger:job": "verger-pears"}
ANY = "arn:aws:ec2:eu-west-1:123456789012:instance/i-1"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("ec2:TerminateInstances", ANY),
        ("ec2:GetConsoleOutput", ANY),
        ("ec2:DeleteVpc", "arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1"),
        ("ec2:DeleteVpcEndpoints", "arn:aws:ec2:eu-west-1:123456789012:vpc-endpoint/vpce-1"),
        ("elasticmapreduce:TerminateJobFlows",
         "arn:aws:elasticmapreduce:eu-west-1:123456789012:cluster/j-1"),
        ("emr-serverless:CancelJobRun",
         "arn:aws:emr-serverless:eu-west-1:123456789012:/applications/1/jobruns/2"),
        ("emr-serverless:DeleteApplication",
         "arn:aws:emr-serverless:eu-west-1:123456789012:/applications/1"),
        ("ssm:StartSession", ANY),
    ],
)  # fmt: skip
def test_only_what_carries_a_job_s_tag_may_be_ended(action: str, resource: str) -> None:
    policy = template()
    region = {"aws:RequestedRegion": "eu-west-1"}

    assert allows(policy, action, resource, region | MINE)
    assert not allows(policy, action, resource, region)
    assert not allows(policy, action, resource, region | {"aws:ResourceTag/verger:job": "other"})
    if not action.startswith("ssm:"):
        assert not allows(policy, action, resource, {"aws:RequestedRegion": "us-east-1"} | MINE)


def test_fences_are_those_of_jobs_and_sessions_one_s_own_by_whatever_way_one_signs_in() -> None:
    policy = template()
    schedule = "arn:aws:scheduler:eu-west-1:123456789012:schedule/default/{}"
    budget = "arn:aws:budgets::123456789012:budget/{}"
    for action, arn in (("scheduler:DeleteSchedule", schedule), ("budgets:ModifyBudget", budget)):
        assert allows(policy, action, arn.format("verger-pears"))
        assert not allows(policy, action, arn.format("of-the-company"))
    # Who signs in by Identity Center has no `aws:username`; all have `aws:userid`.
    assert "aws:username" not in json.dumps(template())
    session = "arn:aws:ssm:eu-west-1:123456789012:session/you@example.org-0123456789abcdef0"
    key = "ssm:resourceTag/aws:ssmmessages:session-id"
    me, other = "AROAX:you@example.org", "AROAX:other@example.org"
    for user, may in ((me, True), (other, False)):
        context = {"aws:userid": me, key: user}
        assert allows(policy, "ssm:TerminateSession", session, context) is may


@pytest.mark.parametrize(("number", "length", "parts"), [
    (1, 63, 1), (4, 26, 1), (2, 63, 1), (5, 63, 2), (60, 40, 4),
])  # fmt: skip
def test_buckets_that_do_not_fit_one_policy_are_in_another(
    number: int, length: int, parts: int
) -> None:
    buckets = [f"bucket-{number:02}".ljust(length, "x") for number in range(number)]
    policies = user_policies(buckets, "eu-west-3")

    assert len(policies) == parts
    assert max(characters(policy) for policy in policies) <= LONGEST
    whole = user_policy(buckets, "eu-west-3")
    for statement in whole["Statement"]:
        found = [one for each in policies for one in each["Statement"]
                 if one["Sid"] == statement["Sid"]]  # fmt: skip
        given = [arn for one in found for arn in _listed(one["Resource"])]
        assert sorted(given) == sorted(_listed(statement["Resource"]))
        assert all({**one, "Resource": 0} == {**statement, "Resource": 0} for one in found)


def _listed(resource: str | list[str]) -> list[str]:
    return [resource] if isinstance(resource, str) else resource


def test_roles_that_begin_otherwise_are_those_of_the_policy() -> None:
    policy = user_policy(["orchard"], "eu-west-1", "app-")
    role = "arn:aws:iam::123456789012:role/{}verger-1-server"

    for action in ("iam:CreateRole", "iam:DeleteRole"):
        assert allows(policy, action, role.format("app-"))
        assert not allows(policy, action, role.format(""))
    words = ["cloud", "policy", "orchard", "--role-prefix"]
    with pytest.raises(UsageError, match="not a valid prefix of a role name"):
        CliRunner().invoke(cli, [*words, "app/*"], standalone_mode=False, catch_exceptions=False)
    assert "instance-profile/app-verger-*" in CliRunner().invoke(cli, [*words, "app-"]).stdout


def test_so_many_buckets_are_printed_part_by_part() -> None:
    words = ["cloud", "policy", *(f"bucket-{number:02}" for number in range(20))]
    with pytest.raises(UsageError, match="20 buckets take 2 policies of 6,144") as told:
        CliRunner().invoke(cli, words, standalone_mode=False, catch_exceptions=False)
    assert "--part 1 to 2" in told.value.hint
    texts = [CliRunner().invoke(cli, [*words, "--part", part]).stdout for part in "12"]
    assert [text.count('"arn:aws:s3:::bucket-19"') for text in texts] == [0, 1]
    with pytest.raises(UsageError):
        CliRunner().invoke(cli, [*words, "--part", "3"], standalone_mode=False,
                           catch_exceptions=False)  # fmt: skip


def test_the_policy_fits_and_names_what_aws_knows() -> None:
    text = json.dumps(template())
    assert characters(template()) <= LONGEST == 6144
    # parliament is older than the free plan.
    found = parliament.analyze_policy_string(text.replace('"freetier:GetAccountPlanState",', ""))
    # What has a star is bound by a region or a tag; `s3:*` has actions of all kinds.
    assert {each.issue for each in found.findings} <= {"RESOURCE_STAR", "RESOURCE_MISMATCH"}
