# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transaction writes and undoes. Restarts are tried on a machine with systemd."""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import time
from types import SimpleNamespace

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import (
    _boot,
    _change,
    _clock,
    _drop_in,
    _points,
    _restart,
    _settings_file,
    _transaction,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _fail2ban, _find, _start_plan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity, _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Unit
from ansible_collections.pifleet.nodered.tests.integration.on_machine import NO_CHANGE

OLD, NEW = "module.exports = {};\n", "module.exports = {uiPort: 1885};\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A Node-RED whose node loads everything, and what happened to it."""
    unit = Unit("nodered.service", {})
    plan = SimpleNamespace(
        service="nodered",
        unit=unit,
        socket=None,
        version="4.1.0",
        identity=_identity.current(),
        settings_file=str(tmp_path / "settings.js"),
        user_for=lambda _path: None,
    )
    found = SimpleNamespace(settings=tmp_path / "settings.js", companion=tmp_path / "our.js", events=[], error=None)
    found.settings.write_text(OLD)

    def check(temporary, *_):
        found.events.append("load")
        found.required = found.companion.exists()
        if found.error:
            raise Failure(found.error)
        return "loaded"

    def restart(_name, _others, _timeout, _remount, loaded, _confirm_within):
        found.events.append(("restart", loaded))
        return {"changed": True, "instance": {}}

    monkeypatch.setattr(_find, "find", lambda _service: (unit, ()))
    monkeypatch.setattr(_start_plan, "plan", lambda _unit: plan)
    monkeypatch.setattr(_systemd, "show", lambda _name: [unit])
    monkeypatch.setattr(_systemd, "run", lambda command, _timeout=0: found.events.append(command[1]) or ok())
    monkeypatch.setattr(_boot, "writing", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(
        _settings_file, "runtime_for", lambda *_: SimpleNamespace(identity=SimpleNamespace(uid=0, gid=0))
    )
    monkeypatch.setattr(_settings_file, "check", check)
    monkeypatch.setattr(_restart, "restart_locked", restart)
    monkeypatch.setattr(_restart, "described", lambda *_: {"changed": True, "instance": {}})
    return found


def ok():
    return SimpleNamespace(returncode=0, stdout="", stderr="")


def request(machine, **given):
    edit = {
        "content": base64.b64encode(NEW.encode()).decode(),
        "checksum": _files.checksum(OLD.encode()),
        "wanted": [],
        "changed": ["uiPort"],
    }
    common = {"service": "nodered", "settings_file": str(machine.settings), "user_dir": str(machine.settings.parent)}
    return _transaction.request({**NO_CHANGE, **common, "edit": edit, "restart": True, "timeout": 10, **given})


def drop_in(**sections):
    return {"unit": "nodered.service", "name": "50-pifleet-port", "sections": sections, "options": []}


def test_all_is_written_before_the_one_load_and_the_restart_uses_what_was_loaded(machine):
    sections = drop_in(Service=[{"UMask": "0077"}])
    result = _transaction.apply(request(machine, companions={"our.js": "1;\n"}, drop_ins=[sections]), 60)
    assert machine.events == ["daemon-reload", "load", ("restart", "loaded")]
    assert machine.required, "the settings may require the companion while they are loaded"
    assert machine.settings.read_text() == NEW
    assert result["changed"] and result["restore_point"] == 1
    assert [path.name for path in machine.settings.parent.glob("settings.js*")] == ["settings.js"], "no copy beside it"


SECRETS = ".pifleet-two-step-nodered.json"


@pytest.fixture
def secrets_file(machine):
    """It belongs to the service user, who is the one that runs the tests."""
    return machine.settings.with_name(SECRETS)


def test_a_file_with_secrets_is_written_for_the_secrets_file_alone_and_ends_all_sessions(machine, secrets_file):
    _transaction.apply(request(machine, private_files={SECRETS: "{}\n"}), 60)
    assert secrets_file.read_text() == "{}\n"
    assert secrets_file.stat().st_mode & 0o777 == 0o600
    assert _change.recorded("nodered").ends_sessions()


def test_an_open_file_with_secrets_is_closed(machine, secrets_file):
    secrets_file.write_text("{}\n")
    secrets_file.chmod(0o644)
    _transaction.apply(request(machine, edit=None, private_files={SECRETS: "{}\n"}), 60)
    assert secrets_file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("before", [None, "old\n"])
def test_a_file_with_secrets_is_put_back_with_the_rest(machine, secrets_file, before):
    machine.error = "SyntaxError"
    if before is not None:
        secrets_file.write_text(before)
        secrets_file.chmod(0o600)
    for text in ("new\n", None):
        with pytest.raises(Failure, match="SyntaxError"):
            _transaction.apply(request(machine, private_files={SECRETS: text}), 60)
        assert (secrets_file.read_text() if secrets_file.exists() else None) == before


@pytest.mark.parametrize(
    "name",
    ["settings.js", ".pifleet-a.json/../../x", "/etc/.pifleet-a.json", ".pifleet-a-used.json", ".pifleet-a.json\n"],
)
def test_a_file_with_secrets_has_a_name_of_this_collection(machine, secrets_file, name):
    with pytest.raises(Failure, match="cannot be the name"):
        _transaction.apply(request(machine, private_files={name: "{}"}), 60)


def test_a_link_in_the_place_of_a_file_with_secrets_is_rejected(machine, secrets_file):
    secrets_file.symlink_to("/etc/passwd")
    with pytest.raises(Failure, match="is a link"):
        _transaction.apply(request(machine, private_files={SECRETS: "{}"}), 60)


def test_what_is_removed_goes_after_the_settings_that_required_it(machine):
    machine.companion.write_text("1;\n")
    _transaction.apply(request(machine, companions={"our.js": None}), 60)
    assert machine.required
    assert not machine.companion.exists()


def test_settings_that_cannot_be_loaded_leave_nothing_behind(machine):
    machine.companion.write_text("1;\n")
    machine.error = "SyntaxError"
    wanted = request(machine, companions={"our.js": "2;\n"}, drop_ins=[drop_in(Service=[{"UMask": "0077"}])])
    with pytest.raises(Failure, match="SyntaxError"):
        _transaction.apply(wanted, 60)
    assert machine.settings.read_text() == OLD
    assert machine.companion.read_text() == "1;\n"
    assert machine.events == ["daemon-reload", "load", "daemon-reload"], "Node-RED was not restarted"
    assert _change.recorded("nodered") is None
    assert [path.name for path in machine.settings.parent.glob("settings.js*")] == ["settings.js"]


def test_settings_that_have_changed_since_they_were_read_are_not_replaced(machine):
    machine.settings.write_text("module.exports = {uiPort: 1};\n")
    with pytest.raises(Failure, match="changed by another program or user"):
        _transaction.apply(request(machine, companions={"our.js": "1;\n"}), 60)
    assert not machine.companion.exists()


def test_an_open_settings_file_is_closed(machine):
    machine.settings.chmod(0o644)
    result = _transaction.apply(request(machine, close_files="private"), 60)
    assert str(machine.settings) in result["closed"]
    assert machine.settings.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("error", [Failure("The paths have changed."), OSError(5, "Input/output error")])
def test_a_restart_that_cannot_even_begin_leaves_nothing_behind(machine, monkeypatch, error):
    def restart(*_):
        raise error

    monkeypatch.setattr(_restart, "restart_locked", restart)
    with pytest.raises(type(error)):
        _transaction.apply(request(machine, companions={"our.js": "1;\n"}), 60)
    assert machine.settings.read_text() == OLD
    assert not machine.companion.exists()
    assert _change.recorded("nodered") is None


def test_a_change_of_the_firewall_alone_keeps_its_files_as_they_were_before_and_notes_edits(machine, tmp_path):
    now, before = tmp_path / "user.rules", tmp_path / "armed"
    now.write_text("new")
    before.write_text("old")

    def files():
        return [_points.Subject(_points.FIREWALL, str(now), None, str(before))], [str(now)]

    for _run in range(2):
        _transaction.apply(request(machine, edit=None, restart=False, firewall=True), 60, files)
    first, second = _points.points("nodered")
    assert first.data(first.entries[-1].before) == b"old"
    assert list(first.summary) == ["firewall: changed"]
    assert (list(first.edited), list(second.edited)) == ([], [str(now)]), "before the first run nothing was edited"
    assert machine.events == []


def settings_edit(machine, text):
    return {
        "content": base64.b64encode(text.encode()).decode(),
        "checksum": _files.checksum(machine.settings.read_bytes()),
        "wanted": [],
        "changed": [],
    }


COMPANION, UNIT_DROP_IN = "pifleet-sessions.js", "50-pifleet-sessions"


@pytest.fixture
def secured(machine):
    """After a first run that has brought a companion and a drop-in, and a second one that has changed both."""
    for text in ("1", "2"):
        sections = {**drop_in(Service=[{"UMask": "007" + text}]), "name": UNIT_DROP_IN}
        edit = settings_edit(machine, NEW + text)
        _transaction.apply(request(machine, edit=edit, companions={COMPANION: text}, drop_ins=[sections]), 60)
        _change.forget("nodered")
    machine.companion = machine.settings.parent / COMPANION
    machine.drop_in = _drop_in.DropIn("nodered.service", UNIT_DROP_IN, {}, ()).path
    return machine


def restore(machine, number, text):
    return _transaction.apply(request(machine, edit=settings_edit(machine, text), restore=number), 60)


def test_a_restore_brings_companions_and_drop_ins_of_the_point_back(secured):
    result = restore(secured, 2, NEW + "1")
    assert (secured.settings.read_text(), secured.companion.read_text()) == (NEW + "1", "1")
    assert "UMask=0071" in pathlib.Path(secured.drop_in).read_text()
    assert result["restore_point"] == 3
    assert secured.events[-3:] == ["daemon-reload", "load", ("restart", "loaded")]


def test_a_restore_of_the_first_point_removes_them_and_can_be_restored_itself(secured):
    restore(secured, 1, OLD)
    _change.forget("nodered")
    assert not secured.companion.exists() and not os.path.exists(secured.drop_in)
    restore(secured, 3, NEW + "2")
    assert secured.companion.read_text() == "2"
    assert "UMask=0072" in pathlib.Path(secured.drop_in).read_text()


def test_a_restore_that_cannot_be_loaded_leaves_everything_and_no_point(secured):
    secured.error = "SyntaxError"
    with pytest.raises(Failure, match="SyntaxError"):
        restore(secured, 1, OLD)
    assert secured.companion.read_text() == "2"
    assert "UMask=0072" in pathlib.Path(secured.drop_in).read_text()
    assert [point.number for point in _points.points("nodered")] == [1, 2]


def test_a_point_that_is_missing_or_damaged_restores_nothing(secured):
    with pytest.raises(Failure, match="no restore point 7"):
        restore(secured, 7, OLD)
    point = _points.points("nodered")[1]
    copy = next(entry.before.copy for entry in point.entries if entry.subject.kind == _points.COMPANION)
    with open(os.path.join(point.folder, copy), "w") as stream:
        stream.write("other")
    with pytest.raises(Failure, match="damaged"):
        restore(secured, 2, NEW + "1")
    assert (secured.settings.read_text(), secured.companion.read_text()) == (NEW + "2", "2")


def test_a_restore_writes_only_into_the_folders_of_now(secured, tmp_path):
    """Where a drop-in of another unit was, or a companion beside another settings file, nothing is written."""
    point = _points.points("nodered")[1]
    manifest = os.path.join(point.folder, _points.MANIFEST)
    with open(manifest) as stream:
        text = stream.read()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    changed = text.replace(os.path.dirname(secured.drop_in), str(elsewhere))
    changed = changed.replace(str(secured.companion), str(elsewhere / COMPANION))
    with open(manifest, "w") as stream:
        stream.write(changed)
    restore(secured, 2, NEW + "1")
    assert list(elsewhere.iterdir()) == []


@pytest.fixture
def jail(tmp_path, monkeypatch):
    """The file of the jail in a fail2ban that accepts everything."""
    monkeypatch.setattr(_fail2ban, "FOLDER", str(tmp_path / "fail2ban"))
    for name in (_fail2ban.FILTERS, _fail2ban.JAILS):
        (tmp_path / "fail2ban" / name).mkdir(parents=True)
    return tmp_path / "fail2ban" / JAIL


JAIL = "jail.d/pifleet-nodered.local"


def test_a_jail_is_written_after_the_load_and_restored_with_the_rest(machine, jail):
    _transaction.apply(request(machine, fail2ban={JAIL: "[pifleet-nodered]\n"}), 60)
    assert machine.events == ["load", "ping", "--test", "reload", "status", ("restart", "loaded")]
    assert jail.read_text() == "[pifleet-nodered]\n"
    _change.forget("nodered")
    restore(machine, 1, OLD)
    assert not jail.exists()
    _change.forget("nodered")
    restore(machine, 2, NEW)
    assert jail.read_text() == "[pifleet-nodered]\n"


def test_a_jail_that_is_rejected_takes_everything_back(machine, jail, monkeypatch):
    def run(command, _timeout=0):
        machine.events.append(command[1])
        return SimpleNamespace(returncode=int(command[1] == "status"), stdout="", stderr="no such jail\n")

    monkeypatch.setattr(_systemd, "run", run)
    with pytest.raises(Failure, match="has not started the jail pifleet-nodered: no such jail"):
        _transaction.apply(request(machine, companions={"our.js": "1"}, fail2ban={JAIL: "[x]\n"}), 60)
    assert not jail.exists() and not machine.companion.exists()
    assert machine.settings.read_text() == OLD
    assert machine.events[-2:] == ["--test", "reload"], "it reads what was there before"


def test_work_that_takes_too_long_is_rolled_back_however_long_that_takes(machine, monkeypatch):
    """The end may come when all is written, and a rollback is not ended by it."""
    undo = _change.undo

    def slowly(change):
        time.sleep(0.6)
        return undo(change)

    monkeypatch.setattr(_change, "undo", slowly)
    monkeypatch.setattr(_restart, "restart_locked", lambda *_: time.sleep(10))
    with pytest.raises(_deadline.OutOfTime):
        _transaction.apply(request(machine, companions={"our.js": "1;\n"}), 0.5)
    assert machine.settings.read_text() == OLD
    assert not machine.companion.exists()
    assert _change.recorded("nodered") is None


def test_a_rollback_that_has_begun_is_not_ended(machine, monkeypatch):
    machine.error = "SyntaxError"
    undo = _change.undo

    def slowly(change):
        time.sleep(1.5)
        return undo(change)

    monkeypatch.setattr(_change, "undo", slowly)
    with pytest.raises(Failure, match="SyntaxError"):
        _transaction.apply(request(machine, companions={"our.js": "1;\n"}), 1)
    assert not machine.companion.exists()


def test_without_a_restart_none_happens(machine):
    _transaction.apply(request(machine, edit=None, restart=False), 60)
    assert machine.events == []


@pytest.mark.parametrize("given", [{}, {"service": "nodered"}, {"edit": "x"}])
def test_a_request_of_another_form_is_rejected(given):
    with pytest.raises(Failure, match="not what the action plugin sends"):
        _transaction.request(given)


def answer(keep):
    asked = {"service": "nodered", "confirmation": "c0ffee", "keep": keep, "timeout": 10, "remount": False}
    return _transaction.answer(asked)


@pytest.fixture
def settled(machine, monkeypatch):
    """What was done with the change that waits."""
    done = []
    monkeypatch.setattr(_restart, "confirm_locked", lambda *_: done.append("kept") or {"changed": True})
    monkeypatch.setattr(_restart, "roll_back_locked", lambda *_: done.append("rolled back") or {"failed": True})
    monkeypatch.setattr(_clock, "stop", lambda *_: None)
    return done


def test_a_change_that_waits_for_its_confirmation_is_kept_or_rolled_back_as_the_answer_says(machine, settled):
    _transaction.apply(request(machine, confirmation="c0ffee", confirm_within=90, rotated=["login"]), 60)
    waits = _change.recorded("nodered")
    assert (waits.confirmation, waits.rotated) == ("c0ffee", ["login"])
    assert _transaction.settle(answer(True), 60) == {"changed": True}
    assert _transaction.settle(answer(False), 60) == {"failed": True}
    assert settled == ["kept", "rolled back"]


def test_another_change_does_not_confirm_the_one_that_waits(machine):
    _transaction.apply(request(machine, confirmation="c0ffee", confirm_within=90), 60)
    edit = {"content": base64.b64encode(OLD.encode()).decode(), "checksum": _files.checksum(NEW.encode())}
    with pytest.raises(Failure, match="A rotation of passwords waits for its confirmation"):
        _transaction.apply(request(machine, edit={**edit, "wanted": [], "changed": ["uiPort"]}), 60)
    assert machine.settings.read_text() == NEW
    assert _change.recorded("nodered").confirmation == "c0ffee"


def test_an_error_after_the_restart_leaves_a_change_that_waits_to_the_clock(machine, monkeypatch):
    """Node-RED has the new password then. With the old files beside it, the old one would be valid after a restart."""

    def restart(*_):
        monkeypatch.setattr(_systemd, "show", lambda name: [Unit(name, {"MainPID": [str(os.getpid())]})])
        raise Failure("no time is left")

    monkeypatch.setattr(_restart, "restart_locked", restart)
    with pytest.raises(Failure, match="no time is left"):
        _transaction.apply(request(machine, confirmation="c0ffee", confirm_within=90), 60)
    assert machine.settings.read_text() == NEW
    assert _change.recorded("nodered").confirmation == "c0ffee"


def test_a_change_without_a_restart_waits_for_no_confirmation(machine):
    _transaction.apply(request(machine, confirmation="c0ffee", confirm_within=90, restart=False), 60)
    assert _change.recorded("nodered").confirmation == ""


def test_an_answer_for_a_change_that_does_not_wait_any_more_is_an_error(machine, settled):
    _transaction.apply(request(machine), 60)
    with pytest.raises(Failure, match="does not wait for its confirmation any more"):
        _transaction.settle(answer(True), 60)
    assert settled == []


def test_what_is_in_no_record_waits_for_no_confirmation(machine):
    """A certificate was tried out. Node-RED reads it while it runs, or is restarted."""
    result = _transaction.apply(request(machine, edit=None, confirmation="c0ffee", confirm_within=90), 60)
    assert result["changed"]
    assert _change.recorded("nodered") is None


@pytest.mark.parametrize("confirmation", ["../x", "A", "0" * 33, 7])
def test_a_confirmation_that_no_unit_name_can_have_is_rejected(machine, confirmation):
    with pytest.raises(Failure):
        request(machine, confirmation=confirmation)
