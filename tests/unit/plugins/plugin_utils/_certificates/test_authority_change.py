# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchange of the private authority, also if it is interrupted between any two changes of its folder."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority import (
    AuthorityError,
    AuthorityFolder,
    candidate,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority_change import (
    BEGIN,
    BOTH,
    FINISH,
    MOVE,
    MOVED,
    ONE,
    STAY,
    UNCONCERNED,
    Authorities,
    Change,
    Present,
    change,
    next_step,
    waiting_for,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_names import constraints

SECRET = "opens it"
OLD, NEW, THIRD = (candidate(constraints(["pi1"]), SECRET) for _each in range(3))
# What the folder has in each phase.
IN_ONE = Present(ONE, OLD.certificate, "")
IN_BOTH = Present(BOTH, OLD.certificate, NEW.certificate)
IN_MOVED = Present(MOVED, NEW.certificate, OLD.certificate)
AFTER = Present(ONE, NEW.certificate, "")
STEPS = [(IN_ONE, BEGIN, IN_BOTH), (IN_BOTH, MOVE, IN_MOVED), (IN_MOVED, FINISH, AFTER)]


@pytest.fixture
def folder(tmp_path):
    folder = AuthorityFolder(tmp_path / "authority")
    with folder.locked():
        folder.put(OLD)
    return folder


@pytest.fixture
def authorities(folder):
    return Authorities(folder)


def until(authorities, phase):
    """The change that leads to this phase, with all before."""
    for before, step, after in STEPS:
        if authorities.present() == before != phase:
            authorities.take(change(before, step, NEW))
            assert authorities.present() == after


@pytest.mark.parametrize("before, step, after", STEPS, ids=[BEGIN, MOVE, FINISH])
def test_each_step_leads_to_the_next_phase_and_is_taken_once(authorities, folder, before, step, after):
    until(authorities, before)
    wanted = change(before, step, NEW)
    assert wanted[1:4] == after
    authorities.take(wanted)
    assert authorities.present() == after
    authorities.take(wanted)
    assert authorities.present() == after, "another host of the run"
    assert authorities.opened(after.issuer, SECRET).pem == after.issuer
    assert folder.opened(SECRET).pem == after.issuer


def test_the_old_authority_is_kept_with_its_key(authorities, folder):
    until(authorities, AFTER)
    (kept,) = folder.path.glob("replaced-*")
    assert AuthorityFolder(kept).opened(SECRET).pem == OLD.certificate
    assert sorted(path.name for path in folder.path.iterdir()) == ["authority.key", "authority.pem", kept.name]


def test_keys_can_be_read_by_their_owner_only(authorities, folder):
    until(authorities, IN_BOTH)
    authorities.record("pi1", Change(STAY, *IN_BOTH))
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.path.rglob("*")}
    assert modes["next"] == 0o700
    assert modes["rotation.json"] == modes["authority.key"] == 0o600


class Interrupted(BaseException):
    """As by SIGKILL: nothing is tidied up that a later change would."""


def interrupt(monkeypatch, after):
    """End with Interrupted in place of the change of the folder that follows so many."""
    left = [after]

    def counted(real):
        def change_once(*arguments, **options):
            if not left[0]:
                raise Interrupted
            left[0] -= 1
            return real(*arguments, **options)

        return change_once

    for module, name in ((pathlib.Path, "replace"), (pathlib.Path, "rename"), (pathlib.Path, "mkdir")):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    monkeypatch.setattr(pathlib.Path, "unlink", counted(pathlib.Path.unlink))
    monkeypatch.setattr(shutil, "rmtree", counted(shutil.rmtree))
    return left


@pytest.mark.parametrize("changes", range(12))
@pytest.mark.parametrize("before, step, after", STEPS, ids=[BEGIN, MOVE, FINISH])
def test_an_interruption_leaves_one_phase_or_the_other_and_the_next_run_ends_it(
    authorities, folder, before, step, after, changes
):
    until(authorities, before)
    wanted = change(before, step, NEW)
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, changes)
        with contextlib.suppress(Interrupted):
            authorities.take(wanted)
    found = authorities.present()
    assert found in (before, after)
    assert authorities.opened(found.issuer, SECRET).pem == found.issuer
    # A run of secure, which only uses what is there.
    authorities.take(Change(STAY, *found))
    assert authorities.present() == found
    assert folder.opened(SECRET).pem == found.issuer
    authorities.take(wanted)
    assert authorities.present() == after
    assert folder.opened(SECRET).pem == after.issuer


def test_the_interruptions_of_the_test_above_are_at_each_change(authorities, monkeypatch):
    until(authorities, IN_BOTH)
    left = interrupt(monkeypatch, 100)
    authorities.take(change(IN_BOTH, MOVE))
    assert 6 <= 100 - left[0] < 12, "the step with the most changes"


@pytest.mark.parametrize(
    "wanted",
    [
        Change(BEGIN, BOTH, THIRD.certificate, NEW.certificate, NEW.key),
        Change(MOVE, MOVED, NEW.certificate, OLD.certificate),
        Change(FINISH, ONE, NEW.certificate, ""),
        Change(STAY, BOTH, OLD.certificate, NEW.certificate),
    ],
    ids=lambda wanted: wanted.step or "stay",
)
def test_what_another_run_has_changed_meanwhile_is_left(authorities, wanted):
    with pytest.raises(AuthorityError, match="has changed since the run began"):
        authorities.take(wanted)
    assert authorities.present() == IN_ONE


def test_nothing_is_made_to_look_at_a_folder_that_is_not_there(tmp_path):
    folder = AuthorityFolder(tmp_path / "authority")
    assert Authorities(folder).present() == Present(ONE, "", "")
    assert not folder.path.exists()


FLEET = ("pi1", "pi2")


@pytest.mark.parametrize(
    "phase, reached, is_due, step, waiting",
    [
        (ONE, {}, True, BEGIN, []),
        (ONE, {}, False, STAY, []),
        (BOTH, {}, True, STAY, ["pi1", "pi2"]),
        (BOTH, {"pi1": BOTH}, True, STAY, ["pi2"]),
        (BOTH, {"pi1": BOTH, "pi2": BOTH, "gone": BOTH}, False, MOVE, []),
        (MOVED, {"pi1": MOVED, "pi2": BOTH}, True, STAY, ["pi2"]),
        (MOVED, {"pi1": MOVED, "pi2": MOVED}, False, FINISH, []),
        (ONE, {"pi1": ONE, "pi2": MOVED}, True, STAY, ["pi2"]),
        (ONE, {"pi1": ONE, "pi2": ONE}, True, BEGIN, []),
        (BOTH, {"pi1": UNCONCERNED, "pi2": BOTH}, False, MOVE, []),
        (BOTH, {"pi1": "odd", "pi2": BOTH}, True, STAY, ["pi1"]),
    ],
)
def test_the_next_phase_begins_when_each_host_of_the_fleet_has_reached_the_one_before(
    phase, reached, is_due, step, waiting
):
    assert next_step(phase, reached, FLEET, is_due=is_due) == step
    assert waiting_for(phase, reached, FLEET) == waiting


def test_a_host_is_recorded_in_the_phase_in_which_the_run_has_left_it(authorities):
    until(authorities, IN_BOTH)
    authorities.record("pi1", change(IN_ONE, BEGIN, NEW))
    assert authorities.reached() == {"pi1": BOTH}
    authorities.take(change(IN_BOTH, MOVE))
    assert authorities.reached() == {"pi1": BOTH}
    authorities.record("pi2", change(IN_ONE, BEGIN, NEW))
    assert authorities.reached() == {"pi1": BOTH}, "another run has gone on meanwhile"
    authorities.record("pi1", change(IN_BOTH, MOVE))
    authorities.take(change(IN_MOVED, FINISH))
    authorities.record("pi2", change(IN_MOVED, FINISH))
    assert authorities.reached() == {"pi1": MOVED, "pi2": ONE}


def test_a_host_without_certificates_of_the_authority_is_unconcerned(authorities):
    until(authorities, IN_BOTH)
    authorities.record("pi1", None)
    assert authorities.reached() == {"pi1": UNCONCERNED}
    authorities.take(change(IN_BOTH, MOVE))
    authorities.record("pi1", change(IN_BOTH, MOVE))
    assert authorities.reached() == {"pi1": MOVED}, "it has got some meanwhile"


def test_what_another_run_changes_meanwhile_is_read_as_a_whole(authorities, folder, monkeypatch):
    until(authorities, IN_BOTH)
    real, reads = AuthorityFolder.certificate, []

    def certificate(self):
        reads.append(self.path)
        if len(reads) == 3:
            monkeypatch.undo()
            authorities.take(change(IN_BOTH, MOVE))
        return real(self)

    monkeypatch.setattr(AuthorityFolder, "certificate", certificate)
    assert authorities.present() == IN_MOVED


def test_nothing_is_recorded_without_a_rotation(authorities, folder):
    authorities.record("pi1", Change(STAY, *IN_ONE))
    assert not (folder.path / "rotation.json").exists()


def test_the_record_of_an_earlier_rotation_does_not_count(authorities):
    until(authorities, IN_MOVED)
    authorities.record("pi1", Change(STAY, *IN_MOVED))
    until(authorities, AFTER)
    assert authorities.reached() == {"pi1": MOVED}
    authorities.take(change(AFTER, BEGIN, THIRD))
    assert authorities.reached() == {}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"authority": 1}', "null", '{"hosts": 3}'])
def test_without_a_record_that_can_be_read_hosts_are_visited_again(authorities, folder, text):
    until(authorities, IN_BOTH)
    (folder.path / "rotation.json").write_text(text)
    assert authorities.reached() == {}
    authorities.record("pi1", Change(STAY, *IN_BOTH))
    assert authorities.reached() == {"pi1": BOTH}


def test_a_record_with_odd_hosts_is_none(authorities, folder):
    until(authorities, IN_BOTH)
    authorities.record("pi1", Change(STAY, *IN_BOTH))
    record = folder.path / "rotation.json"
    record.write_text(record.read_text().replace('{\n  "pi1": "both"\n }', "[3]"))
    assert "[3]" in record.read_text()
    assert authorities.reached() == {}
    os.unlink(record)
    assert authorities.reached() == {}
