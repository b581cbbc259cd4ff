# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role `login` on real machines: who gets in, who no longer does, and whose login is left alone."""

from __future__ import annotations

from passlib.hash import bcrypt

from .recording import leaks
from .two_step import (
    CODE_REQUIRED,
    CODE_USED_ONCE,
    EXAMPLE,
    enrolment,
    judge_login,
    probe_task,
    renewing,
    secrets_of,
    settings_for_machines,
    shows_qr_code,
)
from .users import LOGIN_WORKS, USERS

# Only what this is about: test_secure.py and the Molecule scenarios have all roles together.
ROLES = ["login"]


def test_each_change_of_the_users_ends_the_sessions_of_those_whom_it_concerns(fleet, pi31, variables):
    def give(*users):
        assert not fleet.play(ROLES, variables=variables | {"nodered_login_users": list(users)}, limit="pi31").failed

    ada, wall = USERS
    give(ada, wall)
    only_looking = pi31.login("wall", wall["password"])
    assert pi31.get("/flows", token=only_looking).status == 200
    assert pi31.post("/flows", {}, token=only_looking).status == 401

    changed = {**ada, "password": "another secret of hers"}
    ready = bcrypt.using(rounds=8, ident="2b").hash("made elsewhere")
    for old, new in (
        (ada, changed),
        (changed, {**changed, "permissions": "read"}),
        ({**changed, "permissions": "read"}, {"username": "bob", "password_hash": ready}),
    ):
        token = pi31.login("ada", old["password"])
        assert pi31.get("/flows", token=token).status == 200
        give(new)
        assert pi31.get("/flows", token=token).status == 401
    assert ready in pi31.settings, "a ready hash is taken as it is"
    assert pi31.login("bob", "made elsewhere")


def test_the_verification_uses_only_passwords_that_have_changed(fleet, play, pi41, variables):
    both, one = ({**variables, "nodered_login_users": users} for users in (USERS, USERS[:1]))
    assert fleet.play(ROLES, variables=both, limit="pi41").judged(LOGIN_WORKS) == ["pass"]
    removed = fleet.play(ROLES, variables=one, limit="pi41")
    assert removed.recap["pi41"]["changed"] > 0
    assert removed.says("wall can no longer log in.")
    assert removed.judged(LOGIN_WORKS) == ["skip"], "the login of the user who is left is the same"
    # As a run leaves it that is interrupted before the restart.
    change = {"path": pi41.settings_file, "service": "nodered", "set": {"uiPort": 1885}}
    assert not play(pi41, {"pifleet.nodered.settings": change}).failed
    assert fleet.play(ROLES, variables=one, limit="pi41").judged(LOGIN_WORKS) == ["pass"]


def test_a_login_that_somebody_else_set_up_is_left_alone(fleet, pi41, variables, passwords):
    fleet.play(ROLES, variables=variables | {"nodered_login_users": USERS}, limit="pi41")
    settings = pi41.settings
    run = fleet.play(ROLES, variables=variables, limit="pi41")
    assert not run.failed
    assert pi41.settings == settings
    assert not passwords.exists()
    passwords.mkdir()
    (passwords / "pi41").write_text("left over from a machine of that name\n")
    assert not fleet.play(ROLES, variables=variables, limit="pi41").failed
    assert pi41.settings == settings


def test_a_login_by_code_is_left_alone_until_told(fleet, pi41, variables):
    pi41.write(
        f"/home/{pi41.user}/.node-red/login.js", "module.exports = {type: 'credentials', users: [], default: null};\n"
    )
    pi41.change_settings("module.exports = {\n", "module.exports = {\n    adminAuth: require('./login.js'),\n")
    pi41.run("systemctl restart nodered")
    pi41.wait_until_it_serves()
    assert not fleet.play(ROLES, variables=variables, limit="pi41").failed
    run = fleet.play(ROLES, variables=variables | {"nodered_login_users": USERS}, limit="pi41")
    assert run.failed
    assert run.says("nodered_login_users has no effect", "nodered_login_replace")
    assert "require('./login.js')" in pi41.settings
    run = fleet.play(
        "secure", variables=variables | {"nodered_login_users": USERS, "nodered_login_replace": True}, limit="pi41"
    )
    assert not run.failed
    assert pi41.login("ada", USERS[0]["password"])


def test_a_login_in_two_steps_with_a_token_for_machines(fleet, play, pi31, variables, recording, tmp_path):
    pi31.run(f"echo MACHINE_TOKEN=of-the-collector >/home/{pi31.user}/.node-red/environment")
    pi31.change_settings("module.exports = {\n", "module.exports = {\n" + settings_for_machines())
    wanted = variables | EXAMPLE
    options = {"limit": "pi31", "environment": recording.environment}
    first = fleet.play(ROLES, "-vvv", "--diff", variables=wanted, **options)
    assert not first.failed
    assert [first.judged(title) for title in (CODE_REQUIRED, LOGIN_WORKS, CODE_USED_ONCE)] == [["pass"]] * 3
    second = fleet.play(ROLES, variables=wanted, limit="pi31")
    assert not second.failed
    assert second.recap["pi31"]["changed"] == 0
    judge_login(pi31, tmp_path / "totp")
    assert pi31.get("/flows", token="of-the-collector").status == 200
    assert pi31.post("/flows", {}, token="of-the-collector").status == 401
    old = enrolment(tmp_path / "totp", "pi31")
    folder = f"/home/{pi31.user}/.node-red"
    assert pi31.run(f"stat -c '%U %a' {folder}/.pifleet-two-step-*").split() == [pi31.user, "600"] * 2
    assert old.secret.hex() in pi31.read(f"{folder}/.pifleet-two-step-nodered.json")
    assert old.secret.hex() not in pi31.settings
    renewed = fleet.play(ROLES, "-vvv", "--diff", variables=wanted | renewing(), **options)
    assert [renewed.judged(title) for title in (CODE_REQUIRED, LOGIN_WORKS, CODE_USED_ONCE)] == [["pass"]] * 3
    new = enrolment(tmp_path / "totp", "pi31")
    assert new != old
    ada = {"username": "ada", "password": wanted["vault_ada"], "totp_secret": new.secret_text}
    probed = play(pi31, probe_task(pi31), probe_login=ada)
    assert not probed.failed
    assert probed.output.count('"status": "pass"') == 4
    shown = first.output + renewed.output + recording.text + pi31.journal()
    assert not shows_qr_code(shown)
    for found in (old, new):
        assert not [each for secret in (*secrets_of(found), found.secret.hex()) for each in leaks(shown, secret)]
