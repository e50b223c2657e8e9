"""What a server starts for a notebook: copies, the notebook and what it gives, JupyterLab.

    python -m verger.cloud.lab --scratch s3://BUCKET PHOTOS STORE [--language fr] [--idle-minutes N]

A server's Spark reads no bucket (docs/decisions/0049): PHOTOS and STORE are copied to its disk.
What lies in the folder of the notebook is saved to STORE/notebook each minute and at the end.
JupyterLab listens to this machine alone and wants the token that lies in the scratch bucket. It
ends when for so long nothing was computed, saved or done in a terminal, whatever is open in a
browser.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from verger.cloud.machine import LAB_PORT, READY_KEY, TOKEN_KEY
from verger.cloud.objects import Objects

_SECONDS_TO_START = 180.0
_SECONDS_TO_END = 30.0
_SECONDS_BETWEEN_LOOKS = 5.0
_SECONDS_BETWEEN_SAVES = 60.0
_ASIDE = ".ipynb_checkpoints"  # JupyterLab's own copies


class Failed(Exception):
    """Why there is no notebook, in one line."""


def main(arguments: list[str] | None = None) -> int:
    """Do it, and return the exit code: 0 also where idleness ended it."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    photos = Path.cwd() / "photos" / given.photos.rstrip("/").rpartition("/")[2]
    store = Path.cwd() / "store"
    folder = store / "notebook"
    notebook = folder / f"verger.{given.language}.ipynb"
    scratch = Objects(given.scratch)
    try:
        _say("Copying STORE and PHOTOS to the server.")
        _copy(given.store, store)
        _copy(given.photos, photos)
        saved = Saved(folder, Objects(f"{given.store.rstrip('/')}/notebook"))
        if given.overwrite or not notebook.exists():
            _say("Running the notebook.")
            _execute(notebook, store, photos, given.language)
        else:
            _say(f"STORE already has {notebook.name}: opening it as it is.")
        saved.save()
        # Whoever asked for the notebook made it. Nobody else may read the bucket.
        lab = Lab(folder, given.port, scratch.read(TOKEN_KEY).decode().strip())
        with lab.running():
            scratch.put(READY_KEY, json.dumps({"notebook": notebook.name}).encode())
            _say(f"JupyterLab is ready. It shuts down after {given.idle_minutes:g} idle minutes.")
            try:
                lab.wait(given.idle_minutes * 60, saved)
            finally:
                lab.stop()
                saved.save(insist=True)
        _say(f"Saved in {saved.to.url}.")
    except Failed as error:
        _say(f"verger: {error}")
        return 1
    return 0


class Saved:
    """A folder of this machine that was copied from S3, and is saved there."""

    def __init__(self, folder: Path, to: Objects) -> None:
        self.to = to
        self._folder = folder
        self._there = self._files()

    def changed(self) -> float:
        """Return when something in it was last changed, in seconds of Unix."""
        return max((moment for moment, _ in self._files().values()), default=0.0)

    def save(self, *, insist: bool = False) -> None:
        """Send what is new or changed, and delete what is gone.

        A failure is told, and made good by the next time; with `insist` it raises `Failed`.
        """
        now = self._files()
        try:
            for name in now:
                if now[name] != self._there.get(name):
                    self.to.send(self._folder / name, name)
                    self._there[name] = now[name]
            for name in self._there.keys() - now.keys():
                self.to.delete(name)
                del self._there[name]
        except (BotoCoreError, ClientError, Boto3Error, OSError) as error:
            what = f"{self.to.url} cannot be written: {error}"
            if insist:
                raise Failed(what) from None
            _say(f"{what} Trying again in a minute.")

    def _files(self) -> dict[str, tuple[float, int]]:
        """Return when each file was changed, and its size, by its path in the folder."""
        found = {}
        for path in self._folder.rglob("*"):
            with contextlib.suppress(OSError):  # it is gone
                if path.is_file() and _ASIDE not in path.parts:
                    state = path.stat()
                    name = path.relative_to(self._folder).as_posix()
                    found[name] = (state.st_mtime, state.st_size)
        return found


class Lab:
    """JupyterLab in one folder."""

    def __init__(self, folder: Path, port: int, token: str) -> None:
        self._folder, self._port, self._token = folder, port, token
        self._log = Path.cwd() / "jupyter.log"  # stays here: it is long, and nobody's business
        self._process: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Start it, and wait until it answers. Raises `Failed` where it does not."""
        line = [
            sys.executable, "-P", "-m", "jupyterlab", "--no-browser",
            "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self._port}",
            "--ServerApp.port_retries=0", f"--ServerApp.root_dir={self._folder}",
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a list, no shell
                line,
                cwd=self._folder,
                env=os.environ | {"JUPYTER_TOKEN": self._token},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._await()
            yield
        finally:
            self.stop()

    def wait(self, idle: float, saved: Saved) -> None:
        """Wait until it is left, or has been idle for so many seconds; save meanwhile."""
        assert self._process is not None  # noqa: S101
        since = next_save = time.time()
        while self._process.poll() is None:
            now = time.time()
            if now >= next_save:
                saved.save()
                next_save = now + _SECONDS_BETWEEN_SAVES
            kernels, terminals = self._ask("kernels"), self._ask("terminals")
            last = last_active(since, kernels, terminals, saved.changed(), now)
            if now - last >= idle:
                _say(f"Idle for {idle / 60:g} minutes.")
                return
            time.sleep(min(_SECONDS_BETWEEN_LOOKS, idle / 4))
        _say("JupyterLab was shut down.")

    def stop(self) -> None:
        """End it, and its kernels."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _await(self) -> None:
        assert self._process is not None  # noqa: S101
        until = time.monotonic() + _SECONDS_TO_START
        while self._process.poll() is None and time.monotonic() < until:
            if self._ask("status"):
                return
            time.sleep(0.5)
        said = self._log.read_text("utf-8", "replace").splitlines() or ["it said nothing"]
        raise Failed(f"JupyterLab did not start: {said[-1]}")

    def _ask(self, what: str) -> Any:
        """Ask its API; nothing where it does not answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/api/{what}?no_track_activity=1",
            headers={"Authorization": f"token {self._token}"},
        )
        with (
            contextlib.suppress(OSError, ValueError),
            urllib.request.urlopen(request, timeout=10) as answer,  # noqa: S310
        ):
            return json.load(answer)
        return []


def last_active(
    since: float,
    kernels: Iterable[Mapping[str, Any]],
    terminals: Iterable[Mapping[str, Any]],
    saved: float,
    now: float,
) -> float:
    """Return when something was last done, in seconds of Unix; `now` while a kernel computes.

    `kernels` and `terminals` are as Jupyter's API tells them. A page that is open does nothing.
    """
    # One that nobody came to is `starting` for ever.
    if any(kernel.get("execution_state") == "busy" for kernel in kernels):
        return now
    moments = [one["last_activity"] for one in (*kernels, *terminals) if one.get("last_activity")]
    return max([since, saved, *(dt.datetime.fromisoformat(one).timestamp() for one in moments)])


def _execute(notebook: Path, store: Path, photos: Path, language: str) -> None:
    notebook.parent.mkdir(parents=True, exist_ok=True)
    line = [
        sys.executable, "-P", "-m", "verger", "notebook", str(store), "--photos", str(photos),
        "--to", str(notebook), "--language", language, "--execute", "--overwrite",
    ]  # fmt: skip
    if _called(line):
        raise Failed("The notebook could not be run to its end.")


def _copy(url: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _aws("cp", "--recursive", f"{url.rstrip('/')}/", str(folder))


def _aws(*words: str) -> None:
    command = shutil.which("aws")
    if command is None:
        raise Failed("There is no aws command on this server.")
    if _called([command, "s3", *words, "--only-show-errors"]):
        raise Failed(f"aws s3 {words[0]} failed.")


def _called(line: list[str]) -> int:
    """Run a program to its end; end it where this one is ended. Its lines are those of this one."""
    with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=sys.stderr) as process:  # noqa: S603
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            raise


def _end(number: int, _frame: object) -> NoReturn:
    """End in good order, once."""
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Open the notebook of a STORE on a server.")
    parser.add_argument("photos")
    parser.add_argument("store")
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--language", default="en")
    parser.add_argument("--overwrite", action="store_true", help="run it anew")
    parser.add_argument("--idle-minutes", type=float, default=60.0)
    parser.add_argument("--port", type=int, default=LAB_PORT)
    return parser


if __name__ == "__main__":
    sys.exit(main())
