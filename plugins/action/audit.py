# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit one Node-RED: what is found on the host, what requests from outside show, and what secure would change.

The module of the same name carries the documentation. Nothing is written, neither on the host nor here, but the result
into the private folder of the run, for `report`.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import typing as t
from collections.abc import Mapping
from urllib.parse import urlsplit

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.pifleet.nodered.plugins.plugin_utils._audit import (
    _judge,
    _request,
    _seen_certificate,
    drift,
    tls,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._audit._base import Certificate, Observed
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates import _certificate, _client_files
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core import _arguments
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._errors import SettingsError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather._planning import GATHER, ROLES, gathered, planned
from ansible_collections.pifleet.nodered.plugins.plugin_utils._gather.ufw import manages
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _verification
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Found, Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import Records, State
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._verify_from import CONTROLLER, HOST
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _write
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._findings import SEVERITIES, HostReport
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._step import Result, TaskVars
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._verify_step import VerifyStep
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _known_bad

ARGUMENT_SPEC: dict[str, t.Any] = {}
# Seconds for both connections that look at the certificate.
CERTIFICATE_SECONDS = 10.0
OPEN_PATHS = "nodered_http_auth_open_paths"
NOT_FROM_HERE = "it is not asked from the controller, so its certificate was not seen"

Changes = dict[str, list[str]]


class ActionModule(VerifyStep):
    """One remote execution. One more where the host is asked itself, one where the certificate of the variables is in
    files of the host, and one for the firewall after other tasks of this play."""

    more_to_find: t.Mapping[str, object] = {"other_firewalls": True}

    def run(self, tmp: str | None = None, task_vars: TaskVars | None = None) -> Result:
        super().run(tmp, task_vars)
        self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        self.begin_with_role_defaults(task_vars or {})
        self._require_variables()
        self._require_libraries()
        try:
            report = self._audited()
        except AnsibleConnectionFailure as error:
            report = HostReport(self.host, "unreachable", str(error))
        except AnsibleActionFail as error:
            report = HostReport(self.host, "failed", str(error))
        Records(constants.DEFAULT_LOCAL_TMP, self._task.get_play()._uuid).keep(self.host, report.data())
        return {"changed": False, "msg": _lines(report), "_ansible_verbose_always": True}

    def _require_variables(self) -> None:
        """Raise AnsibleActionFail for a variable of this role that cannot be used."""
        try:
            _arguments.whole_number(self.variables[tls.EXPIRY_DAYS], tls.EXPIRY_DAYS)
        except _arguments.ArgumentError as error:
            raise AnsibleActionFail(f"{self.host}: {error}") from None

    def _require_libraries(self) -> None:
        """Raise AnsibleActionFail if the report cannot be written later."""
        try:
            _write.require_libraries()
        except SettingsError as error:
            raise AnsibleActionFail(f"{self.host}: {error}") from None

    def _audited(self) -> HostReport:
        state = self.discovered()
        firewall = self._firewall(state)
        state, changes, rejected = self._planned(state, firewall)
        found = Found(self.host, state.instance, state.source, state.plans)
        observed = dataclasses.replace(
            self._asked(state),
            **self._read(state),
            firewall=firewall.get("firewall"),
            changes=changes,
            rejected=rejected,
        )
        judgement = _judge.judged(found, observed)
        return HostReport(
            host=self.host,
            url=observed.asked or str(state.instance["url"] or ""),
            versions=_versions(state.instance),
            certificate_days=_days(observed),
            passed=judgement.passed,
            skipped=judgement.skipped,
            findings=judgement.findings,
        )

    def task_for_firewall(self) -> str | None:
        """This task, unless the firewall is to be left alone."""
        return str(self._task._uuid) if manages(self.variables) else None

    def _firewall(self, state: State) -> dict[str, t.Any]:
        """As the plan of the role ufw gathers it; empty if the firewall is to be left alone."""
        firewall = state.firewall_for(self._task._uuid)
        found = Found(self.host, state.instance, state.source, firewall=firewall)
        return GATHER["ufw"](self, found, self.variables)

    def _planned(self, state: State, firewall: dict[str, t.Any]) -> tuple[State, Changes, Changes]:
        """The state with the plans of all roles as secure makes them, what they change, and their errors."""
        plans: dict[str, Plan] = {}
        text, changes, rejected = state.source, Changes(), Changes()
        for position, role in enumerate(ROLES, 1):
            later = frozenset([*ROLES][position:])
            found = Found(self.host, state.instance, text, dict(plans), later, clock_error=state.clock_error)
            if role == "ufw":
                found = dataclasses.replace(found, controller=firewall)
            else:
                found = gathered(role, self, found, self.variables)
            plan, edit = planned(role, found, self.variables)
            if plan.errors:
                rejected[role] = plan.errors
                continue
            plans[role], text = plan, edit.text
            lines = drift.changes(plan, edit)
            changes |= {role: lines} if lines else {}
        # Not kept: what this play has planned for the host stays as it is.
        return dataclasses.replace(state, plans=plans, variables=self.variables_for_later()), changes, rejected

    def _read(self, state: State) -> dict[str, t.Any]:
        """What the settings file itself shows."""
        filename = str(state.instance["settings_file"])
        try:
            return {
                "bad": _known_bad.findings(state.source, filename=filename, strict=True),
                "computed": _known_bad.computed(state.source, filename=filename),
                "unknown_settings": _known_bad.unknown(state.source, filename=filename),
            }
        except SettingsError as error:
            return {"unread": str(error)}

    def _asked(self, state: State) -> Observed:
        """What requests show."""
        now = datetime.datetime.now(datetime.timezone.utc)
        observed = Observed(self.variables, now, not_asked="Node-RED does not respond on the host itself")
        if not state.instance["url"]:
            return observed
        try:
            self.decide_origin(state)
            options = self._request(state)
            checks = {check["id"]: check for check in self.probed(options)}
        except (AnsibleActionFail, AnsibleConnectionFailure) as error:
            return dataclasses.replace(observed, not_asked=str(error))
        asked = str(options["local_url"] if options["run_on"] == HOST else options["url"])
        certificate = self._certificate(state, options)
        return dataclasses.replace(observed, checks=checks, asked=asked, not_asked="", certificate=certificate)

    def _request(self, state: State) -> dict[str, t.Any]:
        checks = state.checks("tls")
        files = [str(checks.get(name, "")) for name in ("client_cert", "client_key")]
        try:
            open_paths = _arguments.names(self.variables[OPEN_PATHS], OPEN_PATHS)
        except _arguments.ArgumentError:
            open_paths = []
        return _request.request(state, open_paths, has_client_certificate=all(map(os.path.isfile, files)))

    def _certificate(self, state: State, options: Mapping[str, t.Any]) -> Certificate:
        """The certificate as the controller sees it. What another machine sees is not compared with anything here."""
        if urlsplit(options["url"]).scheme != "https":
            return Certificate(why_unknown="there is no TLS")
        if options["run_on"] != CONTROLLER:
            return Certificate(state.instance["tls"]["certificate"] or "", why_unknown=NOT_FROM_HERE)
        parts = urlsplit(options["url"])
        authorities = _verification.main_request(state)["authorities"]
        seconds = min(CERTIFICATE_SECONDS, self.budget.left)
        with _client_files.unseen(options.get("client_pair"), constants.DEFAULT_LOCAL_TMP) as made:
            files = {**options, **made}
            client = (files["client_cert"], files["client_key"]) if "client_cert" in files else None
            return _seen_certificate.seen(
                str(parts.hostname), parts.port or 443, authorities=authorities, client=client, seconds=seconds
            )


def _versions(instance: Mapping[str, t.Any]) -> dict[str, str]:
    known = {"node_red": instance["version"], "node": instance["node_version"], "os": instance["system"]}
    return {name: str(version) for name, version in known.items() if version}


def _days(observed: Observed) -> int | None:
    if not observed.certificate.pem:
        return None
    try:
        return int(_certificate.days_left(observed.certificate.pem, observed.now))
    except _certificate.CertificateError:
        return None


def _lines(report: HostReport) -> list[str]:
    """What is shown of a host: one line for itself, and one for each finding."""
    if report.status != "audited":
        return [f"{report.host}: {report.status}: {report.message}"]
    counts = ", ".join(f"{count} {severity}" for severity in SEVERITIES if (count := report.count(severity)))
    skipped = f", {len(report.skipped)} left out" if report.skipped else ""
    return [
        f"{report.host}: {counts or 'no findings'}; {len(report.passed)} checks passed{skipped}",
        *(f"{report.host}: {one.severity}: {one.title} ({one.id})" for one in report.findings),
    ]
