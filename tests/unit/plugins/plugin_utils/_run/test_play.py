# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible loads these plays; another action that takes any argument stands for the one that plans."""

from __future__ import annotations

import json

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.vars.manager import VariableManager
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run import _play

ACTION = "set_fact"
ROLES = ("base", "login", "port", "hardening")


@pytest.fixture
def plans(tmp_path, monkeypatch):
    """The planning task of each role of a play."""
    monkeypatch.setattr(_play, "PLAN", ACTION)
    for role in ROLES:
        for name in ("tasks", "meta"):
            (tmp_path / "roles" / role / name).mkdir(parents=True)
        (tmp_path / "roles" / role / "tasks" / "main.yml").write_text(json.dumps([planning(role)]))
        needs = {"dependencies": [] if role == "base" else ["base"]}
        (tmp_path / "roles" / role / "meta" / "main.yml").write_text(json.dumps(needs))
    loader = DataLoader()
    loader.set_basedir(str(tmp_path))

    def loaded(tags=("all",), skip_tags=(), include=True, **content):
        variables = VariableManager(loader=loader)
        play = Play.load({"hosts": "all", "name": "play", **content}, variables, loader)
        play.only_tags, play.skip_tags = frozenset(tags), frozenset(skip_tags)
        tasks = list(tasks_of(play.compile()))
        for task in [task for task in tasks if include and task.action == "include_role"]:
            tasks += tasks_of(task.get_block_list(play, variables, loader)[0])
        return {task.args["role"]: task for task in tasks if task.action == ACTION and "role" in task.args}

    return loaded


@pytest.fixture
def later(plans):
    """For each role of a play, which ones come later."""

    def found(**content):
        return {role: _play.later_roles(task, {}) - {"base"} for role, task in plans(**content).items()}

    return found


def planning(role):
    return {"name": f"Plan {role}", ACTION: {"role": role}}


def tasks_of(entries):
    for entry in entries:
        if isinstance(entry, Block):
            yield from tasks_of([*entry.block, *entry.rescue, *entry.always])
        else:
            yield entry


def imported(role, **more):
    return {"import_role": {"name": role}, **more}


LISTED = [{"role": "hardening", "tags": "hardening"}, {"role": "login", "tags": ["login", "users"]}, {"role": "port"}]
IMPORTED = [imported("hardening", tags="hardening"), imported("login", tags=["login", "users"]), imported("port")]


@pytest.mark.parametrize("content", [{"roles": LISTED}, {"tasks": IMPORTED}, {"post_tasks": [{"block": IMPORTED}]}])
def test_roles_come_later_that_the_play_has_after_the_task(later, content):
    found = later(**content)
    assert found["hardening"] == {"login", "port"}
    assert found["login"] == {"port"}
    assert found["port"] == set()


@pytest.mark.parametrize("content", [{"roles": LISTED}, {"tasks": IMPORTED}])
def test_roles_that_the_tags_of_the_run_leave_out_do_not_come(later, content):
    assert later(tags=["hardening", "users"], **content)["hardening"] == {"login"}
    assert later(skip_tags=["login"], **content)["hardening"] == {"port"}
    assert later(tags=["tagged"], **content)["hardening"] == {"login"}


def test_the_sections_of_a_play_are_in_their_order(later):
    found = later(post_tasks=[imported("login")], roles=["hardening"], pre_tasks=[imported("port")])
    assert found["port"] == {"hardening", "login"}
    assert found["hardening"] == {"login"}


def test_a_task_of_an_included_role_is_where_the_include_is(later):
    found = later(tasks=[imported("port"), {"include_role": {"name": "hardening"}}, imported("login")])
    assert found["hardening"] == {"login"}
    assert found["port"] == {"login"}


def test_an_included_role_of_the_collection_comes_later_if_its_main_tasks_run(later):
    login = {"include_role": {"name": "pifleet.nodered.login"}, "tags": "login"}
    prove = {"include_role": {"name": "pifleet.nodered.instance", "tasks_from": "prove"}}
    content = {"roles": ["hardening"], "tasks": [login, prove]}
    assert later(**content, include=False)["hardening"] == {"login"}
    assert later(**content, include=False, tags=["other"])["hardening"] == set()


DEBUG = {"name": "Say something", "debug": {"msg": "hello"}}


@pytest.mark.parametrize("content", [{"roles": LISTED}, {"tasks": IMPORTED}, {"post_tasks": [{"block": IMPORTED}]}])
def test_a_role_is_next_if_only_other_roles_plan_before(plans, content):
    tasks = plans(**content)
    for role in ("hardening", "login", "port"):
        assert _play.next_plan("port", tasks[role], {}) == tasks["port"]._uuid
    assert _play.next_plan("hardening", tasks["port"], {}) is None


@pytest.mark.parametrize("between", [DEBUG, {"meta": "flush_handlers"}, {"block": [DEBUG]}])
def test_a_role_is_not_next_if_another_task_comes_before(plans, between):
    tasks = plans(tasks=[IMPORTED[0], between, *IMPORTED[1:]])
    assert _play.next_plan("port", tasks["hardening"], {}) is None
    assert _play.next_plan("port", tasks["login"], {}) == tasks["port"]._uuid


def test_what_an_included_role_does_before_is_not_known(plans):
    tasks = plans(tasks=[IMPORTED[0], {"include_role": {"name": "login"}}, IMPORTED[2]])
    assert _play.next_plan("port", tasks["hardening"], {}) is None


def test_handlers_can_run_before_the_next_section(plans):
    tasks = plans(pre_tasks=[IMPORTED[0]], roles=LISTED[1:2], tasks=[IMPORTED[2]])
    assert _play.next_plan("port", tasks["hardening"], {}) is None
    assert _play.next_plan("port", tasks["login"], {}) == tasks["port"]._uuid
    tasks = plans(tasks=[IMPORTED[0]], post_tasks=[IMPORTED[2]])
    assert _play.next_plan("port", tasks["hardening"], {}) is None


def test_the_rest_of_included_tasks_is_not_known(plans, tmp_path, monkeypatch):
    (tmp_path / "roles" / "wrapper" / "tasks").mkdir(parents=True)
    wrapped = [imported("hardening"), DEBUG, imported("login")]
    (tmp_path / "roles" / "wrapper" / "tasks" / "main.yml").write_text(json.dumps(wrapped))
    tasks = plans(tasks=[{"include_role": {"name": "wrapper"}}, IMPORTED[2]])
    assert _play.next_plan("port", tasks["hardening"], {}) is None
    assert _play.next_plan("login", tasks["login"], {}) == tasks["login"]._uuid


def test_an_included_role_of_the_collection_has_no_other_tasks(plans, monkeypatch):
    monkeypatch.setattr(_play, "COLLECTION", "log")
    tasks = plans(tasks=[{"include_role": {"name": "login"}}, IMPORTED[2]])
    assert _play.next_plan("port", tasks["login"], {}) == tasks["port"]._uuid
    tasks = plans(tasks=[{"include_role": {"name": "login", "tasks_from": "main"}}, IMPORTED[2]])
    assert _play.next_plan("port", tasks["login"], {}) is None


def test_the_tags_of_the_run_decide_what_comes_before(plans):
    tasks = plans(tags=["hardening", "tagged"], tasks=[IMPORTED[0], DEBUG, imported("port", tags="tagged")])
    assert _play.next_plan("port", tasks["hardening"], {}) == tasks["port"]._uuid
