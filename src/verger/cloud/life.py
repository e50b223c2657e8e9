"""The life of a job: start, follow, verify, stop, take down. All state is AWS's own."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from verger.cloud import machine, parameters, stack, watch
from verger.cloud.aws import Aws, told
from verger.cloud.job import Job
from verger.cloud.leftovers import leftovers, tagged
from verger.cloud.places import check_places
from verger.cloud.scratch import JOB, LOGS, Scratch
from verger.errors import CloudError, VergerError
from verger.progress import Reporter

# What AWS says when it has no spot server, or takes one back.
_NO_SPOT = ("capacity", "spot")


class Life:
    """What can be done with jobs, in one region of one account."""

    def __init__(
        self,
        aws: Aws,
        reporter: Reporter,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.aws = aws
        self.reporter = reporter
        self.sleep = sleep
        self.clock = clock

    def scratch(self, job: str) -> Scratch:
        """Return the scratch bucket of a job."""
        return Scratch(self.aws, job)

    def job(self, job: str) -> Job:
        """Return a job by its name, as its scratch bucket keeps it.

        Raises `UsageError` for no name of a job, `CloudError` where there is no such job in this
        region and account.
        """
        parameters.check_id(job)
        text = self.scratch(job).read(JOB)
        try:
            return parameters.from_json(text or b"")
        except ValueError:
            raise CloudError(
                f"{job}: no such job in {self.aws.region} of account {self.aws.account}.",
                hint="verger cloud status lists those that there are; --region names another.",
            ) from None

    def start(
        self, job: Job, files: Mapping[str, Path], *, budget_usd: float, email: str = ""
    ) -> None:
        """Make both stacks, send the files, and submit: from here on the job needs nobody.

        `files` go to the scratch bucket, by key. What fails half-way is taken down again before the
        error is raised: `CloudError`, `SignInError` or `NetworkError`, where AWS refused, failed or
        could not be reached.
        """
        parameters.check(job)
        scratch = self.scratch(job.id)
        check_places(self.aws, job)
        try:
            base = parameters.base_parameters(job, budget_usd=budget_usd, email=email)
            self._create(job.id, parameters.base_stack(job.id), "base", base)
            self._send(scratch, job, files)
            self._submit(job)
        except BaseException as error:  # Ctrl-C too: what is half-made costs money
            self._take_back(job.id, error)
            raise

    def again_without_spot(self, job: Job) -> Job:
        """Start a job again whose spot server AWS took back; what was embedded is taken up."""
        self.reporter.say("AWS took the spot server back: going on with one that it does not.")
        watch.end(self.aws, job.id)
        self._delete_job_stack(job.id)
        job = dataclasses.replace(job, spot=False)
        self._submit(job)
        return job

    def stop(self, job: str) -> list[str]:
        """Terminate what works for a job; its logs and its stacks stay. Return what was ended."""
        return watch.end(self.aws, self.job(job).id)

    def retire(self, job: str) -> None:
        """Delete the second stack, with all that costs money by the hour; the logs stay."""
        watch.end(self.aws, job)
        self._delete_job_stack(job)

    def down(self, job: str) -> list[str]:
        """Delete all of a job, check that nothing is left, and return notes for the user.

        May be said again and again; a job that is gone is no error. Raises `CloudError` where
        something cannot be deleted, or is not the job's own; it is named.
        """
        parameters.check_id(job)
        self.retire(job)
        scratch = self.scratch(job)
        if deleted := scratch.empty():
            self.reporter.say(f"Emptied the bucket {scratch.name} ({deleted:,} objects).")
        stack.delete(self.aws, parameters.base_stack(job), self.reporter, self.sleep)
        return self._check_gone(job)

    def _create(self, job: str, name: str, template: str, given: dict[str, str]) -> dict[str, str]:
        return stack.create(self.aws, job, name, template, given, self.reporter, self.sleep)

    def _send(self, scratch: Scratch, job: Job, files: Mapping[str, Path]) -> None:
        scratch.put(JOB, parameters.as_json(job).encode())
        total = sum(path.stat().st_size for path in files.values())
        self.reporter.say(f"Sending {len(files)} files, {total / 1e6:,.1f} MB.")
        with self.reporter.stage("Sending", total, "bytes") as stage:
            done = 0

            def sent(count: int) -> None:
                nonlocal done
                done += count
                stage.update(done)

            for key, path in files.items():
                scratch.upload(path, key, sent)

    def _submit(self, job: Job) -> None:
        # Now, not before the files were sent: a slow line must not use up the time of the job.
        end = parameters.ends(job, dt.datetime.now(dt.UTC))
        given = parameters.job_parameters(job, self.scratch(job.id).name, end)
        name = parameters.job_stack(job.id)
        try:
            made = self._create(job.id, name, job.on, given)
        except CloudError as error:
            if not (job.on == "ec2" and job.spot and is_lack_of_spot(str(error))):
                raise
            self.reporter.say(f"No spot server: {error.what} Taking one that is none.")
            made = self._create(job.id, name, job.on, {**given, "Spot": "no"})
        if job.on == "serverless":
            request = job_run(job, given["Scratch"], made["Compute"], made["JobRole"])
            with told("start the job run"):
                self.aws.client("emr-serverless").start_job_run(**request)

    def _take_back(self, job: str, error: BaseException) -> None:
        """Take down what was half-made; what hinders that is said beside the error."""
        self.reporter.say("Taking down what was made.")
        try:
            self.down(job)
        except VergerError as second:
            left = (
                f"What was made of {job} could not all be taken down ({second.what}): "
                f"say verger cloud down {job} --region {self.aws.region} later."
            )
            if isinstance(error, VergerError):
                raise type(error)(error.what, hint=f"{error.hint} {left}") from error
            self.reporter.say(left)

    def _delete_job_stack(self, job: str) -> None:
        name = parameters.job_stack(job)
        try:
            stack.delete(self.aws, name, self.reporter, self.sleep)
        except CloudError:
            # EMR adds rules of its own, by which security groups hold each other.
            _revoke_rules(self.aws, job)
            stack.delete(self.aws, name, self.reporter, self.sleep)

    def _check_gone(self, job: str) -> list[str]:
        left: list[str] = []
        for _ in range(12):
            left = leftovers(self.aws, job)
            late = tagged(self.aws, job)
            if not left and not late:
                return []
            self.sleep(stack.SECONDS_BETWEEN_LOOKS)
        if left:
            raise CloudError(
                f"Of {job} there is still: {', '.join(left)}.",
                hint="Say verger cloud down again in some minutes.",
            )
        return [
            f"AWS's index of tags still lists {arn}; it forgets some minutes late." for arn in late
        ]


def job_run(job: Job, scratch: str, application: str, role: str) -> dict[str, Any]:
    """Return the request that starts an EMR Serverless job run, its own wall clock in it."""
    return {
        "applicationId": application,
        "executionRoleArn": role,
        "name": job.id,
        "clientToken": job.id,
        "jobDriver": machine.serverless_driver(job, scratch),
        "configurationOverrides": {
            "monitoringConfiguration": {
                "s3MonitoringConfiguration": {"logUri": f"s3://{scratch}/{LOGS}"}
            }
        },
        "executionTimeoutMinutes": job.limit_minutes,
        "tags": {stack.TAG: job.id},
    }


def is_lack_of_spot(said: str) -> bool:
    """Whether AWS says that it has no spot server, or that it took one back."""
    return any(word in said.lower() for word in _NO_SPOT)


def _revoke_rules(aws: Aws, job: str) -> None:
    client = aws.client("ec2")
    with told("take the rules of the security groups back"):
        groups = client.describe_security_groups(
            Filters=[{"Name": f"tag:{stack.TAG}", "Values": [job]}]
        )["SecurityGroups"]
        for group in groups:
            if group["IpPermissions"]:
                client.revoke_security_group_ingress(
                    GroupId=group["GroupId"], IpPermissions=group["IpPermissions"]
                )
