# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe a Node-RED from the controller, its host or another one; log in through the host's connection where needed.

The module of the same name carries the documentation, and runs only where the task is delegated to a third host.
"""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import shlex
import time
import typing as t
from urllib.parse import urlsplit

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.pifleet.nodered.plugins.module_utils._probe import _errors, _login_checks, _probe, _urls
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._target import Target
from ansible_collections.pifleet.nodered.plugins.modules.probe import (
    ARGUMENT_SPEC,
    CREDENTIALS,
    MUTUALLY_EXCLUSIVE,
    REQUIRED_TOGETHER,
    TARGET_OPTIONS,
    target_of,
    with_answers,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core import _arguments, _time_limit, _variables
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._connection import kind_of
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._verify_from import CONTROLLER, HOST
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run import _probe_program
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._other_host import on_other_host
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._probe_program import AnswerError, Checks

MODULE = "pifleet.nodered.probe"
LOGIN_CHECKS = ("login_works", "read_only_cannot_write")
TWO_STEP_CHECKS = ("code_required", "code_used_once")
HTTP_LOGIN_CHECKS = ("pages_work", "dashboards_work")
CHECKS_BY_PASSWORD = {
    "password": LOGIN_CHECKS,
    "totp_secret": TWO_STEP_CHECKS,
    "http_password": HTTP_LOGIN_CHECKS,
}
# Seconds that a slow host gets on top of those of the checks, for the SSH login and the start of Python.
START_SECONDS = 20

Options = dict[str, t.Any]


class ActionModule(ActionBase):
    """No remote execution, or one where a password or ``run_on`` needs it; with both, two."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec=ARGUMENT_SPEC, required_together=REQUIRED_TOGETHER, mutually_exclusive=MUTUALLY_EXCLUSIVE
        )
        task_vars = task_vars or {}
        options.update(self._named_credentials(options["credentials_from"], task_vars))
        options["only"] = with_answers(options["only"])
        self._host = str(task_vars.get("inventory_hostname", "the host"))
        try:
            if self._task.delegate_to not in (None, task_vars.get("inventory_hostname")) and not self._is_local():
                return self._run_delegated(options, task_vars)
            return _result(self._checks(options, task_vars))
        except (_errors.ProbeError, AnswerError) as error:
            raise AnsibleActionFail(str(error)) from None

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
        return kind_of(self._connection) == "local"

    def _no_standard_input(self) -> str:
        return f"the connection {self._connection.transport} passes no standard input"

    def _run_delegated(self, options: Options, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        host = str(self._task.delegate_to)
        if options["password"] is not None or options["http_password"] is not None:
            raise AnsibleActionFail(
                f"The probe is delegated to {host}: the password would get there among the module's arguments. Leave "
                "out username and password, or use run_on in place of delegate_to."
            )
        return self._run_module(dict(self._task.args), target_of(options).all_seconds, host, task_vars)

    def _run_module(
        self, arguments: Options, seconds: float, host: str, task_vars: dict[str, t.Any]
    ) -> dict[str, t.Any]:
        with _limited(seconds + START_SECONDS, host):
            try:
                result: dict[str, t.Any] = self._execute_module(
                    module_name=MODULE, module_args=arguments, task_vars=task_vars
                )
            except RecursionError:
                raise _probe_program.wrong_answer(host, "JSON that is nested too deeply") from None
        result.pop("invocation", None)
        if result.get("failed"):
            return result
        return {**result, **_result(_probe_program.trusted(result.get("checks"), host, ()))}

    def _checks(self, options: Options, task_vars: dict[str, t.Any]) -> Checks:
        _urls.checked_url(options["url"])
        target = target_of(options)
        end = time.monotonic() + target.all_seconds
        place = HOST if options["run_on"] == self._host else options["run_on"]
        if place == HOST and not self._is_local():
            return self._probe_on_host(_local_urls(options), target, end, task_vars)
        without_password = not _given_passwords(target)
        if place in (CONTROLLER, HOST):
            reason = _urls.why_no_password(target.url, validate_certs=target.validate_certs)
            if without_password or reason is None or self._is_local():
                return _probe.probe(target)
            outside = _probe.probe(target.without_credentials())
        else:
            # That machine could keep it, or be under the control of an attacker.
            reason = "the password is sent to no other machine than that of Node-RED"
            outside = self._probe_from(place, target.without_credentials(), end, task_vars)
            if without_password:
                return outside
        urls = _local_urls(options)
        return _with(outside, self._login_through_connection(outside, reason, urls, target, end, task_vars))

    def _probe_from(self, name: str, target: Target, end: float, task_vars: dict[str, t.Any]) -> Checks:
        """The checks that another host of the inventory makes over the network. It gets no password and no key."""
        if name not in task_vars["groups"]["all"]:
            raise AnsibleActionFail(
                f"run_on is {name}, which is neither {CONTROLLER} nor {HOST} nor a host in the inventory. Correct it, "
                "or add that machine to the inventory, then run again."
            )
        other, variables = on_other_host(self, name, task_vars)
        other._host = name
        if not other._connection.has_pipelining:
            raise AnsibleActionFail(
                f"{self._host} cannot be verified from {name}: {other._no_standard_input()}. Use the connection ssh "
                "for it, or name another machine in nodered_verify_from, then run again."
            )
        authorities = _text_of(target.ca) if target.ca else target.authorities
        given = dataclasses.replace(target, ca=None, authorities=authorities)
        try:
            return other._run_program([target.url], given, end, variables)
        except AnsibleConnectionFailure as error:
            # Not the host of this task: that one can be reached.
            raise AnsibleActionFail(
                f"{name}, from where {self._host} is verified, cannot be reached: {error}. Make it reachable, or name "
                "another machine in nodered_verify_from, then run again."
            ) from None
        finally:
            other._connection.close()

    def _login_through_connection(
        self,
        outside: Checks,
        reason: str,
        urls: list[str],
        target: Target,
        end: float,
        task_vars: dict[str, t.Any],
    ) -> Checks:
        """The checks that need a login; none where what was found outside already rules a login out."""
        state = {check["id"]: check["status"] for check in outside}
        if target.client_cert is not None:
            wanted = [check for name in _given_passwords(target) for check in CHECKS_BY_PASSWORD[name]]
            return _skipped(outside, wanted, f"left out: {reason}, and the client's key stays on the controller")
        if state["answers"] == "fail":
            return []
        checks = [check for check in LOGIN_CHECKS if check in state and target.password is not None]
        checks += [check for check in TWO_STEP_CHECKS if check in state and target.totp_secret is not None]
        skipped = []
        if state.get("login_offered", "pass") != "pass":
            skipped, checks = _skipped(outside, checks, "left out: no login is offered"), []
        checks += [check for check in HTTP_LOGIN_CHECKS if check in state and target.http_password is not None]
        if not checks:
            return skipped
        if not self._connection.has_pipelining:
            return skipped + _skipped(outside, checks, f"left out: {reason}, and {self._no_standard_input()}")
        if time.monotonic() >= end:
            return skipped + _marked(outside, checks, "fail", _errors.out_of_time(target.all_seconds))
        login = dataclasses.replace(target, only=("answers", *checks))
        seen = self._probe_on_host(urls, login, end, task_vars)
        if seen[0]["status"] == "fail":
            why = f"left out: on the host itself, {seen[0]['found']}; set local_url to its own URL of Node-RED"
            return skipped + _skipped(outside, checks, why)
        return skipped + seen[1:]

    def _probe_on_host(self, urls: list[str], target: Target, end: float, task_vars: dict[str, t.Any]) -> Checks:
        """The checks made on the host with the seconds that are left until `end` (monotonic clock)."""
        # The authorities are the controller's, and the host needs no certificate to know itself:
        # `_urls.why_no_password` ensures that a password goes to no other machine from there.
        given = dataclasses.replace(target, ca=None, authorities=None, validate_certs=False)
        if self._connection.has_pipelining:
            return self._run_program(urls, given, end, task_vars)
        return self._run_module_on_host(dataclasses.replace(given, url=urls[0]), task_vars)

    def _run_module_on_host(self, target: Target, task_vars: dict[str, t.Any]) -> Checks:
        """The checks as a module, which gets no password: it would be among the arguments."""
        given = dataclasses.replace(target.without_credentials(), client_cert=None, client_key=None)
        arguments = {name: getattr(given, name) for name in TARGET_OPTIONS}
        result = self._run_module(arguments, target.all_seconds, self._host, task_vars)
        if result.get("failed"):
            cause = _probe_program.quoted(result.get("msg"), ())
            raise AnsibleActionFail(f"{self._host} cannot make the probe: {cause}. Correct that, then run again.")
        checks: Checks = result["checks"]
        used = [check for name in _given_passwords(target) for check in CHECKS_BY_PASSWORD[name]]
        return _with(checks, _skipped(checks, used, f"left out: {self._no_standard_input()}"))

    def _run_program(self, urls: list[str], target: Target, end: float, task_vars: dict[str, t.Any]) -> Checks:
        """The checks made at the other end of the connection; client certificate and key stay here."""
        seconds = max(1.0, end - time.monotonic())
        given = dataclasses.replace(
            target, client_cert=None, client_key=None, lacks_client_cert=target.client_cert is not None
        )
        command = f"{self._interpreter(task_vars)} -I -c {shlex.quote(_probe_program.BOOTSTRAP)}"
        # Not sudoable: nothing of this needs root, and sudo could want standard input for itself.
        in_data = _probe_program.program_input(urls, given, seconds)
        with _limited(seconds + _login_checks.REVOKE_LIMIT + START_SECONDS, self._host):
            outcome = self._low_level_execute_command(command, sudoable=False, in_data=in_data)
        passwords = [getattr(target, name) for name in CHECKS_BY_PASSWORD]
        return _probe_program.parsed(outcome, self._host, passwords, target.only)

    def _interpreter(self, task_vars: dict[str, t.Any]) -> str:
        configured = self._templar.template(task_vars.get("ansible_python_interpreter"))
        discovered = task_vars.get("ansible_facts", {}).get("discovered_interpreter_python")
        for candidate in (configured, discovered):
            if candidate and "/" in str(candidate):
                return shlex.join(shlex.split(str(candidate)))
        return "python3"


def _given_passwords(target: Target) -> list[str]:
    """The passwords that a wanted check uses."""
    return [
        name
        for name, checks in CHECKS_BY_PASSWORD.items()
        if getattr(target, name) is not None and (target.only is None or not {*target.only}.isdisjoint(checks))
    ]


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise AnsibleActionFail(
            f"the authority's certificate {path} cannot be used: {error}; give a file with certificates in PEM form"
        ) from None


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
    return _marked(checks, wanted, "skip", found)


def _marked(checks: Checks, wanted: t.Sequence[str], status: str, found: str) -> Checks:
    return [{**check, "status": status, "found": found} for check in checks if check["id"] in wanted]


def _result(checks: Checks) -> dict[str, t.Any]:
    return {"changed": False, "checks": checks, "passed": all(check["status"] != "fail" for check in checks)}


@contextlib.contextmanager
def _limited(seconds: float, host: str) -> t.Iterator[None]:
    """Stop what runs on this host after some seconds."""
    stalled = AnsibleActionFail(
        f"{host} did not finish the probe within {round(seconds, 2):g} seconds, although the probe itself ends sooner. "
        "It is overloaded, or something stalls the SSH session (a login script of that user). Log in there and look, "
        "or leave this host out with --limit."
    )
    try:
        with _time_limit.within(seconds):
            yield
    except _time_limit.Stalled:
        raise stalled from None
