"""An account of AWS in this process: moto, and what moto's CloudFormation lacks, in one place.

What moto has, and lets pass though AWS would not, is in `rules`.

What moto 5.2 lacks, and what stands for it here:

    AWS::Scheduler::Schedule        not made by its CloudFormation: made by its Scheduler here
    AWS::EMRServerless::Application the same, by its EMR Serverless, which knows no `emr-spark-…`
                                    release: those tests say emr-7.13.0
    AWS::S3::BucketPolicy           not made, nor here: moto does not look at conditions, and would
                                    deny everything
    AWS::EC2::InternetGateway       made, and not deleted: by EC2 here
    AWS::EC2::RouteTable            made, and not deleted, so that no network goes: by EC2 here
    AWS::EC2::SubnetRouteTableAssociation  the same
    AWS::StepFunctions::StateMachine  its definition is no text, and is not run: `keeping` runs it
    AWS::EMR::SecurityConfiguration made, and not deleted: by EMR here
    policies of a role              made in a form that its authorisation cannot read: made again by
                                    IAM in `Account.keep_policies`
    a stack that fails half-way     there is none: `Account.fail` makes one, taken back as AWS does
    time                            no schedule goes off, no machine goes on: `Account.pass_time`
    the nodes of a cluster          a cluster of fleets has none: one is told of here
    the machines                    nothing runs: `Account.end_server` and so on end one
    conditions in policies          not looked at: test_templates.py and test_permissions.py are

Each call made of a template's properties is checked by botocore against AWS's own description of
that call. What a template says beyond that, tests read from the template itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.cloudformation import parsing
from moto.cloudformation.models import CloudFormationBackend, Event, Stack
from moto.core.common_models import CloudFormationModel
from moto.core.responses import ActionResult
from moto.ec2.models import ec2_backends
from moto.emr.models import emr_backends
from moto.emr.responses import ElasticMapReduceResponse
from moto.emrserverless.models import emrserverless_backends
from moto.iam.models import iam_backends
from moto.scheduler.models import scheduler_backends
from moto.stepfunctions.models import stepfunctions_backends

from verger.cloud.job import Job, Platform
from verger.cloud.life import Life
from verger.progress import Reporter

from . import keeping, rules

__all__ = ["rules"]  # which are in force from here on

REGION = "eu-west-1"
ACCOUNT = "123456789012"
NAME = "verger-20261121-120000-abc123"
SCRATCH = f"{NAME}-{ACCOUNT}"
RECORD = {"counts": {"listed": 5, "embedded": 4, "rejected": 1}}
RESULT = {"job": NAME, "exit_code": 0, "error": "", "record": RECORD}
Properties = dict[str, Any]
Naps = list[Callable[[], object]]
MakeJob = Callable[[Platform], Job]


class NotMade(Exception):
    """A resource that AWS would not make."""


failing: dict[str, list[str]] = {}
"""By logical id: why AWS does not make it, once for each reason."""
stumbling: dict[str, list[str]] = {}
"""By action of a service, such as `describeInstances`: how it fails, once for each message."""
refused: dict[str, str] = {}
"""By token of a request: why it was refused. Said again, it is refused again."""
slow = {"looks": 0}
"""At how many looks a job's second stack is still being made."""
running: dict[str, keeping.Execution] = {}
"""What runs a state machine, by the ARN of its execution."""
passed = {"seconds": 0.0}
"""How long it is since a test began, beside the clock of this machine."""


def _model(
    kind: str,
    create: Callable[[Properties], str],
    delete: Callable[[str], object],
) -> type[CloudFormationModel]:
    """Return what moto's CloudFormation makes a resource of a kind with."""

    class Model(CloudFormationModel):  # type: ignore[misc]
        __module__ = "moto.cloudformation.pretended"  # moto reads a service's name from it

        def __init__(self, physical: str) -> None:
            self.physical_resource_id = physical

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return kind

        @classmethod
        def create_from_cloudformation_json(
            cls,
            resource_name: str,
            cloudformation_json: Any,
            account_id: str,
            region_name: str,
            **kwargs: Any,
        ) -> Any:
            return cls(create(cloudformation_json["Properties"]))

        def delete(self, account_id: str, region_name: str) -> None:
            delete(self.physical_resource_id)

        def is_created(self) -> bool:
            return True

        def get_cfn_attribute(self, attribute_name: str) -> str:
            """Return the ARN, the one attribute that a template asks for."""
            assert (kind, attribute_name) == ("AWS::EMRServerless::Application", "Arn")
            place = f"{REGION}:{ACCOUNT}"
            return f"arn:aws:emr-serverless:{place}:/applications/{self.physical_resource_id}"

    return Model


@functools.cache
def _client(service: str) -> Any:
    """Return a client; one for all tests, for making one takes a second."""
    return boto3.client(
        service,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106
    )


def _schedule(given: Properties) -> str:
    try:
        _client("scheduler").create_schedule(**given)
    except ClientError as error:
        raise NotMade("End", str(error)) from error
    return str(given["Name"])


def _application(given: Properties) -> str:
    tags = {tag["Key"]: tag["Value"] for tag in given.pop("Tags", [])}
    words = {name[0].lower() + name[1:]: _lower(value) for name, value in given.items()}
    words["clientToken"] = given["Name"]
    made = _client("emr-serverless").create_application(**words, tags=tags)
    return str(made["applicationId"])


def _lower(value: Any) -> Any:
    """Write the names of a template as the API has them; numbers come as text."""
    if isinstance(value, dict):
        return {k[0].lower() + k[1:]: _lower(v) for k, v in value.items()}
    return value


def _policy(given: Properties) -> str:
    return f"policy of {given['Bucket']}"


def _routes(given: Properties) -> str:
    made = _client("ec2").create_route_table(
        VpcId=given["VpcId"],
        TagSpecifications=[{"ResourceType": "route-table", "Tags": given["Tags"]}],
    )
    return str(made["RouteTable"]["RouteTableId"])


def _delete_routes(table: str) -> None:
    _client("ec2").delete_route_table(RouteTableId=table)


def _gateway(given: Properties) -> str:
    made = _client("ec2").create_internet_gateway(
        TagSpecifications=[{"ResourceType": "internet-gateway", "Tags": given["Tags"]}]
    )
    return str(made["InternetGateway"]["InternetGatewayId"])


def _delete_gateway(gateway: str) -> None:
    ec2 = _client("ec2")
    found = ec2.describe_internet_gateways(InternetGatewayIds=[gateway])["InternetGateways"]
    for attached in found[0]["Attachments"]:  # that, moto leaves too
        ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=attached["VpcId"])
    ec2.delete_internet_gateway(InternetGatewayId=gateway)


def _association(given: Properties) -> str:
    return str(_client("ec2").associate_route_table(**given)["AssociationId"])


def _disassociate(association: str) -> None:
    _client("ec2").disassociate_route_table(AssociationId=association)


def _machine(given: Properties) -> str:
    made = _client("stepfunctions").create_state_machine(
        name=given["StateMachineName"],
        definition=json.dumps(_without_none(given["Definition"])),
        roleArn=given["RoleArn"],
        tags=[{"key": tag["Key"], "value": tag["Value"]} for tag in given["Tags"]],
    )
    return str(made["stateMachineArn"])


def _without_none(value: Any) -> Any:
    """Leave out what is AWS::NoValue, as CloudFormation does, in lists too."""
    if isinstance(value, list):
        return [_without_none(each) for each in value if each is not None]
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    return value


def _delete_machine(arn: str) -> None:
    _client("stepfunctions").delete_state_machine(stateMachineArn=arn)


def _list_instances(self: Any) -> Any:
    """Tell of one node, of a cluster that had room."""
    cluster = self.backend.clusters[self._get_param("ClusterId")]
    had = not cluster.last_state_change_reason
    return ActionResult({"Instances": [{"Id": "ci-1", "Ec2InstanceId": "i-1"}] if had else []})


ElasticMapReduceResponse.list_instances = _list_instances
_MADE_BY_A_KEEPER = {"runInstances": "Server", "runJobFlow": "Cluster", "startJobRun": "JobRun"}


def _of_a_keeper(service: str, action: str, given: Properties) -> Any:
    """Do what the keeper of a job asks for, unless AWS is to refuse it."""
    if messages := stumbling.get(action):
        raise keeping.Failed(f"{service}.Exception", messages.pop(0))
    logical, token = _MADE_BY_A_KEEPER.get(action, ""), ""
    if logical == "Server":
        token = given["ClientToken"]
    why = refused.get(token) or (reasons.pop(0) if (reasons := failing.get(logical)) else "")
    if why and logical != "Cluster":
        refused.update({token: why} if token else {})
        raise keeping.Failed(f"{service}.Exception", why)
    made = keeping.boto3_call(_client)(service, action, given)
    if logical == "Cluster":  # AWS takes the request, and tells later what becomes of it
        cluster = emr_backends[ACCOUNT][REGION].clusters[made["JobFlowId"]]
        cluster.state = "TERMINATED_WITH_ERRORS" if why else "RUNNING"
        cluster.last_state_change_reason = why or None
        for step in cluster.steps:
            step.state = "CANCELLED" if why else "RUNNING"
    return made


def _configuration(given: Properties) -> str:
    _client("emr").create_security_configuration(
        Name=given["Name"], SecurityConfiguration=json.dumps(given["SecurityConfiguration"])
    )
    return str(given["Name"])


def _delete_configuration(name: str) -> None:
    _client("emr").delete_security_configuration(Name=name)


def _delete_schedule(name: str) -> None:
    with contextlib.suppress(ClientError):  # what is gone is no error of CloudFormation's
        _client("scheduler").delete_schedule(Name=name)


def _delete_application(application: str) -> None:
    _client("emr-serverless").delete_application(applicationId=application)


_KINDS: dict[str, tuple[Callable[[Properties], str], Callable[[str], object]]] = {
    "AWS::EC2::InternetGateway": (_gateway, _delete_gateway),
    "AWS::EC2::RouteTable": (_routes, _delete_routes),
    "AWS::EC2::SubnetRouteTableAssociation": (_association, _disassociate),
    "AWS::EMR::SecurityConfiguration": (_configuration, _delete_configuration),
    "AWS::EMRServerless::Application": (_application, _delete_application),
    "AWS::S3::BucketPolicy": (_policy, lambda _: None),
    "AWS::Scheduler::Schedule": (_schedule, _delete_schedule),
    "AWS::StepFunctions::StateMachine": (_machine, _delete_machine),
}
# moto finds them among the classes that there are.
MODELS = [_model(kind, *how) for kind, how in _KINDS.items()]
parsing.get_model_list.cache_clear()
parsing.get_model_map.cache_clear()
parsing.get_name_type_map.cache_clear()
_create_resources = Stack.create_resources


def _create_or_take_back(self: Stack) -> None:
    """Make a stack's resources; take back what was made of one that fails (ROLLBACK)."""
    try:
        _create_resources(self)
        if slow["looks"] and self.name.endswith("-job"):
            self.status = "CREATE_IN_PROGRESS"
    except NotMade as error:
        logical, why = error.args
        self.events.append(
            Event(
                stack_id=self.stack_id,
                stack_name=self.name,
                logical_resource_id=logical,
                physical_resource_id="",
                resource_type="",
                resource_status="CREATE_FAILED",
                resource_status_reason=why,
                resource_properties=None,
            )
        )
        self.template_dict = {**self.template_dict, "Outputs": {}}
        self.output_map = self._create_output_map()
        self.resource_map.delete()
        self.status = "ROLLBACK_COMPLETE"


def _describe_stacks(self: CloudFormationBackend, *asked: Any) -> list[Stack]:
    """Tell of stacks; each look at one that is being made brings it nearer to its end."""
    found: list[Stack] = _plain_describe_stacks(self, *asked)
    for stack in found:
        if stack.status == "CREATE_IN_PROGRESS":
            slow["looks"] -= 1
            stack.status = stack.status if slow["looks"] > 0 else "CREATE_COMPLETE"
    return found


def _make_or_not(logical: str, *given: Any, **named: Any) -> Any:
    """Make one resource, of whatever kind, unless AWS is to refuse it."""
    if why := failing.get(logical):
        raise NotMade(logical, why.pop(0))
    return _plain_make(logical, *given, **named)


_plain_make = parsing.parse_and_create_resource
parsing.parse_and_create_resource = _make_or_not
_plain_describe_stacks = CloudFormationBackend.describe_stacks
CloudFormationBackend.describe_stacks = _describe_stacks
Stack.create_resources = _create_or_take_back


class Said(Reporter):
    """Keeps what is said; a stage says nothing."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """Keep a line."""
        self.lines.append(line)


@dataclasses.dataclass
class Bench:
    """An account, what is to be run in it, and what happens at each wait."""

    account: Account
    life: Life
    files: dict[str, Path]
    said: Said
    naps: Naps


class Account:
    """What happens in an account without anyone's doing."""

    def client(self, service: str) -> Any:
        """Return a client of a service in the region of the tests."""
        return _client(service)

    def fail(self, logical: str, why: str) -> None:
        """Have AWS refuse to make one resource of a template, the next time."""
        failing.setdefault(logical, []).append(why)

    def stumble(self, action: str, why: str, times: int) -> None:
        """Have a service fail at an action that a keeper or a schedule asks for, so many times."""
        stumbling.setdefault(action, []).extend([why] * times)

    def now(self) -> dt.datetime:
        """Return the moment, on this machine's clock and what a test has let pass."""
        return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=passed["seconds"])

    def take_time(self, looks: int, seconds: float = 0.0) -> None:
        """Have AWS be at the next second stack for so many looks, and for so long besides."""
        slow["looks"] = looks
        passed["seconds"] += seconds

    def pass_time(self, seconds: float = 0.0) -> None:
        """Let schedules at a rate go off, and state machines go on.

        A schedule without a start date begins at once, and none goes off after its end date:
        https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
        https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateSchedule.html
        """
        passed["seconds"] += seconds
        machines = stepfunctions_backends[ACCOUNT][REGION].state_machines
        for name in scheduler_backends[ACCOUNT][REGION].schedule_groups["default"].schedules:
            if not any(
                name == f"{machine.name}-start" and machine.executions for machine in machines
            ):
                schedule = self.client("scheduler").get_schedule(Name=name)
                if self.now() > schedule["EndDate"]:
                    continue
                if messages := stumbling.get("startExecution"):
                    messages.pop(0)
                    continue
                asked = json.loads(schedule["Target"]["Input"])
                self.client("stepfunctions").start_execution(
                    stateMachineArn=asked["StateMachineArn"], name=asked["Name"]
                )
        now = self.now().timestamp()
        for machine in machines:
            for known in machine.executions:
                mine = running.setdefault(
                    known.execution_arn,
                    keeping.Execution(machine.definition, known.name, _of_a_keeper),
                )
                if known.status == "RUNNING":
                    mine.go_on(now)
                    known.status, known.error, known.cause = mine.status, mine.error, mine.cause

    def mend(self) -> None:
        """Have AWS refuse nothing any more, and take no time."""
        failing.clear()
        stumbling.clear()
        refused.clear()
        running.clear()
        passed["seconds"] = 0.0
        slow["looks"] = 0
        rules.tokens.clear()
        rules.quotas.clear()
        rules.quotas.update(rules.NEW_ACCOUNT)

    def keep_policies(self, role: str) -> None:
        """Write the policies of a role, as its template has them, where moto looks for them."""
        made: dict[str, Any] = iam_backends[ACCOUNT]["aws"].get_role(role).policies
        for name, policy in list(made.items()):
            policy["Statement"] = [each for each in policy["Statement"] if each]
            self.client("iam").put_role_policy(
                RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy)
            )

    def servers(self) -> list[Any]:
        """Return the servers that are not terminated."""
        found = self.client("ec2").describe_instances()["Reservations"]
        every = [server for each in found for server in each["Instances"]]
        return [server for server in every if server["State"]["Name"] != "terminated"]

    def end_servers(self, why: str = "") -> None:
        """Terminate the servers: by themselves, or as AWS does, whose word for it is a reason.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html
        """
        for server in self.servers():
            self.client("ec2").terminate_instances(InstanceIds=[server["InstanceId"]])
            if why:
                ended = ec2_backends[ACCOUNT][REGION].get_instance(server["InstanceId"])
                ended.state_reason.code = why

    def clusters(self) -> list[str]:
        """Return the clusters that are not terminated."""
        found = self.client("emr").list_clusters()["Clusters"]
        return [c["Id"] for c in found if not c["Status"]["State"].startswith("TERMINATED")]

    def end_step(self, state: str) -> None:
        """End the steps of all clusters, and the clusters with them, as their settings say."""
        for cluster in emr_backends[ACCOUNT][REGION].clusters.values():
            for step in cluster.steps:
                step.state = state
                if state == "FAILED":
                    assert step.action_on_failure == "TERMINATE_CLUSTER"
            assert not cluster.keep_job_flow_alive_when_no_steps
            cluster.state = "TERMINATED_WITH_ERRORS" if state == "FAILED" else "TERMINATED"

    def job_runs(self) -> list[Any]:
        """Return the job runs of EMR Serverless."""
        found = emrserverless_backends[ACCOUNT][REGION].job_runs.values()
        return [run for runs in found for run in runs]

    def put(self, bucket: str, key: str, body: object) -> None:
        """Write an object, as the job does."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=data)

    def left(self) -> list[str]:
        """Return all that costs money or stays: stacks, servers, buckets, roles and so on."""
        stacks = self.client("cloudformation").describe_stacks()["Stacks"]
        applications = self.client("emr-serverless").list_applications()["applications"]
        buckets = [each["Name"] for each in self.client("s3").list_buckets()["Buckets"]]
        budgets = self.client("budgets").describe_budgets(AccountId=ACCOUNT).get("Budgets", [])
        ec2 = self.client("ec2")
        gateways = ec2.describe_internet_gateways()["InternetGateways"]
        return [
            *(s["StackName"] for s in stacks),
            *(s["InstanceId"] for s in self.servers()),
            *self.clusters(),
            *(a["id"] for a in applications if a["state"] != "TERMINATED"),
            *(each for each in buckets if re.match("verger-(?!cache-)", each)),
            *(s["Name"] for s in self.client("scheduler").list_schedules()["Schedules"]),
            *(b["BudgetName"] for b in budgets),
            *(r["RoleName"] for r in self.client("iam").list_roles()["Roles"]),
            *(v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"] if not v["IsDefault"]),
            *(gateway["InternetGatewayId"] for gateway in gateways),
        ]
