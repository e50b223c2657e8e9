"""What AWS documents and moto skips, put on top of it: each rule with where it is written.

Importing this puts the rules in force for all that moto pretends in this process.
"""

from __future__ import annotations

import json
from typing import Any

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.responses import CloudFormationResponse
from moto.emrserverless import models as serverless
from moto.emrserverless.exceptions import ValidationException
from moto.emrserverless.models import Application, EMRServerlessBackend, JobRun
from moto.servicequotas.models import ServiceQuotasBackend
from moto.servicequotas.responses import ServiceQuotasResponse

_RUN_IS_OVER = ("SUCCESS", "FAILED", "CANCELLED")


# EMR Serverless ----------------------------------------------------------------------------------
# States pass one after the other, and each look finds the next one. What may be asked in which:
# https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/applications.html and job-states
# https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_StopApplication.html: "All
# scheduled and running jobs must be completed or cancelled before stopping an application."
# https://docs.aws.amazon.com/emr-serverless/latest/APIReference/API_DeleteApplication.html: "An
# application has to be in a stopped or created state in order to be deleted." (moto has this one)

# A job run that is started runs, and its application with it, until a test says otherwise.
serverless.JOB_STATUS = "RUNNING"
serverless.APPLICATION_STATUS = "STARTED"


def _cancel_job_run(self: Any, application_id: str, job_run_id: str) -> tuple[str, str]:
    run = self.get_job_run(application_id, job_run_id)
    if run.state in _RUN_IS_OVER:
        raise ValidationException(f"Job run {job_run_id} is {run.state}")
    run.state = "CANCELLING"
    return application_id, job_run_id


def _list_job_runs(self: Any, application_id: str, *_: Any, **__: Any) -> list[JobRun]:
    self.get_application(application_id)
    runs: list[JobRun] = self.job_runs.get(application_id, [])  # moto knows no application of none
    for run in runs:
        if run.state == "CANCELLING":
            run.looked = getattr(run, "looked", 0) + 1
            run.state = "CANCELLED" if run.looked > 2 else run.state
    return runs


def _stop_application(self: Any, application_id: str) -> None:
    application = _plain_get_application(self, application_id)
    if busy := [r.id for r in self.job_runs.get(application_id, []) if r.state not in _RUN_IS_OVER]:
        raise ValidationException(f"Application {application_id} has active job runs: {busy}")
    if application.state != "STARTED":
        raise ValidationException(f"Application {application_id} is {application.state}")
    application.state = "STOPPING"


def _get_application(self: Any, application_id: str) -> Application:
    application = _plain_get_application(self, application_id)
    if application.state == "STOPPING":
        application.looked = getattr(application, "looked", 0) + 1
        application.state = "STOPPED" if application.looked > 2 else application.state
    return application


_plain_get_application = EMRServerlessBackend.get_application
EMRServerlessBackend.cancel_job_run = _cancel_job_run
EMRServerlessBackend.list_job_runs = _list_job_runs
EMRServerlessBackend.stop_application = _stop_application
EMRServerlessBackend.get_application = _get_application


# CloudFormation ----------------------------------------------------------------------------------
# "A client request token already exists": one token is one request
# (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html, Errors).

tokens: set[str] = set()


def _create_stack(self: Any) -> Any:
    token = self._get_param("ClientRequestToken") or ""
    if token in tokens:
        raise ValidationError(message=f"A client request token already exists: {token}")
    tokens.add(token)
    return _plain_create_stack(self)


_plain_create_stack = CloudFormationResponse.create_stack
CloudFormationResponse.create_stack = _create_stack


# Service Quotas ----------------------------------------------------------------------------------
# What a new account often has: 5 vCPU of on-demand servers (the default for all is 5:
# https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html), 16 of EMR
# Serverless (https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/endpoints-quotas.html).
# moto knows those of VPC.

NEW_ACCOUNT = {
    ("ec2", "L-1216C47A"): (
        "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
        5.0,
    ),
    ("ec2", "L-34B43A08"): ("All Standard Spot Instance Requests", 5.0),
    ("emr-serverless", "L-D05C8A75"): ("Max concurrent vCPUs per account", 16.0),
}
quotas = dict(NEW_ACCOUNT)


def _get_service_quota(self: Any, service_code: str, quota_code: str) -> dict[str, Any]:
    if found := quotas.get((service_code, quota_code)):
        return {"QuotaCode": quota_code, "QuotaName": found[0], "Value": found[1]}
    found_by_moto: dict[str, Any] = _plain_get_service_quota(self, service_code, quota_code)
    return found_by_moto


def _list_service_quotas(self: Any) -> str:
    service = json.loads(self.body)["ServiceCode"]
    codes = [code for of, code in quotas if of == service]
    return json.dumps({"Quotas": [self.backend.get_service_quota(service, c) for c in codes]})


_plain_get_service_quota = ServiceQuotasBackend.get_service_quota
ServiceQuotasBackend.get_service_quota = _get_service_quota
ServiceQuotasResponse.list_service_quotas = _list_service_quotas
# One that was never changed has no value of the account's own, as NoSuchResourceException says:
# https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html
ServiceQuotasResponse.get_aws_default_service_quota = ServiceQuotasResponse.get_service_quota
