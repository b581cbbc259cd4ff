# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the role `hardening`: settings, rights on files and the sandbox of the service. Private; knows no Ansible.

The settings file is judged as the roles before this one have planned it. What a later role of the same play manages is
judged by `remaining_errors`, once that role has planned. So the order of the roles does not matter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from ...module_utils._core._failure import Failure
from .._core import _arguments
from .._settings import _hardening, _known_bad
from . import _failed_logins, _neighbours, _sandbox
from ._base import DropIn, Found, Plan, Wanted, is_user_unit, override_error
from .port import socket_file

DROP_IN = "60-pifleet-hardening"
FILES = ("private", "directory", "unchanged")
LOOPBACK = "127.0.0.1"

_VARIABLES = {
    "disable_editor": "nodered_disable_editor",
    **{
        name: _hardening.VARIABLE + name
        for name in (
            *("admin_root", "audit_log", "cookie_options", "diagnostics", "external_modules", "function_modules"),
            *("headers", "listen_address", "log_failed_logins", "telemetry"),
        )
    },
}

# What each role sets, if it manages it.
_MANAGED = {
    "login": ("adminAuth",),
    "http_auth": ("dashboard", "httpNodeAuth", "httpStaticAuth", "ui", "webSocketNodeVerifyClient"),
    "tls": ("https", "httpsRefreshInterval", "requireHttps", "uiHost"),
}


def plan(found: Found, wanted: Wanted) -> Plan:
    """Close what the variables name, and report what leaves Node-RED open or locks people out."""
    result = Plan()
    try:
        accepted = _arguments.names(wanted["nodered_hardening_accepted"], "nodered_hardening_accepted")
    except _arguments.ArgumentError as error:
        accepted = []
        result.errors += error.problems
    _plan_settings(result, found, wanted)
    _plan_sandbox(result, found, wanted, accepted)
    _plan_files(result, found, wanted)
    result.errors += _address_errors(found, wanted)
    result.details = {
        "awaited": sorted(found.later_roles & set(_MANAGED)),
        "accepted": accepted,
        "disable_editor": result.set.get("disableEditor") is True,
    }
    result.errors += _login_errors(result, found)
    _plan_findings(result, found, accepted)
    return result


def remaining_errors(plan: Plan, found: Found) -> list[str]:
    """What this plan left to later roles and they did not replace.

    Args:
        plan: what `plan` returned, without errors.
        found: with the text and the plans of the roles since then, and with the roles that have still not planned.
    """
    if found.later_roles >= set(plan.details["awaited"]):
        return []
    return [
        *_login_errors(plan, found),
        *_refused(found, _findings(found), plan.details["accepted"]),
    ]


def errors_before_apply(plan: Plan, found: Found) -> list[str]:
    """What must not be applied before a later role has planned: an editor that is switched off without a login."""
    return list(_login_errors(plan, dataclasses.replace(found, later_roles=frozenset())))


# The settings


def _plan_settings(result: Plan, found: Found, wanted: Wanted) -> None:
    settings = _hardening.plan(
        {name: wanted.get(variable) for name, variable in _VARIABLES.items()},
        node_red=found.instance["version"],
        text=found.text,
        filename=str(found.instance["settings_file"]),
        behind_proxy=wanted.get("nodered_tls_proxy_url") is not None,
    )
    result.set, result.remove = settings.set, settings.remove
    result.errors += settings.mistakes
    port = found.instance["socket_port"] or _own_port(found, wanted)
    _failed_logins.plan(result, found, wanted, logged=settings.logs_failed_logins, port=port)
    result.notes += settings.left_out
    result.notes += _neighbours.at_another_root(found.instance, settings.set.get("httpAdminRoot"))
    # Only options: the variable NODE_RED_DISABLE_TELEMETRY does what nodered_hardening_telemetry: false does.
    result.errors += [
        override_error(found, one, "what is")
        for one in found.overrides(*settings.set, *settings.remove)
        if one["channel"] == "-D"
    ]


def _address_errors(found: Found, wanted: Wanted) -> Iterator[str]:
    address, instance = wanted.get("nodered_hardening_listen_address"), found.instance
    if address is None:
        return
    if instance["socket_port"] is not None:
        host = f"[{address}]" if ":" in str(address) else address
        yield (
            f"nodered_hardening_listen_address has no effect on {found.host}: systemd opens the port there. Leave it "
            f'out, and set "ListenStream=" and "ListenStream={host}:{instance["socket_port"]}" for '
            f"{instance['socket']} ({socket_file(instance)})."
        )
    if wanted.get("nodered_tls_proxy_url") is not None and address != LOOPBACK:
        yield (
            f"Behind nodered_tls_proxy_url Node-RED listens on {LOOPBACK}, and nodered_hardening_listen_address is "
            f"{address}. Leave it out, then run again."
        )


def _login_errors(plan: Plan, found: Found) -> Iterator[str]:
    # Without the editor the admin API stays, and without a login anyone can change flows there.
    if plan.details["disable_editor"] and not (
        "login" in found.later_roles or found.has_login or _has_no_admin_api(plan, found)
    ):
        yield (
            "nodered_disable_editor removes the editor, but not the admin API: without a login anyone could still "
            "change flows. Set nodered_login_users (role login), or nodered_hardening_admin_root: false, then run "
            "again."
        )


def _has_no_admin_api(plan: Plan, found: Found) -> bool:
    root = plan.set["httpAdminRoot"] if "httpAdminRoot" in plan.set else found.setting("httpAdminRoot")
    return root is False


# What is known to be bad


def _plan_findings(result: Plan, found: Found, accepted: Collection[str]) -> None:
    findings = _findings(found)
    result.errors += _refused(found, findings, accepted)
    result.notes += [_described(found, one) for one in findings if not one.grave or one.setting in accepted]
    if result.details["awaited"]:
        # A condition (when) can keep the other role from running. This is then the only report.
        roles = " or ".join(result.details["awaited"])
        result.notes += [
            f"{_described(found, one)} The role {roles}, which comes later in this play, has to replace it."
            for one in _findings(dataclasses.replace(found, later_roles=frozenset()))
            if one.grave and one.setting not in accepted and one not in findings
        ]


def _findings(found: Found) -> list[_known_bad.Finding]:
    replaced = {setting for role in found.later_roles for setting in _MANAGED.get(role, ())}
    return _known_bad.findings(found.text, filename=str(found.instance["settings_file"]), replaced=replaced)


def _refused(found: Found, findings: Collection[_known_bad.Finding], accepted: Collection[str]) -> list[str]:
    return [
        f"{_described(found, one)} Then run again, or add {one.setting} to nodered_hardening_accepted."
        for one in findings
        if one.grave and one.setting not in accepted
    ]


def _described(found: Found, finding: _known_bad.Finding) -> str:
    return f"{found.instance['settings_file']}: {finding.setting}: {finding.problem} {finding.remedy}"


# The service and the files


def _plan_sandbox(result: Plan, found: Found, wanted: Wanted, accepted: Collection[str]) -> None:
    level, instance = str(wanted["nodered_hardening_sandbox"]), found.instance
    if is_user_unit(instance) and level in _sandbox.LEVELS[1:]:
        result.errors.append(
            f"nodered_hardening_sandbox cannot be {level} on {found.host}: {instance['service']} is a user unit, so "
            "its user could take the sandbox away again. Make it a service of the machine (see the README of the role "
            "instance), or set nodered_hardening_sandbox: none there, then run again."
        )
        return
    try:
        sandbox = _sandbox.plan(
            level,
            _paths(found, wanted),
            private_files=wanted["nodered_hardening_files"] == "private",
            listed=_arguments.names(wanted["nodered_hardening_writable_paths"], _sandbox.VARIABLE, "/srv/data"),
        )
        drop_in = DropIn(f"{instance['service']}.service", DROP_IN, sandbox.sections)
        differs = not drop_in.matches(found.drop_in_text(DROP_IN))
    except _arguments.ArgumentError as error:
        result.errors += error.problems
        return
    except Failure as error:
        result.errors.append(str(error))
        return
    result.drop_ins += [drop_in] if differs else []
    result.notes += sandbox.notes
    if _sandbox.WAYS_TO_ROOT not in accepted:
        result.notes += _sandbox.about_root(
            level, instance["user"], instance["ways_to_root"], possible=not is_user_unit(instance)
        )


def _paths(found: Found, wanted: Wanted) -> _sandbox.Found:
    paths, port = found.instance["sandbox"], _own_port(found, wanted)
    return _sandbox.Found(
        account_home=_arguments.text(paths["account_home"], "The home directory of Node-RED's user"),
        user_dir=_arguments.text(paths["user_dir"], "The user directory of Node-RED"),
        user_dir_by_root=paths["user_dir_by_root"] is True,
        flow_file=paths["flow_file"],
        known_hosts=paths["known_hosts"] is True,
        port=None if port is None else _arguments.whole_number(port, "nodered_port"),
    )


def _own_port(found: Found, wanted: Wanted) -> object:
    """The port that Node-RED opens itself after this run; None if systemd does, so that no capability is needed."""
    instance = found.instance
    if instance["socket_port"] is not None:
        return None
    planned = found.planned["port"].details.get("port") if "port" in found.planned else None
    ahead = wanted.get("nodered_port") if "port" in found.later_roles else None
    return planned or ahead or instance["port"] or urlsplit(instance["expected_url"] or "").port


def _plan_files(result: Plan, found: Found, wanted: Wanted) -> None:
    files, instance = wanted["nodered_hardening_files"], found.instance
    if files not in FILES:
        result.errors.append(f"nodered_hardening_files must be {', '.join(FILES[:-1])} or {FILES[-1]}.")
        return
    if not instance["user_dir_writable"]:
        result.errors.append(
            f"{instance['user_dir']} belongs to {instance['user_dir_owner']}, and {instance['user']}, the user that "
            "runs Node-RED, cannot write there: Node-RED would exit at the first login. Give it back "
            f"(chown -R {instance['user']} {instance['user_dir']}), then run again."
        )
    exposed = [one for one in instance["exposed"] if files == "private" or (files == "directory" and one["folder"])]
    if any(one["wanted"] for one in exposed):
        result.close_files = files
    result.notes += [
        f"{one['path']} has the mode {one['mode']}, which is left unchanged. {one['problem']}"
        for one in exposed
        if not one["wanted"]
    ]
