"""Every file and parameter of a run that is not made: to read, or to deploy by hand."""

from __future__ import annotations

import datetime as dt
import json
import shlex
from collections.abc import Mapping

from verger.cloud import parameters, stack
from verger.cloud.job import Job
from verger.cloud.kit import words_of
from verger.cloud.life import job_run
from verger.cloud.machine import BOOTSTRAP_KEY, JOB_KEY, script

# Stands where the number of the account comes; there is none in a dry run.
ACCOUNT = "ACCOUNT"


def dry_run(
    job: Job, *, budget_usd: float, email: str, now: dt.datetime, account: str = ACCOUNT
) -> dict[str, str]:
    """Return the files of a job, by name: templates, parameters, scripts, and the commands.

    Needs neither an account nor a network, and builds nothing. `account` is the number of the
    account that they are for; without it they are to be read only.
    """
    parameters.check(job)
    scratch = parameters.scratch_bucket(job.id, account)
    words = words_of(job, scratch)
    base = parameters.base_parameters(job, budget_usd=budget_usd, email=email)
    given = parameters.job_parameters(
        job, scratch, parameters.ends(job, now), user_data=words.user_data, step=words.step
    )
    files = {
        "README.txt": "",
        "base.yaml": stack.template("base"),
        "base.parameters.json": _as_json(base),
        f"{job.on}.yaml": stack.template(job.on),
        f"{job.on}.parameters.json": _as_json(given),
        "scratch/job.json": parameters.as_json(job),
    }
    if job.on == "ec2":
        files |= {"user-data.sh": words.user_data, f"scratch/{JOB_KEY}": script("job.sh")}
    elif job.on == "emr":
        files |= {"step.txt": shlex.join(words.step) + "\n"}
        files[f"scratch/{BOOTSTRAP_KEY}"] = script("bootstrap.sh")
    else:
        request = job_run(job, words, scratch, "APPLICATION", "ROLE")
        files["job-run.json"] = json.dumps(request, indent=2) + "\n"
    files["README.txt"] = _by_hand(job, scratch)
    return files


def printed(files: Mapping[str, str]) -> str:
    """Return the files one after the other, each below its name."""
    return "\n".join(f"==> {name} <==\n{text}" for name, text in files.items())


def _as_json(given: Mapping[str, str]) -> str:
    """Write parameters as `aws cloudformation create-stack --parameters` takes them."""
    listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
    return json.dumps(listed, indent=2) + "\n"


def _first(job: Job, scratch: str) -> list[str]:
    """Say what has to be looked at before the files are used."""
    lines = []
    if scratch.endswith(f"-{ACCOUNT}"):
        lines += [
            "ACCOUNT stands for the number of your account (aws sts get-caller-identity). Say",
            "verger cloud show again with --account NUMBER: it is in encoded scripts too.",
            "",
        ]
    if job.on != "serverless":
        lines += [
            f"All is ended at EndAt (UTC) in {job.on}.parameters.json: make it later if you begin",
            "later.",
            "",
        ]
    return lines


def _by_hand(job: Job, scratch: str) -> str:
    create = (
        "aws cloudformation create-stack --region {region} --stack-name {name}"
        " --template-body file://{file}.yaml --parameters file://{file}.parameters.json"
        " --capabilities CAPABILITY_IAM --on-failure DELETE --tags Key=verger:job,Value={job}"
    )
    wait = "aws cloudformation wait stack-create-complete --region {region} --stack-name {name}"
    names = {"base": parameters.base_stack(job.id), job.on: parameters.job_stack(job.id)}

    def commands(file: str) -> list[str]:
        words = {"region": job.region, "name": names[file], "file": file, "job": job.id}
        return [each.format(**words) for each in (create, wait)]

    lines = [
        "By hand, in this folder. `verger cloud run` does the same, follows, and takes all down.",
        "",
        *_first(job, scratch),
        *commands("base"),
        f"verger cloud pack scratch --on {job.on} --architecture {job.architecture}",
        f"aws s3 cp --recursive scratch s3://{scratch}",
        *commands(job.on),
    ]
    if job.on == "serverless":
        lines += [
            "# With APPLICATION and ROLE from the outputs of the second stack put in:",
            f"aws emr-serverless start-job-run --region {job.region}"
            " --cli-input-json file://job-run.json",
        ]
    lines += [
        "",
        f"verger cloud status {job.id} --region {job.region} --follow",
        f"verger cloud down {job.id} --region {job.region}",
    ]
    return "\n".join(lines) + "\n"
