# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The target part of `settings`, without a service, with this machine's own node."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import pwd
import shutil
import subprocess

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Command, Unit
from ansible_collections.pifleet.nodered.plugins.modules import settings as module

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="there is no node on this machine")

OLD, NEW = b"module.exports = {uiPort: 1880};\n", b"module.exports = {uiPort: 1881};\n"
WANTED = [{"path": ["uiPort"], "value": 1881}]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "settings.js"
    path.write_bytes(OLD)
    return path


def handed_over(new=NEW, wanted=None, checksum=None):
    edit = {
        "content": base64.b64encode(new).decode(),
        "checksum": checksum or _files.checksum(OLD),
        "wanted": WANTED if wanted is None else wanted,
        "changed": ["uiPort"],
    }
    return module.handed_over(json.dumps(edit))


def parameters(path, **options):
    defaults = {name: spec.get("default") for name, spec in module.ARGUMENT_SPEC.items()}
    return {**defaults, "path": str(path), **options}


def write(path, *edit, check_mode=False, checksum=None, wanted=None, **options):
    return module.write(parameters(path, **options), handed_over(*edit, wanted=wanted, checksum=checksum), check_mode)


def untouched(path):
    return path.read_bytes() == OLD and os.listdir(path.parent) == ["settings.js"]


def test_reading_brings_the_bytes_and_their_checksum(path):
    read = module.read(parameters(path))
    assert base64.b64decode(read["content"]) == OLD
    assert (read["checksum"], read["path"], read["changed"]) == (_files.checksum(OLD), str(path), False)


def test_writing_replaces_the_file_and_leaves_a_backup(path):
    result = write(path)
    assert result["changed"]
    assert result["settings"] == ["uiPort"]
    assert path.read_bytes() == NEW
    assert pathlib.Path(result["backup_file"]).read_bytes() == OLD


def test_a_backup_can_be_done_without(path):
    assert write(path, backup=False)["backup_file"] is None
    assert os.listdir(path.parent) == ["settings.js"]


def test_the_same_text_changes_nothing(path):
    assert write(path, OLD) == {"changed": False, "path": str(path), "settings": ["uiPort"]}
    assert untouched(path)


def test_check_mode_makes_all_checks_and_no_change(path):
    assert write(path, check_mode=True)["changed"]
    assert untouched(path)
    with pytest.raises(Failure, match="cannot be loaded"):
        write(path, b"module.exports = {", check_mode=True)
    assert untouched(path)


def test_a_file_that_changed_since_it_was_read_is_not_replaced(path):
    with pytest.raises(Failure, match="changed by another program or user") as failure:
        write(path, checksum=_files.checksum(b"something else"))
    assert "Run again" in str(failure.value)
    assert untouched(path)


def test_a_change_while_the_new_text_is_checked_is_noticed_too(path):
    hand_edit = f"require('fs').appendFileSync({json.dumps(str(path))}, '// by hand');"
    with pytest.raises(Failure, match="changed by another program or user"):
        write(path, hand_edit.encode() + NEW)
    assert path.read_bytes() == OLD + b"// by hand"
    assert os.listdir(path.parent) == ["settings.js"], "the backup of a write that failed goes"


@pytest.mark.parametrize(
    "new, problem",
    [
        (b"module.exports = {uiPort: 1881", "SyntaxError"),
        (b"require('no-such-module'); module.exports = {uiPort: 1881}", "no-such-module"),
        (b"module.exports = {uiPort: 1881}; module.exports.uiPort = 1880", "not in effect in what it exports: uiPort"),
    ],
)
def test_a_candidate_that_does_not_do_never_replaces_the_file(path, new, problem):
    with pytest.raises(Failure, match=problem):
        write(path, new)
    assert untouched(path)


def test_a_file_that_could_not_be_loaded_before_is_reported_with_the_change(path):
    broken = b"require('no-such-module');\n"
    with pytest.raises(Failure, match="cannot be loaded") as failure:
        write(path, broken + NEW)
    assert "present file" not in str(failure.value)
    path.write_bytes(broken + OLD)
    with pytest.raises(Failure, match="The present file cannot be loaded, either") as failure:
        write(path, broken + NEW, checksum=_files.checksum(broken + OLD))
    assert "does not start again" in str(failure.value)


def test_without_validation_the_text_is_taken_as_it_is(path):
    write(path, b"module.exports = {", validate=False)
    assert path.read_bytes() == b"module.exports = {"


def test_a_link_stays_and_the_file_at_its_end_changes(path, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "settings.js"
    link.symlink_to(path)
    assert write(link)["path"] == str(path)
    assert link.is_symlink()
    assert path.read_bytes() == NEW


def test_relative_requires_of_the_candidate_work_as_those_of_the_file(path, tmp_path):
    (tmp_path / "more.js").write_text("module.exports = 1881")
    write(path, b"module.exports = {uiPort: require('./more'), dir: __dirname};")


def test_a_file_of_an_installed_package_is_never_edited(tmp_path):
    folder = tmp_path / "node_modules" / "node-red"
    folder.mkdir(parents=True)
    (folder / "settings.js").write_bytes(OLD)
    with pytest.raises(Failure, match="never edited"):
        module.read(parameters(folder / "settings.js"))


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_file_is_damaged(path, content):
    path.write_bytes(content)
    with pytest.raises(Failure, match="damaged"):
        module.read(parameters(path))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"content": "?"}', "not JSON"])
def test_what_no_action_plugin_hands_over_is_refused(text):
    with pytest.raises(Failure, match="_edit"):
        module.handed_over(text)


def test_secret_options_are_kept_out_of_logs():
    assert all(module.ARGUMENT_SPEC[name]["no_log"] for name in ("_edit", "source"))


def test_a_node_and_a_user_that_do_not_exist_are_named(path):
    with pytest.raises(Failure, match="/no/node"):
        write(path, node="/no/node")
    with pytest.raises(Failure, match="no-such-user"):
        write(path, user="no-such-user")
    assert untouched(path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_file_of_root_in_a_folder_of_another_user_is_worked_on_as_that_user(path, open_folders, recwarn):
    nobody = pwd.getpwnam("nobody")
    os.chown(path.parent, nobody.pw_uid, nobody.pw_gid)
    path.chmod(0o644)
    write(path, b"module.exports = {uiPort: 1881, uid: process.getuid()};", wanted=[{"path": ["uid"], "value": 65534}])
    assert path.owner() == "nobody"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_in_a_folder_of_root_is_not_loaded_as_root(path, open_folders):
    os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
    write(path, b"module.exports = {uiPort: 1881, uid: process.getuid()};", wanted=[{"path": ["uid"], "value": 65534}])
    assert path.owner() == "nobody"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_the_user_that_loads_the_text_has_no_descriptor_of_the_file_that_replaces_the_old_one(path, open_folders):
    note = path.parent / "note"
    note.touch()
    note.chmod(0o666)
    # A number of a deleted file is given to the next one, so the time of birth counts as well.
    look = "const {ino, birthtimeNs} = require('fs').statSync(FILE, {bigint: true}), found = `${ino} ${birthtimeNs}`;"
    text = look.replace("FILE", "__filename") + "require('fs').writeFileSync(__dirname + '/note', found);"
    write(path, text.encode() + b"module.exports = {uiPort: 1881};", user="nobody")
    assert path.owner() == "root"
    command = ["node", "-e", look.replace("FILE", "process.argv[1]") + "console.log(found)", path]
    written = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert note.read_text() != written


@pytest.fixture
def service(tmp_path, monkeypatch):
    command = Command(["/usr/bin/env", "node-red"], ["SITE_PORT=1881"], [])
    shown = {"LoadState": ["loaded"], "MainPID": [str(os.getpid())], "User": [str(os.getuid())]}
    monkeypatch.setattr(_systemd, "show", lambda *_names: [Unit("nodered.service", shown)])
    monkeypatch.setattr(_systemd, "command", lambda _unit: command)
    monkeypatch.setattr(_systemd, "manager_environment", lambda: {"PATH": os.environ["PATH"]})
    return "nodered"


def test_with_a_service_its_environment_loads_the_text_and_the_change_waits(path, service):
    result = write(path, b"module.exports = {uiPort: Number(process.env.SITE_PORT)};", service=service)
    assert _change.waiting(service, os.getpid())
    record = _change.recorded(service)
    assert record.settings == ["uiPort"]
    assert record.backup_of(str(path)) == result["backup_file"]


def test_a_second_change_before_the_restart_leaves_no_second_backup(path, service):
    first = write(path, service=service)
    second = write(path, NEW + b"//", service=service, checksum=_files.checksum(NEW))
    assert second["backup_file"] == first["backup_file"]
    assert len(list(path.parent.glob("settings.js.*~"))) == 1


def test_without_a_backup_there_is_still_a_way_back(path, service):
    write(path, service=service, backup=False)
    _change.undo(_change.recorded(service))
    assert path.read_bytes() == OLD


def test_check_mode_leaves_no_trace_of_a_service(path, service, tmp_path):
    assert write(path, service=service, check_mode=True)["changed"]
    assert not (tmp_path / "state").exists()
