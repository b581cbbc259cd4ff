# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one role leaves to a later one, from the plan to the transaction."""

from __future__ import annotations

import types

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.task import Task
from ansible.template import Templar
from ansible_collections.pifleet.nodered.plugins.action import apply, plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State, Store
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run import _play
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    EMPTY,
    HOST,
    instance,
    settings_with,
)

SAMPLE = "$2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN."
KNOWN_PASSWORD = settings_with(
    f'adminAuth: {{ type: "credentials", users: [{{ username: "eve", password: "{SAMPLE}" }}] }}'
)
VARIABLES = {
    "inventory_hostname": HOST,
    "nodered_restart_timeout": 120,
    "nodered_restore_points": 5,
    "nodered_remount": False,
    "nodered_hardening_files": "unchanged",
    "nodered_hardening_sandbox": "none",
    "nodered_hardening_writable_paths": [],
    "nodered_hardening_accepted": [],
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A play on one host, whose Node-RED has been found."""
    store = Store(str(tmp_path), "play", HOST, "")

    class Run:
        def discovered(self, text):
            store.save(State(instance(), text, "0" * 64, text))

        def plan(self, role, *, later=(), **variables):
            monkeypatch.setattr(_play, "later_roles", lambda _task, _variables: frozenset(later))
            return self._step(plan, {"role": role}, variables)

        def planned(self, role, result):
            """As if this role had planned this."""
            state = self.state
            state.plans[role] = result
            store.save(state)

        def apply(self):
            return self._step(apply, {}, {})

        @property
        def state(self):
            return store.load()

        def _step(self, module, arguments, variables):
            task = Task()
            task.args, task.check_mode, task.diff = arguments, False, False
            loader = DataLoader()
            connection = types.SimpleNamespace(_shell=types.SimpleNamespace(tmpdir=None))
            step = module.ActionModule(task, connection, None, loader, Templar(loader=loader), None)
            step._load_name = f"pifleet.nodered.{module.__name__.rpartition('.')[2]}"
            step.store, step.stores = lambda: store, lambda: [store]
            step._transaction = lambda *_, **__: {"changed": True}
            return step.run(task_vars={**VARIABLES, **variables})

    return Run()


def test_what_a_later_role_does_not_replace_is_an_error_of_that_role(run):
    run.discovered(KNOWN_PASSWORD)
    assert not run.plan("hardening", later=["login", "port"]).get("failed")
    assert not run.plan("port", later=["login"]).get("failed")
    result = run.plan("port")
    assert result["failed"]
    assert result["msg"].startswith(f"{HOST}: Role hardening: ")
    assert "adminAuth.users" in result["msg"]
    assert run.state.failed == ["port"]
    assert run.apply()["failed"]


def test_an_editor_is_not_switched_off_before_the_login_is_planned(run):
    run.discovered(EMPTY)
    assert run.plan("hardening", later=["login"], nodered_disable_editor=True)["changed"]
    result = run.apply()
    assert result["failed"]
    assert "nothing was applied. nodered_disable_editor removes the editor" in result["msg"]
    run.planned("login", Plan(set={"adminAuth": {"type": "credentials", "users": []}}))
    assert run.apply() == {"changed": True}


def test_what_another_role_is_going_to_replace_does_not_keep_a_plan_from_being_applied(run):
    run.discovered(KNOWN_PASSWORD)
    run.plan("hardening", later=["login"], nodered_hardening_audit_log=True)
    assert run.apply() == {"changed": True}


def test_what_is_noticed_is_reported_also_if_the_plan_fails(run):
    run.discovered(KNOWN_PASSWORD.replace("{", "{ credentialSecret: false,", 1))
    result = run.plan("hardening")
    assert result["failed"]
    assert any("credentialSecret" in warning for warning in result["warnings"])


@pytest.mark.parametrize("role", ["port", "instance"])
def test_a_role_alone_checks_what_all_roles_need(run, role):
    run.discovered(EMPTY)
    result = run.plan(role, nodered_prot=8899)
    assert result["failed"]
    assert result["msg"].count("Did you mean nodered_port?") == 1
    assert run.apply()["failed"]


def test_what_all_roles_need_is_checked_once(run):
    run.discovered(EMPTY)
    assert not run.plan("port").get("failed")
    assert list(run.state.plans) == ["instance", "port"]
    assert not run.plan("port", nodered_prot=8899).get("failed")


@pytest.mark.parametrize(
    "later, variables, read_for",
    [
        ({"port", "ufw"}, {"nodered_port": 8881}, "ufw"),
        ({"port"}, {"nodered_port": 8881}, "port"),
        ({"port", "ufw"}, {"nodered_port": 8881, "nodered_ufw_manage": False}, "port"),
        ({"port"}, {}, None),
        ({"port"}, {"nodered_port": None}, None),
        ({"ufw"}, {"nodered_ufw_manage": False}, None),
    ],
)
def test_discovery_reads_the_firewall_for_the_role_ufw_or_else_for_a_new_port(monkeypatch, later, variables, read_for):
    monkeypatch.setattr(_play, "later_roles", lambda _task, _variables: frozenset(later))
    monkeypatch.setattr(_play, "next_plan", lambda role, _task, _variables: role)
    task, loader = Task(), DataLoader()
    task.args = {"role": "login"}
    step = plan.ActionModule(task, types.SimpleNamespace(), None, loader, Templar(loader=loader), None)
    step.begin({**VARIABLES, **variables})
    assert step.task_for_firewall() == read_for
