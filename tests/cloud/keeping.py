"""Step Functions, as far as the templates take them. moto keeps machines.

Its own interpreter waits by the clock on the wall. Here time passes when a test says so, and each
task is a call of boto3 to what moto pretends. The language, which cfn-lint checks in the templates:
https://states-language.net/spec.html, and of AWS's own functions
https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
"""

from __future__ import annotations

import copy
import datetime as dt
import fnmatch
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

Call = Callable[[str, str, dict[str, Any]], Any]
Data = Any


class Failed(Exception):
    """An error of a state: its name, and its cause."""


class Execution:
    """One execution of a machine. `call` does what a task asks of a service."""

    def __init__(self, definition: str, name: str, call: Call) -> None:
        machine = json.loads(definition)
        self._states, self._state = machine["States"], machine["StartAt"]
        self._name, self._call = name, call
        self._data: Data = {}
        self._until = 0.0
        self._retried = 0
        self.status, self.error, self.cause = "RUNNING", "", ""

    def go_on(self, now: float) -> None:
        """Do what was to be done until a moment, in seconds of Unix, each at its time."""
        self._until = self._until or now
        steps, moment = 0, 0.0
        while self.status == "RUNNING" and self._until <= now:
            steps = steps + 1 if self._until == moment else 0
            assert steps < 1_000, "it turns in a circle"
            moment, state = self._until, self._states[self._state]
            try:
                self._do(state, moment)
            except Failed as error:
                self._fail(state, moment, *error.args)

    def _do(self, state: dict[str, Any], now: float) -> None:
        moment = dt.datetime.fromtimestamp(now, dt.UTC)
        context = {
            "State": {"EnteredTime": f"{moment:%Y-%m-%dT%H:%M:%S.000Z}"},
            "Execution": {"Name": self._name},
        }
        kind, goes_to = state["Type"], state.get("Next", "")
        if kind == "Choice":
            goes_to = next(
                (rule["Next"] for rule in state["Choices"] if _holds(rule, self._data, context)),
                state["Default"],
            )
        elif kind == "Wait":
            self._until = _until(state, now, self._data, context)
        elif kind == "Pass":
            given = _filled(state["Parameters"], self._data, context)
            self._data = _put(self._data, state.get("ResultPath", "$"), given)
        elif kind == "Task":
            given = _filled(state["Parameters"], self._data, context)
            service, action = state["Resource"].split(":")[-2:]
            answer = self._call(service, action, given)
            self._data = _put(self._data, state.get("ResultPath", "$"), answer)
        elif kind == "Succeed":
            self.status = "SUCCEEDED"
        else:
            assert kind == "Fail"
            self.status = "FAILED"
            self.error = state.get("Error") or _at(state["ErrorPath"], self._data, {})
            self.cause = state.get("Cause") or _at(state["CausePath"], self._data, {})
        self._retried = 0
        self._state = goes_to
        if state.get("End"):
            self.status = "SUCCEEDED"

    def _fail(self, state: dict[str, Any], now: float, error: str, cause: str) -> None:
        rules = [*state.get("Retry", []), *state.get("Catch", [])]
        assert all(rule["ErrorEquals"] == ["States.ALL"] for rule in rules)
        if error == "States.Runtime":  # a defect of the machine, which States.ALL does not take
            self.status, self.error, self.cause = "FAILED", error, cause
            return
        for retry in state.get("Retry", []):
            if self._retried < retry["MaxAttempts"]:
                self._until = now + retry["IntervalSeconds"] * retry["BackoffRate"] ** self._retried
                self._retried += 1
                return
        for catch in state.get("Catch", []):
            told = {"Error": error, "Cause": cause}
            self._data = _put(self._data, catch.get("ResultPath", "$"), told)
            self._state, self._retried = catch["Next"], 0
            return
        self.status, self.error, self.cause = "FAILED", error, cause


def boto3_call(client: Callable[[str], Any]) -> Call:
    """Return what calls boto3 for a task, and names an error as the SDK of Step Functions does."""

    def call(service: str, action: str, given: dict[str, Any]) -> Any:
        asked = client(
            {"emrserverless": "emr-serverless", "sfn": "stepfunctions"}.get(service, service)
        )
        method = re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", action)
        small = asked.meta.service_model.metadata["protocol"] == "rest-json"
        try:
            answer = getattr(asked, method)(**(_named(str.lower, given) if small else given))
        except ClientError as error:
            name = service.capitalize()
            told = f"{error.response['Error']['Message']} (Service: {name}, Status Code: 400)"
            raise Failed(f"{name}.{name}Exception", told) from None
        answer.pop("ResponseMetadata", None)
        plain = json.loads(json.dumps(answer, default=str))
        return _named(str.upper, plain) if small else plain

    return call


def _named(case: Callable[[str], str], value: Any) -> Any:
    """Write the first letters of names in a case: Step Functions' are large, all services'."""
    if isinstance(value, dict):
        return {case(key[0]) + key[1:]: _named(case, each) for key, each in value.items()}
    return value


def _until(state: dict[str, Any], now: float, data: Data, context: Data) -> float:
    """Return when a wait is over."""
    if "Timestamp" in state:
        return max(now, dt.datetime.fromisoformat(state["Timestamp"]).timestamp())
    seconds = _at(state["SecondsPath"], data, context) if "SecondsPath" in state else None
    return float(now + (state["Seconds"] if seconds is None else seconds))


def _filled(value: Any, data: Data, context: Data) -> Any:
    """Fill in what a payload template takes from the data: keys that end in `.$`."""
    if isinstance(value, list):
        return [_filled(each, data, context) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key.removesuffix(".$"): _at(each, data, context)
        if key.endswith(".$")
        else _filled(each, data, context)
        for key, each in value.items()
    }


def _at(path: str, data: Data, context: Data) -> Any:
    """Return what a path names, or what a function makes."""
    path = path.strip()
    if path.startswith("States."):
        name, _, rest = path.removeprefix("States.").partition("(")
        words = [_at(word, data, context) for word in _words(rest[:-1])]
        return _FUNCTIONS[name](*words)
    if path.startswith("'"):
        return path[1:-1]
    if not path.startswith("$"):
        return int(path)
    found = context if path.startswith("$$") else data
    for name, number in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        try:
            found = found[name] if name else found[int(number)]
        except (KeyError, IndexError, TypeError):
            raise Failed("States.Runtime", f"There is no {path}.") from None
    return found


def _words(text: str) -> Iterator[str]:
    """Yield the arguments of a function."""
    depth, quoted, word = 0, False, ""
    for letter in text:
        quoted ^= letter == "'"
        depth += (letter == "(") - (letter == ")") if not quoted else 0
        if letter == "," and not depth and not quoted:
            yield word
            word = ""
        else:
            word += letter
    yield word


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Array": lambda *words: list(words),
    "ArrayGetItem": lambda array, index: array[index],
    "ArrayLength": len,
    "Format": lambda text, *words: text.format(*words),
    "MathAdd": lambda one, other: one + other,
    "StringSplit": lambda text, by: text.split(by),
    "StringToJson": json.loads,
}


def _put(data: Data, path: str, value: Any) -> Data:
    if path == "$":
        return value
    assert re.fullmatch(r"\$\.\w+", path)
    made = copy.deepcopy(data)
    made[path[2:]] = value
    return made


def _holds(rule: dict[str, Any], data: Data, context: Data) -> bool:
    if "And" in rule:
        return all(_holds(each, data, context) for each in rule["And"])
    if "Not" in rule:
        return not _holds(rule["Not"], data, context)
    try:
        found = _at(rule["Variable"], data, context)
    except Failed:
        if "IsPresent" in rule:
            return not rule["IsPresent"]
        raise
    for name, test in _TESTS.items():
        if name in rule:
            return test(found, rule[name])
        if f"{name}Path" in rule:
            return test(found, _at(rule[f"{name}Path"], data, context))
    return bool(rule["IsPresent"])


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "NumericGreaterThanEquals": lambda found, other: found >= other,
    "StringEquals": lambda found, other: found == other,
    "StringMatches": fnmatch.fnmatchcase,
    "TimestampGreaterThanEquals": lambda found, other: (
        dt.datetime.fromisoformat(found) >= dt.datetime.fromisoformat(other)
    ),
}
