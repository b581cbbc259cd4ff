# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import DropIn, Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import (
    Records,
    State,
    Store,
    stores_of_host,
)

SECRET = "correct horse battery staple"


def state(**given):
    return State({"service": "nodered"}, "module.exports = {};\n", "0" * 64, "module.exports = {};\n", **given)


def test_what_was_saved_is_loaded_again(tmp_path):
    plan = Plan(set={"uiPort": 1885}, drop_ins=[DropIn("nodered.service", "x", {"Service": []}, ("-p", "1885"))])
    saved = state(plans={"port": plan}, failed=["tls"])
    Store(str(tmp_path), "play", "pi1", "").save(saved)
    assert Store(str(tmp_path), "play", "pi1", "").load() == saved


@pytest.mark.parametrize("other", [("play2", "pi1", ""), ("play", "pi2", ""), ("play", "pi1", "kitchen")])
def test_each_play_host_and_service_has_its_own(tmp_path, other):
    Store(str(tmp_path), "play", "pi1", "").save(state())
    assert Store(str(tmp_path), *other).load() is None


def test_the_states_of_all_services_of_a_host_are_found(tmp_path):
    for service in ("", "kitchen"):
        Store(str(tmp_path), "play", "pi1", service).save(state())
    Store(str(tmp_path), "play", "pi11", "").save(state())
    assert len(stores_of_host(str(tmp_path), "play", "pi1")) == 2


def test_the_file_is_private_and_shows_no_secret(tmp_path):
    Store(str(tmp_path), "play", "pi1", "").save(state(plans={"login": Plan(passwords={"/a": SECRET})}))
    (file,) = tmp_path.iterdir()
    assert os.stat(file).st_mode & 0o777 == 0o600
    assert SECRET.encode() not in file.read_bytes()


def test_bytes_that_are_not_utf_8_survive(tmp_path):
    text = b"// \xff\n".decode("utf-8", "surrogateescape")
    Store(str(tmp_path), "play", "pi1", "").save(State({}, text, "", text))
    assert Store(str(tmp_path), "play", "pi1", "").load().source == text


@pytest.mark.parametrize(
    ("plan", "restart"),
    [
        (Plan(companions={"a.js": "1"}), True),
        (Plan(drop_ins=[DropIn("nodered.service", "x")]), True),
        (Plan(sessions="file"), True),
        (Plan(restart="because"), True),
        (Plan(close_files="private"), False),
        (Plan(certificate={"made_by": "selfsigned"}), False),
        (Plan(firewall={"add": []}), False),
    ],
)
def test_only_some_changes_need_a_restart(plan, restart):
    planned = state(plans={"x": plan})
    assert planned.pending
    assert planned.needs_restart is restart


def test_without_changes_nothing_is_pending():
    assert not state(plans={"x": Plan(notes=["something"], checks={"a": 1})}).pending


def test_what_hosts_leave_for_the_end_of_a_play_is_private_and_found_by_host(tmp_path):
    for play, host in (("play", "pi1"), ("play", "pi2"), ("play2", "pi3")):
        Records(str(tmp_path), play).keep(host, {"about": SECRET})
    Records(str(tmp_path), "play").keep("pi2", {"about": "new"})
    assert Records(str(tmp_path), "play").all() == {"pi1": {"about": SECRET}, "pi2": {"about": "new"}}
    assert all(os.stat(file).st_mode & 0o777 == 0o600 for file in tmp_path.iterdir())
    assert not any(SECRET.encode() in file.read_bytes() for file in tmp_path.iterdir())
    assert stores_of_host(str(tmp_path), "play", "pi1") == []
