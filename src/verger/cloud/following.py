"""Following a job from afar: what it does and what it logs, told as it comes."""

from __future__ import annotations

from collections.abc import Callable

from verger.cloud import watch
from verger.cloud.job import Job
from verger.cloud.life import Life
from verger.cloud.scratch import Scratch
from verger.errors import CloudError, NetworkError, SignInError, VergerError
from verger.progress import Reporter
from verger.texts.command import say

SECONDS_BETWEEN_LOOKS = 10.0
# How long a network may be gone before a follower gives up; the job does not care.
_PATIENCE = 600.0
_TAIL = 40


def follow(life: Life, job: Job, when_ready: Callable[[], None] = lambda: None) -> watch.State:
    """Tell what a job does until it is over, and return what it came to.

    `when_ready` is called once JupyterLab answers, of a job that is a notebook. Ctrl-C leaves it
    running, and says so.
    """
    try:
        return _followed(life, job, when_ready)
    except KeyboardInterrupt:
        life.reporter.say(
            f"{job.id} goes on. Follow it again: verger cloud status {job.id} --follow; end it: "
            f"verger cloud down {job.id} (both with --region {job.region})."
        )
        raise


def _followed(life: Life, job: Job, when_ready: Callable[[], None]) -> watch.State:
    """Follow it; a network that goes away for a while is waited for.

    Raises `SignInError`, `NetworkError` or `CloudError` where AWS cannot be asked any more. The job
    goes on.
    """
    scratch, reporter, said = life.scratch(job.id), life.reporter, ""
    seen: dict[str, tuple[str, str]] = {}
    lost: float | None = None
    is_told = False
    while True:
        try:
            state = watch.look(life.aws, job, scratch)
            if state.line != said:
                reporter.say(f"{say(state.phase)}{say(': ')}{say(state.line)}")
                said = state.line
            _tell_logs(scratch, reporter, seen)
            lost = None
            if state.is_over:
                return state
            if state.is_ready and not is_told:
                is_told = True
                when_ready()
        except NetworkError as error:
            lost = life.clock() if lost is None else lost
            if life.clock() - lost >= _PATIENCE:
                raise _goes_on(error, job) from error
            reporter.say(f"{error.what} Trying again.")
        except (SignInError, CloudError) as error:
            raise _goes_on(error, job) from error
        life.sleep(SECONDS_BETWEEN_LOOKS)


def last_lines(scratch: Scratch, lines: int = _TAIL, *, of_the_platform: bool = False) -> list[str]:
    """Return the last lines of a job's logs, or of those alone that no follower is told of."""
    progress = {key.name for key in watch.progress_keys(scratch)} if of_the_platform else set()
    told_lines: list[str] = []
    for key in watch.log_keys(scratch):
        if key.name not in progress:
            told_lines += watch.log_lines(scratch, key.name)
    return told_lines[-lines:]


def _tell_logs(scratch: Scratch, reporter: Reporter, seen: dict[str, tuple[str, str]]) -> None:
    """Say the lines that are new in a job's logs; `seen`: by key, its state and last line."""
    for key in watch.progress_keys(scratch):
        etag, last = seen.get(key.name, ("", ""))
        if etag == key.etag:
            continue
        lines = list(watch.log_lines(scratch, key.name))
        # Of a long log the job sends the end alone: go on after the line that was said last.
        new = lines[lines.index(last) + 1 :] if last in lines else lines
        for line in new:
            reporter.say(f"| {line}")
        seen[key.name] = (key.etag, lines[-1] if lines else last)


def _goes_on(error: VergerError, job: Job) -> VergerError:
    return type(error)(
        error.what,
        hint=f"{error.hint} The job goes on, and ends after {job.limit_minutes} minutes at the "
        f"latest; verger cloud status {job.id} --region {job.region} --follow comes back to it.",
    )
