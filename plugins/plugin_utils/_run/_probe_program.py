# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe as a program that another machine runs, and its answer, which is not trusted. Private; knows no Ansible."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...module_utils._core import _channel, _http, _totp
from ...module_utils._probe import (
    _anonymous_checks,
    _answers,
    _comms_checks,
    _errors,
    _examination,
    _login_checks,
    _page_checks,
    _port_checks,
    _probe,
    _target,
    _tls,
    _tls_checks,
    _urls,
    _websocket,
)

MARK = "pifleet.nodered.probe:"
# Characters. The checks have a few KB.
OUTPUT_LIMIT = 1024 * 1024

# What the probe consists of, each after those that it imports.
PROBE_MODULES = (
    _channel,
    _http,
    _totp,
    _websocket,
    _answers,
    _errors,
    _urls,
    _target,
    _tls,
    _examination,
    _anonymous_checks,
    _comms_checks,
    _login_checks,
    _page_checks,
    _port_checks,
    _tls_checks,
    _probe,
)
# The only text in the process list. Program and parameters come through standard input, so that a password is in no
# argument, no environment and no file; -I keeps the user's own modules and environment out.
BOOTSTRAP = "import json, sys; given = json.load(sys.stdin); exec(given['program'])"
PROGRAM = """
import time, types
for name, text in given["modules"]:
    sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), sys.modules[name].__dict__)
probe = sys.modules[given["modules"][-1][0]]
end = time.monotonic() + given["seconds"]
try:
    for url in given["urls"]:
        given["target"].update(url=url, seconds=end - time.monotonic())
        answer = {"checks": probe.probe(probe.Target(**given["target"]))}
        if answer["checks"][0]["status"] == "pass":
            break
except probe.ProbeError as error:
    answer = {"error": str(error)}
print("\\n" + given["mark"] + json.dumps(answer))
"""

Checks = list[dict[str, str]]


class AnswerError(Exception):
    """An answer that cannot be used; names the host and the remedy. Printable, and repeats no password."""


def program_input(urls: Sequence[str], target: _target.Target, seconds: float) -> bytes:
    """What BOOTSTRAP reads from standard input: the program, and its parameters.

    The first of the URLs at which Node-RED responds counts, in place of that of `target`.
    """
    given = {
        "program": PROGRAM,
        "modules": [[module.__name__, inspect.getsource(module)] for module in PROBE_MODULES],
        "target": vars(target),
        "seconds": seconds,
        "urls": list(urls),
        "mark": MARK,
    }
    return json.dumps(given).encode("ascii")


def parsed(
    outcome: Mapping[str, Any], host: str, passwords: Sequence[str | None], only: Sequence[str] | None
) -> Checks:
    """The checks in what the program on the host printed; what a login shell prints around it is ignored.

    `outcome` has `rc`, `stdout` and `stderr`. `passwords` are those that the host was given. Raises AnswerError.
    """
    stdout, stderr = str(outcome["stdout"]), str(outcome["stderr"])
    if len(stdout) > OUTPUT_LIMIT:
        raise wrong_answer(host, f"{len(stdout)} characters, the limit is {OUTPUT_LIMIT}")
    lines = [line for line in stdout.splitlines() if line.startswith(MARK)]
    if not lines:
        # Standard output is never quoted: a shell that echoes its input would put the password there.
        errors = [line for line in stderr[-OUTPUT_LIMIT:].splitlines() if line.strip()]
        cause = quoted(errors[-1].strip(), passwords) if errors and not _repeats(stderr, passwords) else "no message"
        raise AnswerError(
            f"The login could not be tried on {host}: Python there ended with {outcome['rc']} ({cause}). "
            "Set ansible_python_interpreter to a Python 3.8 or later."
        )
    try:
        answer = _http.parsed_json(lines[-1][len(MARK) :].encode("utf-8"))
    except ValueError:
        raise wrong_answer(host, "text that is no JSON") from None
    if isinstance(answer, dict) and isinstance(answer.get("error"), str):
        raise AnswerError(
            f"{host} cannot make the probe: on the host: {quoted(answer['error'], passwords)}. Correct that, then run "
            "again."
        )
    return trusted(answer.get("checks") if isinstance(answer, dict) else None, host, passwords, only)


def trusted(checks: object, host: str, passwords: Sequence[str | None], only: Sequence[str] | None = None) -> Checks:
    """The checks that a host has made: those that were asked for, and of their texts only the finding is the host's.

    Raises AnswerError if some of them are missing or of another form.
    """
    known = {check.id: check for check in _probe.CHECKS if only is None or check.id in only}
    found = []
    for given in checks if isinstance(checks, list) else ():
        check = known.pop(given["id"], None) if isinstance(given, dict) and isinstance(given.get("id"), str) else None
        if check is None or given.get("status") not in (_examination.PASS, _examination.FAIL, _examination.SKIP):
            raise wrong_answer(host, "a check that was not asked for")
        about = {"id": check.id, "title": check.title, "expected": check.expected}
        found.append({**about, "status": given["status"], "found": quoted(given.get("found"), passwords)})
    if not found or found[0]["id"] != "answers" or (only and known):
        raise wrong_answer(host, "checks are missing")
    return found


def wrong_answer(host: str, what: str) -> AnswerError:
    """The error for an answer that the probe never gives; `what` is wrong with it."""
    return AnswerError(
        f"{host} gave an answer that is none of the probe's: {what}. A login script there prints into it, or an "
        "attacker forges it. Log in there and look, or leave this host out with --limit."
    )


def _repeats(text: str, passwords: Sequence[str | None]) -> bool:
    return any(password and password in text for password in passwords)


def quoted(text: object, passwords: Sequence[str | None]) -> str:
    """A text of the host for the operator's terminal, unless it repeats a password that the host was given."""
    if isinstance(text, str) and _repeats(text, passwords):
        return "(left out, for it repeats a password)"
    return _answers.harmless(text, _probe.FOUND_LIMIT)
