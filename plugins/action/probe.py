# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe a Node-RED from the controller; log in through the host's connection where the network is not safe for it.

The module of the same name carries the documentation, and runs only where the task is delegated to a third host.
"""

from __future__ import annotations

import inspect
import ipaddress
import json
import shlex
import typing as t
from urllib.parse import urlsplit

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pifleet.nodered.plugins.module_utils import _http, _probe, _websocket
from ansible_collections.pifleet.nodered.plugins.modules.probe import (
    ARGUMENT_SPEC,
    CREDENTIALS,
    MUTUALLY_EXCLUSIVE,
    PROBE_OPTIONS,
    REQUIRED_TOGETHER,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils import _arguments, _variables

MODULE = "pifleet.nodered.probe"
LOGIN_CHECKS = ("login_works", "read_only_cannot_write")
HTTP_LOGIN_CHECKS = ("pages_work", "dashboards_work")
MARK = "pifleet.nodered.probe:"

# The only text in the process list. Program and parameters come through standard input, so that a password is in no
# argument, no environment and no file; -I keeps the user's own modules and environment out.
BOOTSTRAP = "import json, sys; given = json.load(sys.stdin); exec(given['program'])"
PROGRAM = """
import types
for name, text in given["modules"]:
    sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), sys.modules[name].__dict__)
probe = sys.modules[given["modules"][-1][0]]
try:
    for url in given["urls"]:
        answer = {"checks": probe.probe(url, **given["arguments"])}
        if answer["checks"][0]["status"] == "pass":
            break
except probe.ProbeError as error:
    answer = {"error": str(error)}
print("\\n" + given["mark"] + json.dumps(answer))
"""

Checks = list[dict[str, str]]
Options = dict[str, t.Any]


class ActionModule(ActionBase):
    """No remote execution, or one where a password or ``run_on: host`` needs it."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec=ARGUMENT_SPEC, required_together=REQUIRED_TOGETHER, mutually_exclusive=MUTUALLY_EXCLUSIVE
        )
        task_vars = task_vars or {}
        options.update(self._named_credentials(options["credentials_from"], task_vars))
        if self._task.delegate_to not in (None, task_vars.get("inventory_hostname")) and not self._is_local():
            return self._run_module(options, task_vars)
        try:
            checks = self._checks(options, task_vars)
        except _probe.ProbeError as error:
            raise AnsibleActionFail(str(error)) from None
        return {"changed": False, "checks": checks, "passed": all(check["status"] != "fail" for check in checks)}

    def _named_credentials(self, name: str | None, task_vars: dict[str, t.Any]) -> dict[str, str]:
        """What the variable `name` holds. It is read here, as callback plugins receive each task argument."""
        if name is None:
            return {}
        try:
            found = _variables.named_mapping(name, "credentials_from", task_vars, self._templar)
            if set(found) - set(CREDENTIALS):
                raise _arguments.ArgumentError(f"{name} has an unknown key; known are {', '.join(CREDENTIALS)}.")
            return {key: _arguments.text(value, f"{name}.{key}") for key, value in found.items()}
        except _arguments.ArgumentError as error:
            raise AnsibleActionFail(str(error)) from None

    def _is_local(self) -> bool:
        return str(self._connection.transport).rpartition(".")[2] == "local"

    def _no_standard_input(self) -> str:
        return f"the connection {self._connection.transport} passes no standard input"

    def _run_module(self, options: Options, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        if options["password"] is not None or options["http_password"] is not None:
            raise AnsibleActionFail(
                f"The probe is delegated to {self._task.delegate_to}: the password would get there among the module's "
                "arguments. Leave out username and password, or delegate_to."
            )
        result: dict[str, t.Any] = self._execute_module(
            module_name=MODULE, module_args=dict(self._task.args), task_vars=task_vars
        )
        result.pop("invocation", None)
        return result

    def _checks(self, options: Options, task_vars: dict[str, t.Any]) -> Checks:
        _probe.checked_url(options["url"])
        arguments = {name: options[name] for name in PROBE_OPTIONS}
        if options["run_on"] == "host" and not self._is_local():
            if not self._connection.has_pipelining:
                raise AnsibleActionFail(f"run_on: host is not possible here: {self._no_standard_input()}.")
            return self._probe_on_host(_local_urls(options), arguments, task_vars)
        reason = _probe.why_no_password(options["url"], validate_certs=options["validate_certs"])
        without_password = options["password"] is None and options["http_password"] is None
        if without_password or reason is None or self._is_local():
            return _probe.probe(options["url"], **arguments)
        nobody = dict.fromkeys(("username", "password", "http_username", "http_password"))
        outside = _probe.probe(options["url"], **{**arguments, **nobody})
        return _with(outside, self._login_through_connection(outside, reason, options, arguments, task_vars))

    def _login_through_connection(
        self, outside: Checks, reason: str, options: Options, arguments: Options, task_vars: dict[str, t.Any]
    ) -> Checks:
        """The checks that need a login; none where what was found outside already rules a login out."""
        state = {check["id"]: check["status"] for check in outside}
        if state["answers"] == "fail":
            return []
        checks = [*(LOGIN_CHECKS if options["password"] is not None else ())]
        skipped = []
        if state["login_offered"] != "pass":
            skipped, checks = _skipped(outside, checks, "left out: no login is offered"), []
        checks += [check for check in HTTP_LOGIN_CHECKS if check in state and options["http_password"] is not None]
        if not checks:
            return skipped
        if options["client_cert"] is not None:
            return skipped + _skipped(
                outside, checks, f"left out: {reason}, and the client's key stays on the controller"
            )
        if not self._connection.has_pipelining:
            return skipped + _skipped(outside, checks, f"left out: {reason}, and {self._no_standard_input()}")
        seen = self._probe_on_host(_local_urls(options), {**arguments, "only": ("answers", *checks)}, task_vars)
        if seen[0]["status"] == "fail":
            why = f"left out: on the host itself, {seen[0]['found']}; say with local_url how it reaches Node-RED"
            return skipped + _skipped(outside, checks, why)
        return skipped + seen[1:]

    def _probe_on_host(self, urls: list[str], arguments: Options, task_vars: dict[str, t.Any]) -> Checks:
        # The files are the controller's, and to itself the host needs no certificate: `_probe.why_no_password` sees to
        # it that a password goes to no other machine from there.
        files = {"ca": None, "authorities": None, "client_cert": None, "client_key": None, "validate_certs": False}
        given = {
            "program": PROGRAM,
            "modules": [[module.__name__, inspect.getsource(module)] for module in (_http, _websocket, _probe)],
            "arguments": {**arguments, **files},
            "urls": urls,
            "mark": MARK,
        }
        command = f"{self._interpreter(task_vars)} -I -c {shlex.quote(BOOTSTRAP)}"
        # Not sudoable: nothing of this needs root, and sudo could want standard input for itself.
        outcome = self._low_level_execute_command(command, sudoable=False, in_data=json.dumps(given).encode("ascii"))
        return _parsed(outcome, [arguments.get("password"), arguments.get("http_password")])

    def _interpreter(self, task_vars: dict[str, t.Any]) -> str:
        configured = self._templar.template(task_vars.get("ansible_python_interpreter"))
        discovered = task_vars.get("ansible_facts", {}).get("discovered_interpreter_python")
        for candidate in (configured, discovered):
            if candidate and "/" in str(candidate):
                return shlex.join(shlex.split(str(candidate)))
        return "python3"


def _local_urls(options: Options) -> list[str]:
    """Where the host may find its Node-RED, best first: without ``local_url``, loopback, then the address given."""
    if options["local_url"] is not None:
        return [str(options["local_url"])]
    url = str(options["url"])
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    loopback = parts._replace(netloc="127.0.0.1" + port).geturl()
    # With uiHost, Node-RED may listen on this address only. A name could lead elsewhere from there.
    return [loopback, url] if url != loopback and _is_address(parts.hostname or "") else [loopback]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _with(checks: Checks, better: Checks) -> Checks:
    by_id = {check["id"]: check for check in better}
    return [by_id.get(check["id"], check) for check in checks]


def _skipped(checks: Checks, wanted: t.Sequence[str], found: str) -> Checks:
    return [{**check, "status": "skip", "found": found} for check in checks if check["id"] in wanted]


def _parsed(outcome: t.Mapping[str, t.Any], passwords: t.Sequence[str | None]) -> Checks:
    """What the program on the host printed; whatever a login shell prints around it is not looked at."""
    lines = [line for line in outcome["stdout"].splitlines() if line.startswith(MARK)]
    if not lines:
        # Standard output is never quoted: a shell that echoes its input would put the password there.
        errors = [line for line in outcome["stderr"].splitlines() if line.strip()]
        told = any(password and password in outcome["stderr"] for password in passwords)
        cause = errors[-1].strip() if errors and not told else "no message"
        raise AnsibleActionFail(
            f"The login could not be tried on the host: Python there ended with {outcome['rc']} ({cause}). "
            "Set ansible_python_interpreter to a Python 3.8 or later."
        )
    answer = json.loads(lines[-1][len(MARK) :])
    if "error" in answer:
        raise _probe.ProbeError(f"on the host: {answer['error']}")
    return [
        {key: str(check[key]) for key in ("id", "title", "status", "expected", "found")} for check in answer["checks"]
    ]
