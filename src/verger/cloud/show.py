"""Every file and parameter of a run that is not made: to read, or to deploy by hand."""

from __future__ import annotations

import datetime as dt
import json
import shlex
from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from verger.cloud import alarm, machine, parameters, stack
from verger.cloud.job import Job

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
    given = parameters.job_parameters(job, scratch, parameters.ends(job, now))
    files = {
        "README.txt": _by_hand(job, scratch, account),
        "base.yaml": stack.template("base"),
        "base.parameters.json": _as_json(parameters.base_parameters(job)),
        "budget.json": json.dumps(
            alarm.request(job.id, account, budget_usd=budget_usd, email=email), indent=2
        )
        + "\n",
        f"{job.on}.yaml": stack.template(job.on),
        f"{job.on}.parameters.json": _as_json(given),
        "scratch/job.json": parameters.as_json(job),
    }
    if job.on == "ec2":
        files["user-data.sh"] = machine.user_data(job, scratch)
        files[f"scratch/{machine.JOB_KEY}"] = machine.script("job.sh")
    elif job.on == "emr":
        files["step.txt"] = shlex.join(machine.emr_step(job, scratch)) + "\n"
        files[f"scratch/{machine.BOOTSTRAP_KEY}"] = machine.script("bootstrap.sh")
    return files


def printed(files: Mapping[str, str]) -> str:
    """Return the files one after the other, each below its name."""
    return "\n".join(f"==> {name} <==\n{text}" for name, text in files.items())


def _as_json(given: Mapping[str, str]) -> str:
    """Write parameters as `aws cloudformation create-stack --parameters` takes them."""
    listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
    return json.dumps(listed, indent=2) + "\n"


def _by_hand(job: Job, scratch: str, account: str) -> str:
    """Say how the files are used."""
    texts = Environment(
        loader=PackageLoader("verger.cloud", "templates"),
        autoescape=select_autoescape(),  # no HTML: it is a text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return texts.get_template("README.txt.jinja").render(
        job=job,
        scratch=scratch,
        account=account,
        base_stack=parameters.base_stack(job.id),
        job_stack=parameters.job_stack(job.id),
    )
