# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a host answers to its record, and from the records to the report."""

from __future__ import annotations

import base64
import json
import types

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.pifleet.nodered.plugins.action import audit, report
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._probe import CHECKS
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import Records, Store
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _junit
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    EMPTY,
    HOST,
    instance,
    settings_with,
)
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.firewalls import firewall

PLAY = types.SimpleNamespace(_uuid="play")
OPEN = "open: there is no login"


def action(module, name, arguments, *, check_mode=False):
    task = Task()
    task.args, task.check_mode, task.diff = arguments, check_mode, False
    task.get_play = lambda: PLAY
    loader = DataLoader()
    connection = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None), transport="ssh", _load_name="ssh")
    plugin = module.ActionModule(task, connection, None, loader, Templar(loader=loader), None)
    plugin._load_name = f"pifleet.nodered.{name}"
    return plugin


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Audits and reports, with what the host and its Node-RED answer."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))

    class Run:
        text = EMPTY
        failed_checks = {"login_required": OPEN}
        asked = []

        def audit(self, host=HOST, **variables):
            plugin = action(audit, "audit", {})
            plugin.counted_module = self._module
            plugin.probed = self._probe
            plugin._configuration = lambda _connection: ""
            groups = {"all": [HOST]}
            given = {"inventory_hostname": host, "inventory_dir": str(tmp_path / "inventory"), "groups": groups}
            return plugin.run(task_vars={**given, "ansible_host": "192.0.2.7", "hostvars": {HOST: {}}, **variables})

        def report(self, *hosts, check_mode=False, earlier=(), later=(), failed=(), **options):
            """The report in the batch with `hosts`, between others; `failed` have left the play."""
            plugin = action(report, "report", {"directory": str(tmp_path / "report"), **options}, check_mode=check_mode)
            left = [*earlier, *hosts, *later]
            of_play = {"ansible_play_hosts_all": [*failed, *left], "ansible_play_hosts": left}
            return plugin.run(task_vars={**of_play, "ansible_play_batch": list(hosts)})

        def record(self, host=HOST):
            return Records(str(tmp_path), "play").all()[host]

        def _module(self, _step, name, **arguments):
            self.asked.append((name, arguments))
            if name == "instance_info":
                content = base64.b64encode(self.text.encode()).decode()
                answer = {"instance": instance(), "source": {"content": content, "checksum": "0" * 64}}
                return {**answer, "firewall": firewall(active=False)} if arguments["firewall"] else answer
            return {"firewall": firewall(active=False)}

        def _probe(self, options):
            self.asked.append(options)
            found = dict.fromkeys(("answers", *options["only"]), "refused") | self.failed_checks
            titles = {check.id: check.title for check in CHECKS}
            return [
                {
                    "id": one,
                    "title": titles[one],
                    "status": "fail" if one in self.failed_checks else "pass",
                    "found": seen,
                }
                for one, seen in found.items()
            ]

    Run.asked = []
    return Run()


def findings(record):
    return {one["id"]: one["severity"] for one in record["findings"]}


def test_an_open_node_red_is_audited_without_any_variable(run):
    result = run.audit()
    assert result["msg"][0].startswith(f"{HOST}: 1 critical")
    record = run.record()
    assert record["status"] == "audited"
    assert record["url"] == "http://192.0.2.7:1880/"
    assert record["versions"] == {"node_red": "4.1.15", "node": "20.20.2", "os": "Debian GNU/Linux 12 (bookworm)"}
    assert findings(record)["editor-open"] == "critical"
    assert {"tls-missing", "firewall-off", "drift"} < set(findings(record))
    assert "login: settings: adminAuth" in json.dumps(record)


def test_a_missing_library_of_the_report_is_an_error_before_anything_is_asked(run, monkeypatch):
    monkeypatch.setattr(_junit, "_IMPORT_ERROR", ImportError("No module named 'junitparser'"))
    with pytest.raises(AnsibleActionFail, match="junitparser is missing on the controller(.|\n)*pip install"):
        run.audit()
    assert run.asked == []


def test_a_host_costs_one_remote_execution_and_one_set_of_requests(run):
    run.audit()
    (name, arguments), _requests = run.asked
    assert name == "instance_info"
    assert arguments == {"source": True, "firewall": True, "other_firewalls": True}


def test_on_the_host_itself_its_own_address_is_reported(run):
    run.audit(nodered_verify_from="host")
    assert run.record()["url"] == "http://127.0.0.1:1880/"


def test_nothing_is_planned_for_other_tasks_of_the_play(run, tmp_path):
    run.audit()
    assert Store(str(tmp_path), "play", HOST, "").load().plans == {}


def test_a_firewall_that_is_not_managed_is_not_read(run):
    run.audit(nodered_ufw_manage=False)
    assert run.asked[0][1]["firewall"] is False
    assert len(run.asked) == 2
    assert "firewall-off" in run.record()["skipped"]


def test_what_secure_rejects_is_a_finding_and_the_rest_is_audited(run):
    run.text = settings_with("httpNodeAuth: { user: 'a', pass: '5f4dcc3b5aa765d61d8327deb882cf99' }")
    run.audit(nodered_port="abc")
    found = findings(run.record())
    assert {"secure-rejects", "password-md5", "editor-open"} < set(found)


def test_a_settings_file_that_cannot_be_read_with_certainty_is_a_finding(run):
    run.text = "module.exports = {{\n"
    run.audit()
    assert findings(run.record())["settings-unreadable"] == "medium"
    assert findings(run.record())["editor-open"] == "critical"


def test_without_requests_the_rest_is_audited(run, monkeypatch):
    run.failed_checks = {"answers": "no answer"}
    run.audit()
    assert "no answer" in run.record()["skipped"]["pages-open"]


def raising(error):
    def module(*_arguments, **_options):
        raise error

    return module


@pytest.mark.parametrize(
    "error, status",
    [
        (AnsibleConnectionFailure("No route to host"), "unreachable"),
        (AnsibleActionFail("No Node-RED was found"), "failed"),
    ],
)
def test_a_host_that_cannot_be_audited_is_recorded_as_such(run, error, status):
    run._module = raising(error)
    result = run.audit()
    assert not result.get("failed")
    assert run.record()["status"] == status
    assert str(error) in run.record()["message"]


def test_a_wrong_variable_of_the_role_fails_the_task(run):
    with pytest.raises(AnsibleActionFail, match="nodered_audit_expiry_days must be a whole number"):
        run.audit(nodered_audit_expiry_days="soon")


def test_the_report_has_every_host_of_the_play(run, tmp_path):
    run.audit()
    result = run.report(HOST, "pi2")
    assert result["msg"][0].startswith("1 of 2 hosts audited: 1 critical")
    assert "failed: pi2" in result["msg"]
    hosts = json.loads((tmp_path / "report" / "report.json").read_text())["hosts"]
    assert [one["host"] for one in hosts] == [HOST, "pi2"]


def test_the_report_fails_from_a_severity_on_after_it_was_written(run, tmp_path):
    run.audit()
    assert not run.report(HOST).get("failed")
    result = run.report(HOST, fail_on="high")
    assert result["failed"]
    assert f"findings of the severity high or worse on {HOST}" in result["msg"]
    assert (tmp_path / "report" / "index.html").exists()


def test_the_report_is_written_in_the_last_batch(run, tmp_path):
    run.audit()
    waiting = run.report(HOST, later=["pi2"], failed=["pi3"])
    assert (waiting["skipped"], waiting["msg"]) == (True, "1 hosts follow in later batches")
    assert not (tmp_path / "report").exists()
    run.audit("pi2")
    first, *_rest = run.report("pi2", earlier=[HOST], failed=["pi3"])["msg"]
    assert first.startswith("2 of 3 hosts audited")


def test_a_clone_knows_its_release(run, tmp_path):
    run.audit()
    run.report(HOST)
    version = yaml.safe_load((report.ROOT / "galaxy.yml").read_text())["version"]
    assert json.loads((tmp_path / "report" / "report.json").read_text())["collection"] == version


def test_check_mode_writes_no_report(run, tmp_path):
    run.audit()
    assert run.report(HOST, check_mode=True)["msg"][0].startswith("1 of 1 hosts audited")
    assert not (tmp_path / "report").exists()
