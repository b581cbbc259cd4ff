# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order the action rotate keeps, sends, verifies and confirms passwords, and what it reports if that fails."""

from __future__ import annotations

import json
import pathlib
import types

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.pifleet.nodered.plugins.action import rotate
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_make import self_signed_pair
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._budget import Budget
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State
from ansible_collections.pifleet.nodered.tests.certificates import now
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import EMPTY, found, instance

OLD, NEW = "an old password", "a new password"
LATER = {
    "nodered_address": "pi1",
    "nodered_remount": False,
    "nodered_restart_timeout": 60,
    "nodered_restore_points": 5,
}
PASSED = {"id": "login_works", "title": "The user can log in", "status": "pass", "expected": "", "found": ""}
FAILED = {**PASSED, "status": "fail", "expected": "a token", "found": "403"}
UNDONE = {"failed": True, "rolled_back": True, "msg": "The change was rolled back."}


UNKNOWN = "The new password of the role http_auth, which waits for its confirmation, is not known to this run"


def given(answer):
    """The answer of a stand-in, or its error."""
    if isinstance(answer, Exception):
        raise answer
    return answer


class Rotation(rotate.ActionModule):
    """Does not connect: `asked` has what would have been sent, with what the file held at that time."""

    def __init__(self, file, *, checks=(PASSED,), change=None, answer=None, waits="", changed=True, rotated=()):
        file.write_text(f"{OLD}\n")
        self.file, self.checks, self.asked, self.budget = file, list(checks), [], Budget()
        self.change = change or {"changed": True, "restore_point": 2}
        self.answer, self.changed = answer or {"changed": True}, changed
        self.host, self.variables = "pi1", LATER
        self._task = types.SimpleNamespace(check_mode=False)
        self.saved = types.SimpleNamespace(save=lambda _state: None)
        plan = Plan(
            restart="for the test",
            rotations={str(file): {"old": OLD, "new": NEW}},
            rotation={"whose": "login of admin", "state": "new", "text": f"in {file} on the controller"},
            credentials={"username": "admin", "password": NEW},
        )
        self.state = State(
            instance(confirmation=waits, rotated=list(rotated), url="http://127.0.0.1:1880/"),
            EMPTY,
            "",
            EMPTY,
            {"login": plan},
            variables=LATER,
        )

    def _note_asked(self, what):
        self.asked.append((what, self.file.read_text().split()))

    def counted_module(self, _step, name, *, uncounted=0, **arguments):
        self.sent = json.loads(arguments["request"])
        self._note_asked(name)
        return {**given(self.change), "instance": self.state.instance | self.waits_now()}

    def waits_now(self):
        """What the host notes; the roles of an earlier change that it extends, too."""
        roles = {*self.state.instance["rotated"], *self.sent["rotated"]}
        return {"confirmation": self.sent["confirmation"], "rotated": sorted(roles)}

    def module(self, name, **arguments):
        sent = json.loads(arguments["answer"])
        self._note_asked("keep" if sent["keep"] else "undo")
        self.answered = sent["confirmation"]
        return dict(given(self.answer))

    def decide_origin(self, state):
        state.origin = {"place": "controller", "note": ""}

    def probed(self, options):
        self._note_asked("probe")
        assert options["only"] == ["login_works", "code_required"]
        given(self.checks[0])
        return self.checks

    def go(self):
        return self._rotated(self.saved, self.state, {"changed": self.changed})


@pytest.fixture
def file(tmp_path) -> pathlib.Path:
    return tmp_path / "pi1"


BOTH = [*OLD.split(), *f"next={NEW}".split()]


def test_the_old_password_is_dropped_after_the_new_one_was_verified_and_confirmed(file):
    action = Rotation(file)
    result = action.go()
    assert action.asked == [("apply", BOTH), ("probe", BOTH), ("keep", BOTH)]
    assert file.read_text() == f"{NEW}\n"
    assert action.sent["confirmation"] == action.answered
    assert action.sent["confirm_within"] > action.budget.seconds
    assert result["msg"] == [f"pi1: login of admin: new password, in {file} on the controller"]
    assert (result["changed"], result["restore_point"], result.get("failed")) == (True, 2, None)


@pytest.mark.parametrize("checks", [[FAILED], [AnsibleActionFail("pi50 cannot be reached")]])
def test_a_password_that_cannot_be_verified_is_rolled_back(file, checks):
    action = Rotation(file, checks=checks, answer=UNDONE)
    result = action.go()
    assert [what for what, _file in action.asked] == ["apply", "probe", "undo"]
    assert file.read_text().split() == BOTH, "the next run goes on with it"
    assert result["failed"] and result["rolled_back"] and "restore_point" not in result
    assert f"The old password is valid: the first line of {file}" in result["msg"]
    assert NEW not in result["msg"] and OLD not in result["msg"]


def test_a_change_that_was_confirmed_too_late_is_an_error_and_keeps_both(file):
    action = Rotation(file, answer={"failed": True, "msg": "It does not wait for its confirmation any more."})
    result = action.go()
    assert result["failed"] and file.read_text().split() == BOTH
    assert "does not wait" in result["msg"] and f"Either the first password in {file} is valid" in result["msg"]


@pytest.mark.parametrize("lost_at", ["change", "answer"])
def test_a_host_that_is_lost_is_unreachable_and_both_passwords_are_named(file, lost_at):
    action = Rotation(file, **{lost_at: AnsibleConnectionFailure("timed out")})
    with pytest.raises(AnsibleConnectionFailure, match=f"timed out\npi1: Either the first password in {file}"):
        action.go()
    assert file.read_text().split() == BOTH


def test_what_an_earlier_run_has_left_waiting_is_verified_and_confirmed(file):
    action = Rotation(file, waits="abcd", changed=False)
    file.write_text(f"{OLD}\nnext={NEW}\n")
    result = action.go()
    assert action.asked == [("probe", BOTH), ("keep", BOTH)]
    assert action.answered == "abcd"
    assert file.read_text() == f"{NEW}\n"
    assert result["changed"]


def test_the_host_notes_which_passwords_have_to_be_tried(file):
    action = Rotation(file)
    action.go()
    assert action.sent["rotated"] == ["login"]


@pytest.mark.parametrize("changed", [False, True])
def test_what_waits_is_not_confirmed_untried_where_its_password_is_not_known(file, changed):
    action = Rotation(file, waits="abcd", rotated=["http_auth"], changed=changed, answer=UNDONE)
    result = action.go()
    assert [what for what, _file in action.asked] == [*(["apply"] if changed else []), "undo"]
    assert result["failed"] and UNKNOWN in result["msg"]


def test_a_change_does_not_wait_for_the_confirmation_of_an_earlier_one(file):
    action = Rotation(file, waits="abcd")
    action.go()
    assert action.sent["confirmation"] == action.answered != "abcd"


def test_what_an_earlier_run_has_confirmed_is_verified_before_the_old_password_goes(file):
    action = Rotation(file, changed=False)
    file.write_text(f"{OLD}\nnext={NEW}\n")
    assert not action.go().get("failed")
    assert action.asked == [("probe", BOTH)]
    assert file.read_text() == f"{NEW}\n"


def test_nothing_is_sent_if_another_run_has_written_the_file(file):
    action = Rotation(file)
    file.write_text("another one\n")
    result = action.go()
    assert result["failed"] and "Another run has written" in result["msg"]
    assert action.asked == []


@pytest.mark.parametrize("renews", [True, False])
def test_a_host_with_another_certificate_than_it_should_have_is_trusted_with_its_own(file, monkeypatch, renews):
    checks = {"authorities": "PEM", "client_cert": "a", "client_key": "b", "min_tls": "1.3"}
    whole = Plan(checks=checks, certificate={"due": True} if renews else {})
    monkeypatch.setattr(rotate, "gathered", lambda _role, _step, found, _variables: found)
    monkeypatch.setattr(rotate, "planned", lambda *_: (whole, types.SimpleNamespace(changed=())))
    action = Rotation(file)
    monkeypatch.setattr(rotate.plan.ActionModule, "_found", lambda _self, state, _role: found(state.text))
    action.rotates = frozenset({"login"})
    kept = {"client_cert": "a", "client_key": "b"} if renews else checks
    assert action._checks_only(action.state, "tls") == Plan(checks=kept)


CERTIFICATE = self_signed_pair(["pi1"], called="pi1", now=now(), days=397).certificate


class OfCertificates(Rotation):
    """A certificate was made in this run or an earlier one; `seen` is what each probe finds of it."""

    def __init__(self, file, seen, *, replaced=5, **different):
        super().__init__(file, **different)
        about = {
            "certificate": True,
            "made": True,
            "left": "",
            "made_before": 1,
            "issuer": "",
            "refresh": 3600,
            "authority": {},
        }
        self.state.plans = {"tls": Plan(details={"rotation": {**about, "both": False, "folder": ""}})}
        self.state.instance["tls"] = {**self.state.instance["tls"], "certificate": CERTIFICATE, "replaced": replaced}
        self.seen, self.only = list(seen), []

    def probed(self, options):
        self.only.append(options["only"])
        return [{**PASSED, "id": "certificate_trusted", "status": self.seen.pop(0)}]


def test_the_certificate_that_is_presented_is_verified_also_if_nothing_changes(file):
    action = OfCertificates(file, ["pass", "pass"], changed=False)
    result = action.go()
    assert action.only == [["certificate_trusted", "client_certificate_required"], ["certificate_trusted"]]
    assert (action.asked, result["changed"]) == ([], False)
    assert result["msg"][0].startswith("pi1: certificate new, expires 20") and result["msg"][0].endswith("in use")


def test_what_changes_on_the_controller_only_is_verified_too(file):
    action = OfCertificates(file, ["pass", "pass"])
    result = action.go()
    assert (action.asked, len(action.only), result["changed"]) == ([], 2, True), "nothing is sent to the host"


def test_a_change_is_rolled_back_if_the_old_certificate_is_presented_for_too_long(file):
    action = OfCertificates(file, ["pass", "fail"], replaced=4000, waits="abcd", changed=False, answer=UNDONE)
    result = action.go()
    assert [what for what, _file in action.asked] == ["undo"]
    assert result["failed"] and "presents another certificate than that in" in result["msg"]
    assert "password" not in result["msg"]


def test_a_certificate_that_node_red_reads_later_is_kept(file):
    action = OfCertificates(file, ["pass", "fail"], waits="abcd", changed=False)
    result = action.go()
    assert [what for what, _file in action.asked] == ["keep"]
    assert "in use from" in result["msg"][0]
