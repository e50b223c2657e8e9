"""The life of a job: start, follow, verify, stop, take down. All state is AWS's own."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from verger.cloud import alarm, ending, parameters, stack
from verger.cloud.aws import Aws, told
from verger.cloud.cache import LEAST_BYTES, Cache
from verger.cloud.job import Job
from verger.cloud.leftovers import leftovers, tagged
from verger.cloud.places import check_places
from verger.cloud.scratch import JOB, Scratch
from verger.errors import CloudError, VergerError
from verger.progress import Reporter
from verger.texts.numbers import plural

_TRIES, _SECONDS_BETWEEN_TRIES = 4, 15.0


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
                hint="verger cloud status lists all jobs; --region looks in another region.",
            ) from None

    def start(
        self, job: Job, files: Mapping[str, Path], *, budget_usd: float, email: str = ""
    ) -> None:
        """Make the first stack, send the files, submit the second: from here on AWS goes on.

        `files` go to the scratch bucket, by key. What fails before it is submitted is taken down
        again before the error is raised: `CloudError`, `SignInError` or `NetworkError`, where AWS
        refused, failed or could not be reached. What becomes of it then, `follow` tells.
        """
        parameters.check(job)
        scratch = self.scratch(job.id)
        check_places(self.aws, job)
        try:
            given = parameters.base_parameters(job)
            name = parameters.base_stack(job.id)
            stack.create(self.aws, job.id, name, "base", given, self.reporter, self.sleep)
            alarm.create(self.aws, job.id, self.reporter, budget_usd=budget_usd, email=email)
            self._send(scratch, job, files)
            self._submit(job)
        except BaseException as error:  # Ctrl-C too: what is half-made costs money
            self._take_back(job.id, error)
            raise

    def stop(self, job: str) -> list[str]:
        """Terminate what works for a job; its logs and its stacks stay. Return what was ended."""
        return ending.end(self.aws, self.job(job).id, self.sleep)

    def retire(self, job: str) -> None:
        """Delete the second stack, with all that costs money by the hour; the logs stay."""
        ending.end(self.aws, job, self.sleep)
        self._delete_job_stack(job)

    def down(self, job: str) -> list[str]:
        """Delete all of a job, check that nothing is left, and return notes for the user.

        May be said again and again; a job that is gone is no error. Raises `CloudError` where
        something cannot be deleted, or is not the job's own; it is named.
        """
        parameters.check_id(job)
        self.retire(job)
        self._delete_base_stack(job)
        alarm.delete(self.aws, job)
        return self._check_gone(job)

    def _send(self, scratch: Scratch, job: Job, files: Mapping[str, Path]) -> None:
        scratch.put(JOB, parameters.as_json(job).encode())
        total = sum(path.stat().st_size for path in files.values())
        large = {k: path for k, path in files.items() if path.stat().st_size >= LEAST_BYTES}
        self.reporter.say(
            f"Sending {len(files)} file{plural(len(files))}, {total / 1e6:,.1f} MB, except what "
            "was sent before."
        )
        with self.reporter.stage("Sending", total, "bytes") as stage:
            lock, done = threading.Lock(), 0

            def sent(count: int) -> None:
                nonlocal done
                with lock:
                    done += count
                    stage.update(done)

            try:
                Cache(self.aws).send(large, scratch, sent)
            except CloudError as error:
                self.reporter.say(f"{error.what} Sending everything again.")
                large = {}
            for key in files.keys() - large.keys():
                scratch.upload(files[key], key, sent)

    def _submit(self, job: Job) -> None:
        # Now, not before the files were sent: a slow line must not use up the time of the job.
        end = parameters.ends(job, dt.datetime.now(dt.UTC))
        given = parameters.job_parameters(job, self.scratch(job.id).name, end)
        stack.submit(self.aws, job.id, parameters.job_stack(job.id), job.on, given)

    def _take_back(self, job: str, error: BaseException) -> None:
        """Take down what was half-made; what hinders that is said beside the error."""
        self.reporter.say("Taking everything down again.")
        try:
            self.down(job)
        except VergerError as second:
            left = (
                f"Not everything of {job} could be taken down ({second.what}): "
                f"run verger cloud down {job} --region {self.aws.region} later."
            )
            if isinstance(error, VergerError):
                raise type(error)(error.what, hint=f"{error.hint} {left}") from error
            self.reporter.say(left)

    def _delete_job_stack(self, job: str) -> None:
        name = parameters.job_stack(job)
        try:
            stack.delete(self.aws, name, self.reporter, self.sleep)
        except CloudError:
            # What a schedule that was under way began meanwhile holds the network, and EMR adds
            # rules of its own, by which security groups hold each other.
            ending.end(self.aws, job, self.sleep)
            _revoke_rules(self.aws, job)
            stack.delete(self.aws, name, self.reporter, self.sleep)

    def _delete_base_stack(self, job: str) -> None:
        """Empty the scratch bucket, and delete it; a cluster's logs may still come meanwhile.

        It is no request that is repeated, as `storage.retry` does, but the emptying: on this
        object's clock, and as long as logs take to come.
        """
        scratch = self.scratch(job)
        for tries_left in reversed(range(_TRIES)):
            if deleted := scratch.empty():
                self.reporter.say(
                    f"Emptied the bucket {scratch.name} ({deleted:,} object{plural(deleted)})."
                )
            try:
                stack.delete(self.aws, parameters.base_stack(job), self.reporter, self.sleep)
                return
            except CloudError:
                if not tries_left:
                    raise
                self.sleep(_SECONDS_BETWEEN_TRIES)

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
                f"This is still left of {job}: {', '.join(left)}.",
                hint="Run verger cloud down again in a few minutes.",
            )
        return [
            f"AWS's index of tags still lists {arn}; it lags a few minutes behind." for arn in late
        ]


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
