"""The templates: what AWS's linters say of them, and the promises that they keep."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import parliament
import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from verger.cloud import alarm, parameters
from verger.cloud.job import Job, Network
from verger.cloud.stack import TAG, template

from .policies import NAMES, TEMPLATES, filled, policies, resources

# What has no tags in CloudFormation, or passes those of its owner on.
WITHOUT_TAGS = {
    "AWS::EC2::Route",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::EMR::SecurityConfiguration",
    "AWS::IAM::InstanceProfile",
    "AWS::S3::BucketPolicy",
    "AWS::Scheduler::Schedule",
}
JOBS = ("ec2", "emr", "serverless")


def of_kind(name: str, kind: str) -> list[dict[str, Any]]:
    return [r["Properties"] for r in resources(name).values() if r["Type"] == kind]


def only(name: str, kind: str) -> dict[str, Any]:
    (found,) = of_kind(name, kind)
    return found


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint_finds_nothing(name: str) -> None:
    found = lint(template(name), config=ManualArgs(regions=["eu-west-1"]))

    assert [str(each) for each in found] == []


def test_parliament_finds_nothing_in_any_policy() -> None:
    for name, role, policy in policies():
        # That servers are asked for with a request for a spot server, which is a resource of its
        # own, it does not know, and it wants a server's other resources beside it.
        known = [each for each in policy["Statement"] if each.get("Sid") != "StartSpotServers"]
        text = json.dumps({**policy, "Statement": known})
        findings = parliament.analyze_policy_string(text).findings

        assert [(name, role, f.issue, f.detail) for f in findings] == []


def test_parliament_would_find_what_is_wrong() -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObjects", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}

    found = parliament.analyze_policy_string(json.dumps(policy)).findings

    assert [f.issue for f in found] == ["UNKNOWN_ACTION"]


def test_a_star_stands_only_where_aws_names_no_resource() -> None:
    for name, role, policy in policies():
        for statement in policy["Statement"]:
            assert "*" not in statement["Action"], (name, role)
            if statement["Resource"] == "*":
                assert (name, role, statement["Sid"]) in (
                    ("ec2", "ServerRole", "Session"), ("emr", "NodeRole", "Session"),
                    ("ec2", "KeeperRole", "Look"), ("emr", "KeeperRole", "MakeClusters"),
                )  # fmt: skip
                listed = statement["Action"]
                listed = [listed] if isinstance(listed, str) else listed
                assert all(_kinds(action) == {""} for action in listed)


def _kinds(action: str) -> set[str]:
    """Return the kinds of resources that AWS's own list has for an action; "" is none."""
    service, _, call = action.partition(":")
    return {
        kind["resource_type"]
        for each in parliament.iam_definition
        if each["prefix"] == service
        for privilege in each["privileges"]
        if privilege["privilege"] == call
        for kind in privilege["resource_types"]
    }


@pytest.mark.parametrize("name", TEMPLATES)
def test_all_that_takes_tags_carries_the_jobs(name: str) -> None:
    for logical, resource in resources(name).items():
        if resource["Type"] in WITHOUT_TAGS:
            continue
        given = resource["Properties"]
        if resource["Type"] == "AWS::EC2::LaunchTemplate":
            inner = given["LaunchTemplateData"]["TagSpecifications"]
            listed = [spec["Tags"] for spec in [*given["TagSpecifications"], *inner]]
        else:
            listed = [given.get("Tags", [])]
        for tags in listed:
            assert {"Key": TAG, "Value": {"Ref": "Job"}} in tags, logical


def test_no_port_is_open_to_anything_outside() -> None:
    for name in TEMPLATES:
        assert all(
            "SecurityGroupIngress" not in g for g in of_kind(name, "AWS::EC2::SecurityGroup")
        )
        for rule in of_kind(name, "AWS::EC2::SecurityGroupIngress"):
            assert not {"CidrIp", "CidrIpv6", "SourcePrefixListId"} & set(rule)
            assert rule["SourceSecurityGroupId"]["Ref"] in ("Primary", "Workers")


def test_a_server_speaks_https_outwards_and_http_only_if_it_is_said() -> None:
    https, http = only("ec2", "AWS::EC2::SecurityGroup")["SecurityGroupEgress"]

    assert (https["FromPort"], https["ToPort"], https["IpProtocol"]) == (443, 443, "tcp")
    assert http["Fn::If"][0] == "SpeaksHttp"
    assert http["Fn::If"][2] == {"Ref": "AWS::NoValue"}


def test_the_scratch_bucket_is_private_encrypted_and_tls_only() -> None:
    bucket = only("base", "AWS::S3::Bucket")
    policy = only("base", "AWS::S3::BucketPolicy")

    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (statement,) = filled(policy["PolicyDocument"]["Statement"])
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    arn = "arn:aws:s3:::verger-pears-123456789012"
    assert statement["Resource"] == [arn, f"{arn}/*"]


def test_logs_and_scratch_expire() -> None:
    rules = only("base", "AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"]

    days = {rule.get("Prefix"): rule.get("ExpirationInDays") for rule in rules}
    assert days == {"logs/": 30, "wheels/": 7, "archive/": 7, None: None}
    assert rules[-1]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert {rule["Status"] for rule in rules} == {"Enabled"}


def test_the_budget_counts_what_carries_the_tag_and_is_in_no_stack() -> None:
    asked = alarm.request("verger-pears", "123456789012", budget_usd=0.001, email="you@example.org")

    assert asked["Budget"]["CostFilters"] == {"TagKeyValue": ["user:verger:job$verger-pears"]}
    assert asked["Budget"]["BudgetLimit"]["Amount"] == "0.01"  # which AWS takes at least
    told = asked["NotificationsWithSubscribers"]
    assert [each["Notification"]["Threshold"] for each in told] == [50, 100]
    silent = alarm.request("verger-pears", "123456789012", budget_usd=1, email="")
    assert silent["NotificationsWithSubscribers"] == []
    assert all(not of_kind(name, "AWS::Budgets::Budget") for name in TEMPLATES)


def test_a_server_keeps_its_secrets_and_ends_for_good() -> None:
    launch = only("ec2", "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]

    assert launch["MetadataOptions"] == {
        "HttpEndpoint": "enabled",
        "HttpTokens": "required",
        "HttpPutResponseHopLimit": 1,
    }
    assert launch["InstanceInitiatedShutdownBehavior"] == "terminate"
    (disk,) = launch["BlockDeviceMappings"]
    assert disk["Ebs"]["Encrypted"] is True
    assert disk["Ebs"]["DeleteOnTermination"] is True
    spot = keeper("ec2")["TakeSpot"]["Parameters"]["InstanceMarketOptions"]
    assert spot["SpotOptions"]["InstanceInterruptionBehavior"] == "terminate"
    assert "KeyName" not in launch


def test_a_cluster_keeps_its_secrets_and_ends_for_good() -> None:
    cluster = keeper("emr")["TakeCluster"]["Parameters"]
    metadata = only("emr", "AWS::EMR::SecurityConfiguration")["SecurityConfiguration"]

    assert metadata["InstanceMetadataServiceConfiguration"] == {
        "MinimumInstanceMetadataServiceVersion": 2,
        "HttpPutResponseHopLimit": 1,
    }
    assert cluster["SecurityConfiguration"] == {"Ref": "Metadata"}
    assert cluster["Instances"]["KeepJobFlowAliveWhenNoSteps"] is False
    assert cluster["Instances"]["TerminationProtected"] is False
    assert "Ec2KeyName" not in cluster["Instances"]
    idle = cluster["AutoTerminationPolicy"]["IdleTimeout.$"]
    assert idle == {"Fn::Sub": "States.StringToJson('${IdleSeconds}')"}
    (step,) = cluster["Steps"]
    assert step["ActionOnFailure"] == "TERMINATE_CLUSTER"
    assert cluster["Applications"] == [{"Name": "Spark"}]
    leads, works = cluster["Instances"]["InstanceFleets"]
    spot = works["LaunchSpecifications"]["SpotSpecification"]["Fn::If"][1]
    assert spot["TimeoutAction"] == "SWITCH_TO_ON_DEMAND"
    assert not any("Spot" in key for key in leads)
    # No committer is set, and Spark is EMR's own.
    assert "Configurations" not in cluster


def test_a_serverless_application_stops_by_itself_and_cannot_grow_without_end() -> None:
    application = only("serverless", "AWS::EMRServerless::Application")

    assert application["AutoStopConfiguration"] == {"Enabled": True, "IdleTimeoutMinutes": 1}
    assert application["MaximumCapacity"] == {
        "Cpu": {"Ref": "MaximumCpu"},
        "Memory": {"Ref": "MaximumMemory"},
    }
    assert "InitialCapacity" not in application


def keeper(name: str) -> dict[str, Any]:
    states: dict[str, Any] = only(name, "AWS::StepFunctions::StateMachine")["Definition"]["States"]
    return states


@pytest.mark.parametrize("name", JOBS)
def test_what_looks_after_a_job_begins_at_once_and_once(name: str) -> None:
    """A rate without a start date begins at once, and an execution that has a name is one."""
    schedule = only(name, "AWS::Scheduler::Schedule")

    assert schedule["ScheduleExpression"].startswith("rate(")
    assert "StartDate" not in schedule
    assert filled(schedule["Target"]["Arn"]) == "arn:aws:scheduler:::aws-sdk:sfn:startExecution"
    asked = json.loads(filled(schedule["Target"]["Input"]))
    assert asked == {"StateMachineArn": NAMES["Keeper"], "Name": NAMES["Job"]}
    assert schedule["EndDate"] == {"Fn::Sub": "${EndAt}Z"}
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] > 0


@pytest.mark.parametrize("name", ["ec2", "emr"])
def test_the_wall_clock_is_aws_own(name: str) -> None:
    """Nothing is started when the time is up, and what works is ended then."""
    states = keeper(name)
    late = {"Fn::Sub": "${EndAt}Z"}
    is_late = [
        rule["Next"]
        for state in states.values()
        for rule in state.get("Choices", [])
        if rule.get("TimestampGreaterThanEquals") == late
    ]

    assert sorted(is_late) == ["End", "TooLate"]
    assert states["End"]["Next"] == states["End"]["Catch"][0]["Next"] == "Watch"


@pytest.mark.parametrize("name", JOBS)
def test_each_task_is_said_again_and_none_ends_what_looks_after_a_job_but_that_which_starts_it(
    name: str,
) -> None:
    """Once something works, no failure may end what is to end it."""
    tasks = {key: each for key, each in keeper(name).items() if each["Type"] == "Task"}

    assert {"End"} < set(tasks)
    for task in tasks.values():
        (retry,) = task["Retry"]
        assert retry["ErrorEquals"] == ["States.ALL"]
        assert retry["MaxAttempts"] >= 3
    caught = {key for key, task in tasks.items() if "Catch" in task}
    assert set(tasks) - caught <= {"TakeCluster", "StartJobRun"}


@pytest.mark.parametrize("subnets", [0, 6])
def test_the_history_of_what_looks_after_a_job_holds_its_longest_time(subnets: int) -> None:
    """25,000 events: two a state that is passed; five a task, three more for each that fails."""
    own = Network(vpc="vpc-1", cidr="10.0.0.0/16", subnets=tuple(map(str, range(subnets))))
    longest = Job(id="verger-1", photos="s3://orchard/photos", store="s3://orchard/s", on="ec2",
                  spot=True, zones=("a", "b", "c"), other_types=("m7i.xlarge", "m6i.xlarge"),
                  instance_type="c7i.xlarge", limit_minutes=7 * 24 * 60,
                  network=own if subnets else None)  # fmt: skip
    given = parameters.job_parameters(longest, "scratch", dt.datetime.now(dt.UTC))
    states, seconds = keeper("ec2"), longest.limit_minutes * 60
    looks, rounds = seconds / int(given["LookSeconds"]), seconds / int(given["RoomSeconds"])
    tries = len(given["Tries"].split(","))

    def events(*passed: str) -> int:
        return sum(
            5 + 3 * states[name]["Retry"][0]["MaxAttempts"] if "Retry" in states[name] else 2
            for name in passed
        )

    assert tries == 2 * 3 * (subnets or 3)
    assert looks * events("Watch", "Look", "HasItEnded") < 24_000
    a_try = events("IsInTime", "IsOneLeft", "Pick", "IsSpot", "TakeSpot", "Why", "TryNext")
    around = events("IsInTime", "IsOneLeft", "WaitForRoom", "FromTheStart")
    assert rounds * (tries * a_try + around) < 24_000
    assert int(given["LookSeconds"]) < 10 * 60  # how late it may end


def test_a_cluster_takes_the_first_type_that_has_room_in_any_of_its_zones() -> None:
    instances = keeper("emr")["TakeCluster"]["Parameters"]["Instances"]

    for fleet, others in zip(instances["InstanceFleets"], (1, 2), strict=True):
        first, *more = fleet["InstanceTypeConfigs"]
        kinds = [first, *(each["Fn::If"][1] for each in more)]
        assert [kind["Priority"] for kind in kinds] == list(range(1 + others))
        on_demand = fleet["LaunchSpecifications"]["OnDemandSpecification"]
        assert on_demand == {"AllocationStrategy": "prioritized"}
    zones = instances["Ec2SubnetIds"]["Fn::If"][1]["Fn::If"]
    assert [len(subnets) for subnets in zones[1:]] == [3, 2]


@pytest.mark.parametrize("name", JOBS)
def test_the_templates_describe_each_parameter_and_fit_what_aws_takes(name: str) -> None:
    from cfnlint.decode.cfn_yaml import loads

    text = template(name)

    assert all(p.get("Description") for p in loads(text)["Parameters"].values())
    assert len(text.encode()) < 51_200  # CloudFormation's limit for a template in the request
