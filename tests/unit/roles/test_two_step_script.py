# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who logs in with the two-step login beside settings.js, in Node.js itself; its bcryptjs is a stand-in."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._totp import code, step_at
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _totp
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._totp import Enrolment

SCRIPT = pathlib.Path(__file__).parents[3] / "roles" / "login" / "files" / _totp.COMPANION
BCRYPTJS = """
exports.compare = function (password, hash, callback) {
    if (hash === 'throws') { throw new Error('out of memory'); }
    setImmediate(function () { callback(null, hash === 'hash of ' + password); });
};
"""
# Each login is a user name, what was typed, and the time; a list of such logins begins at once.
RED = """
const settings = require(process.argv[2]);
const all = JSON.parse(process.argv[3]);
process.on('unhandledRejection', () => process.exit(70));
let now = 0;
Date.now = () => now * 1000;
const one = (login) => {
    now = login[2];
    const answer = settings.adminAuth.authenticate(login[0], login[1]);
    return answer.then((user) => (user === undefined ? 'undefined' : user));
};
let done = Promise.resolve([]);
all.forEach((logins) => {
    done = done.then((answers) => Promise.all(logins.map(one)).then((more) => answers.concat(more)));
});
done.then((answers) => console.log(JSON.stringify(answers)));
"""
ADA = Enrolment(bytes(range(20)), ("abcd-efgh-jkmn-pqrs", "tuvw-xyza-bcde-fghj"))
EVE = Enrolment(bytes(20), ("aaaa-bbbb-cccc-dddd",))
USERS = [
    {"username": "ada", "password": "hash of right", "permissions": "*"},
    {"username": "bob", "password": "hash of right", "permissions": "read"},
    {"username": "eve", "password": "throws", "permissions": "*"},
]
NOW = 1_790_000_000
IN = {"username": "ada", "permissions": "*"}


class Machine:
    """A user directory with the script, and a Node-RED package as npm installs it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.red = folder / "lib" / "node-red" / "red.js"
        self.settings = folder / "user" / "settings.js"
        self.secrets = folder / "user" / ".pifleet-two-step-nodered.json"
        self.used = folder / "user" / ".pifleet-two-step-nodered-used.json"
        bcryptjs = self.red.parent / "node_modules" / "bcryptjs"
        bcryptjs.mkdir(parents=True)
        (bcryptjs / "index.js").write_text(BCRYPTJS)
        self.red.write_text(RED)
        self.settings.parent.mkdir()
        shutil.copy(SCRIPT, self.settings.parent)
        auth = _totp.setting(["ada", "eve"], str(self.secrets))["$js"]
        self.settings.write_text(
            f"module.exports = {{ adminAuth: {{ users: {json.dumps(USERS)}, authenticate: {auth} }} }};"
        )
        self.secrets.write_text(_totp.host_text({"ada": ADA, "eve": EVE}))
        self.said = ""

    def log_in(self, *logins, at_once=False):
        """Who was let in by each, in a new process of Node-RED."""
        listed = [list(logins)] if at_once else [[login] for login in logins]
        done = subprocess.run(
            ["node", str(self.red), str(self.settings), json.dumps(listed)],
            capture_output=True,
            text=True,
            timeout=30,
            cwd="/",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self.said = done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def typed(steps=0, at=NOW, password="right"):
    """Ada's password and the code of a step after (or before) this time."""
    return password + code(ADA.secret, step_at(at) + steps)


def test_the_password_alone_fails_and_with_the_code_it_works(machine):
    assert machine.log_in(("ada", "right", NOW), ("ada", typed(), NOW)) == [None, IN]
    assert machine.said == ""


def test_the_right_code_after_a_wrong_password_fails(machine):
    assert machine.log_in(("ada", typed(password="wrong"), NOW), ("ada", code(ADA.secret, step_at(NOW)), NOW)) == [
        None,
        None,
    ]
    assert not machine.used.exists(), "a code is not used up by a wrong password"


@pytest.mark.parametrize(("steps", "who"), [(-2, None), (-1, IN), (0, IN), (1, IN), (2, None)])
def test_a_code_may_be_one_step_early_or_late(machine, steps, who):
    assert machine.log_in(("ada", typed(steps), NOW)) == [who]


def test_a_code_works_once_also_after_a_restart(machine):
    assert machine.log_in(("ada", typed(), NOW), ("ada", typed(), NOW)) == [IN, None]
    assert machine.log_in(("ada", typed(), NOW + 29)) == [None]
    assert machine.log_in(("ada", typed(-1), NOW), ("ada", typed(1), NOW)) == [None, IN]


def test_two_logins_with_the_same_code_at_once_are_one(machine):
    answers = machine.log_in(*[("ada", typed(), NOW)] * 5, at_once=True)
    assert answers.count(IN) == 1
    assert answers.count(None) == 4


def test_what_is_kept_is_for_the_service_user_only_and_discloses_nothing(machine):
    machine.log_in(("ada", typed(), NOW), ("ada", "right" + ADA.recovery_codes[0], NOW))
    assert machine.used.stat().st_mode & 0o777 == 0o600
    text = machine.used.read_text()
    assert ADA.secret.hex() not in text
    assert ADA.recovery_codes[0] not in text
    assert sorted(os.listdir(machine.used.parent)) == sorted(
        [machine.used.name, machine.secrets.name, "settings.js", SCRIPT.name]
    )


def test_a_user_without_it_logs_in_with_the_password_alone(machine):
    bob = {"username": "bob", "permissions": "read"}
    assert machine.log_in(("bob", "right", NOW), ("bob", "wrong", NOW), ("bob", typed(), NOW)) == [bob, None, None]


def test_a_user_who_does_not_exist_and_odd_arguments_are_denied(machine):
    logins = [
        (None, "right"),
        ("mallory", "right"),
        ("__proto__", "right"),
        (None, None),
        ("ada", None),
        ("ada", {}),
        ("ada", "9" * 2000),
    ]
    assert machine.log_in(*[(*login, NOW) for login in logins]) == [None] * len(logins)


def test_a_recovery_code_works_once_and_at_any_time(machine):
    first, second = ADA.recovery_codes
    assert machine.log_in(("ada", "wrong" + first, NOW), ("ada", "right" + first, 0)) == [None, IN]
    assert '"ada" has used a recovery code; 1 are left' in machine.said
    assert machine.log_in(("ada", "right" + first, NOW), ("ada", "right" + second.upper(), NOW)) == [None, IN]
    assert machine.log_in(("ada", "right" + EVE.recovery_codes[0], NOW)) == [None]
    assert first not in machine.said


def wrong_codes(number, at=NOW):
    right = {code(ADA.secret, step_at(at) + steps) for steps in (-1, 0, 1)}
    guesses = (f"{guess:06}" for guess in range(100))
    return [("ada", "right" + guess, at) for guess in guesses if guess not in right][:number]


def test_after_five_wrong_codes_the_right_one_has_to_wait_also_after_a_restart(machine):
    assert machine.log_in(*wrong_codes(5)) == [None] * 5
    assert '5 wrong codes came after the right password of "ada"' in machine.said
    later = NOW + 14 * 60
    assert machine.log_in(("ada", typed(at=later), later)) == [None]
    assert '"ada" cannot use codes until 2026-09-21T14:28:20.000Z' in machine.said
    assert machine.log_in(("ada", "right" + ADA.recovery_codes[0], later), ("ada", typed(at=later), later)) == [IN, IN]
    machine.log_in(*wrong_codes(4))
    assert machine.log_in(("ada", typed(2, at=later), later + 60)) == [IN], "a login starts the count anew"


def test_each_further_wrong_code_doubles_the_wait_up_to_a_day(machine):
    machine.log_in(*wrong_codes(5))
    for minutes in (15, 30, 60, 120, 240, 480, 960, 1440, 1440):
        since = json.loads(machine.used.read_text())["users"][0]["since"]
        before, after = since + minutes * 60 - 1, since + minutes * 60
        assert machine.log_in(("ada", typed(at=before), before)) == [None]
        assert machine.log_in(*wrong_codes(1, at=after)) == [None]
        assert json.loads(machine.used.read_text())["users"][0]["since"] == after


def test_a_clock_that_was_ahead_is_named(machine):
    day = 86400
    assert machine.log_in(("ada", typed(at=NOW + day), NOW + day), ("ada", typed(), NOW)) == [IN, None]
    assert "The clock of this machine was ahead when" in machine.said
    assert "codes are refused until 2026-09-22T14:13:00.000Z" in machine.said
    assert machine.log_in(("ada", "right" + ADA.recovery_codes[0], NOW)) == [IN]


def test_a_new_secret_has_used_nothing(machine):
    assert machine.log_in(("ada", typed(), NOW)) == [IN]
    new = Enrolment(bytes(range(1, 21)), ADA.recovery_codes)
    machine.secrets.write_text(_totp.host_text({"ada": new, "eve": EVE}))
    assert machine.log_in(("ada", typed(1), NOW), ("ada", "right" + code(new.secret, step_at(NOW)), NOW)) == [None, IN]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "ENOENT"),
        ("", "it is no JSON"),
        ('{"users": 1}', "it has no list of users"),
        ("null", "null"),
        ('{"users": []}', 'it has no secret of "ada"'),
        ('{"users": [null, {"username": "ada", "secret": "00", "recovery": []}]}', 'it has no secret of "ada"'),
        (" " * 2**21, "it is too large"),
    ],
)
def test_without_usable_secrets_the_login_is_denied_and_others_work(machine, text, why):
    if text is None:
        machine.secrets.unlink()
    else:
        machine.secrets.write_text(text)
    answers = machine.log_in(("ada", "right", NOW), ("ada", typed(), NOW), ("bob", "right", NOW))
    assert answers[:2] == [None, None]
    assert answers[2]["username"] == "bob"
    assert "cannot be used, so users with two-step login cannot log in: " in machine.said
    assert why in machine.said
    assert "Run the playbook again." in machine.said


@pytest.mark.parametrize("text", ["", "{", '{"users": {}}', '{"users": [{"username": "ada", "of": "OF"}]}'])
def test_a_damaged_list_of_used_codes_denies_the_login(machine, text):
    machine.log_in(("ada", typed(), NOW))
    of = json.loads(machine.used.read_text())["users"][0]["of"]
    machine.used.write_text(text.replace("OF", of))
    assert machine.log_in(("ada", typed(1), NOW)) == [None]
    assert "Remove it; recovery codes that were used before work once more then." in machine.said


def test_a_code_that_cannot_be_noted_as_used_denies_the_login(machine):
    machine.used.with_name(machine.used.name + ".new").mkdir()
    assert machine.log_in(("ada", typed(), NOW)) == [None]
    assert "cannot be written, so no code can be used: EISDIR" in machine.said
    assert machine.log_in(("ada", typed(), NOW), ("bob", "right", NOW))[1]["username"] == "bob"


def test_a_failing_bcrypt_denies_and_does_not_end_node_red(machine):
    assert machine.log_in(("eve", "right" + code(EVE.secret, step_at(NOW)), NOW)) == [None]
    assert "out of memory" in machine.said
    shutil.rmtree(machine.red.parent / "node_modules")
    assert machine.log_in(("ada", typed(), NOW), ("bob", "right", NOW)) == [None, None]
    assert "the bcryptjs of Node-RED was not found, so no user can log in" in machine.said


def test_code_of_the_script_is_that_of_the_rfc(machine):
    # RFC 6238, appendix B, the last six digits.
    rfc = Enrolment(b"12345678901234567890", ())
    machine.secrets.write_text(_totp.host_text({"ada": rfc}))
    times = {59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}
    assert machine.log_in(*[("ada", "right" + digits, at) for at, digits in times.items()]) == [IN] * 4
