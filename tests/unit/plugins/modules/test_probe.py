# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module is a thin front of the probe, and its documentation says what it takes."""

from __future__ import annotations

import dataclasses

import yaml
from ansible_collections.pifleet.nodered.plugins.module_utils._probe import _probe
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._target import Target
from ansible_collections.pifleet.nodered.plugins.modules import probe as module
from ansible_collections.pifleet.nodered.tests.module_process import result_of

PATH = "ansible_collections.pifleet.nodered.plugins.modules.probe"


def run(**arguments):
    return result_of(["-m", PATH], arguments)


def test_a_check_that_fails_does_not_fail_the_module():
    result = run(url="http://127.0.0.1:1", _ansible_check_mode=True)
    assert not result.get("failed")
    assert result["changed"] is False
    assert result["passed"] is False
    assert result["checks"][0]["status"] == "fail"


def test_a_wrong_url_fails_the_module():
    result = run(url="raspberrypi")
    assert result["failed"] is True
    assert "not the URL" in result["msg"]


def test_the_password_is_masked():
    assert module.ARGUMENT_SPEC["password"]["no_log"] is True


def test_the_documentation_names_the_options_of_the_specification():
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert set(documented) == set(module.ARGUMENT_SPEC)
    for name, specified in module.ARGUMENT_SPEC.items():
        for key in ("type", "default", "choices", "elements", "required"):
            assert documented[name].get(key) == specified.get(key), (name, key)


def test_every_check_is_documented():
    identifiers = yaml.safe_load(module.RETURN)["checks"]["contains"]["id"]["description"][0]
    for check in _probe.CHECKS:
        assert f"V({check.id})" in identifiers


def test_the_options_are_what_the_probe_is_told_and_where_it_runs():
    told = {field.name for field in dataclasses.fields(Target)}
    assert set(module.ARGUMENT_SPEC) - told == {"local_url", "run_on", "credentials_from"}
    assert told - set(module.ARGUMENT_SPEC) == {"lacks_client_cert", "two_step"}
    defaults = {field.name: field.default for field in dataclasses.fields(Target)}
    for name in module.TARGET_OPTIONS[1:]:
        default = module.ARGUMENT_SPEC[name].get("default")
        assert default == (list(defaults[name]) if defaults[name] == () else defaults[name]), name
