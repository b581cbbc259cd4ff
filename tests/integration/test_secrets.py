# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Search everything that a run printed, stored or sent for the passwords that went into it."""

from __future__ import annotations

import base64
import json
import re
import subprocess

import pytest
import yaml
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority import candidate
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_names import constraints
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _totp, _totp_files
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._fleet_secret import PURPOSES, derived
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._totp import Enrolment
from ansible_collections.pifleet.nodered.tests.certificates import Authority

from .recording import leaks
from .two_step import enrolment, secrets_of, shows_qr_code

PASSWORDS = [
    *("Gr8-unguessable-phrase", "another one entirely", "a third, for later", "the fourth is for dashboards"),
    *("the fifth/is for static files", "the sixth opens the authority", "the seventh is for ada's browser"),
]
FLEET_SECRET = "4f9c/the-secret-of-a-whole-fleet+b18e"
FLEET = {"nodered_fleet_secret": FLEET_SECRET, "nodered_password_generation": 2}
# Those of the generation before are compared with what the machine has.
DERIVED = [password for purpose in PURPOSES for password in derived(FLEET, "pi41", purpose)]
SECRETS = [*PASSWORDS, FLEET_SECRET, *DERIVED]
VAULT_PASSWORD = "opens the vault"
# The second step of ada, from an earlier run; that of bob is made by the run.
ADA = Enrolment(bytes(range(100, 120)), ("abcd-efgh-jkmn-pqrs", "tuvw-xyza-bcde-fghj"))
# Static files apart from the flows' pages, so that they can have a password of their own.
APART = "module.exports = {\n    httpNodeRoot: '/web',\n    httpStatic: '/home/pi/static',\n"
HASH = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")

# Searches every command line, environment and temporary file, over and over until it is told to stop, in the time that
# others leave. What it looks for is read from a file, so that the search does not find itself.
SAMPLER = """
touch /run/sampling; nohup nice bash -c 'while test -e /run/sampling; do echo round >>/run/rounds
grep -aFof /run/wanted /proc/[0-9]*/cmdline /proc/[0-9]*/environ
grep -aFof /run/wanted -r /tmp /var/tmp /home/{user}/.ansible /root/.ansible
done' >/run/hits 2>/dev/null </dev/null &
"""


@pytest.fixture
def sources(tmp_path):
    """The playbook and the options of a run with passwords from extra variables, vault, play and inventory.

    Without a password of the user, there are no users, and the passwords of editor and pages are derived.
    """
    vault_password = tmp_path / "vault-password"
    vault_password.write_text(VAULT_PASSWORD)
    vaulted = subprocess.run(
        ["ansible-vault", "encrypt_string", "--vault-password-file", str(vault_password), PASSWORDS[1]],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    inventory = tmp_path / "more.yml"
    inventory.write_text(
        "nodered:\n  vars:\n"
        f"    nodered_http_auth_static_user: files\n    nodered_http_auth_static_password: {PASSWORDS[4]}\n"
        "    vaulted: " + vaulted.strip().replace("\n", "\n    ") + "\n"
    )
    given = candidate(constraints(["pi41.local"]), PASSWORDS[5])

    def written(password, fleet=None):
        playbook = tmp_path / "site.yml"
        play_variables = {"nodered_http_auth_password": PASSWORDS[3]} if password else {}
        play = {"import_playbook": "pifleet.nodered.secure", "vars": play_variables}
        playbook.write_text(yaml.safe_dump([play]))
        # In a file, as from a vault: what is on ansible-playbook's own command line is the caller's business.
        path = tmp_path / "secrets.json"
        users = [
            {"username": "ada", "password": password, "totp": True},
            {"username": "bob", "password": "{{ vaulted }}", "permissions": "read", "totp": True},
        ] * bool(password)
        # With more roles that write: each has to read the settings anew.
        folder = {"nodered_http_auth_password_dir": str(tmp_path / "random")}
        folder["nodered_login_totp_dir"] = str(tmp_path / "totp")
        tls = {
            "nodered_tls_source": "authority",
            "nodered_tls_authority_dir": str(tmp_path / "authority"),
            "nodered_tls_authority_passphrase": PASSWORDS[5],
            "nodered_tls_client_authority": "authority",
            "nodered_tls_client_users": ["ada"],
            "nodered_tls_client_passphrase": PASSWORDS[6],
        }
        if not password:
            certificate = {"nodered_tls_authority_certificate": given.certificate}
            tls |= {
                **certificate,
                "nodered_tls_authority_key": given.key,
                "nodered_tls_client_dir": str(tmp_path / "p12"),
            }
        # Another machine sends the requests of the verification, and gets no password and no key.
        other = {"nodered_port": 1885, "nodered_verify_from": "pi50"}
        path.write_text(
            json.dumps({"nodered_login_users": users, **other, **folder, **tls, **(FLEET if fleet is None else fleet)})
        )
        return playbook, "-e", f"@{path}", "-i", str(inventory), "--vault-password-file", str(vault_password)

    return written


def restored_in_check_mode(fleet, environment):
    """What a restore prints that would change the login, which brings all texts of the restore points along."""
    variables = {"nodered_restore": "original"}
    command = fleet.command("restore", "-vvv", "--diff", "--check", variables=variables, limit="pi41")
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^-.*password: \"\$2b\$08\$\*", done.stdout, re.MULTILINE), "the diff shows a masked hash"
    return done.stdout + done.stderr


def rotated(fleet, environment, playbook, *options):
    """What a rotation prints that changes the password of ada."""
    rotation = playbook.with_name("rotation.yml")
    rotation.write_text(playbook.read_text().replace("pifleet.nodered.secure", "pifleet.nodered.rotate"))
    # Another machine gets no password, so no new one could be verified from there.
    here = ("-e", "nodered_verify_from=controller")
    command = fleet.command(rotation, "-vvv", "--diff", *options, *here, limit="pi41")
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "login of ada, bob: new password, in nodered_login_users" in done.stdout
    return done.stdout + done.stderr


def hashes_in(text):
    """Hashes as they are, and within anything that looks like Base64."""
    blobs = [base64.b64decode(blob + "==") for blob in re.findall(r"[A-Za-z0-9+/]{200,}", text)]
    return HASH.findall(text) + [found for blob in blobs for found in HASH.findall(blob.decode("latin-1"))]


def keys_in(text):
    """The private keys in a text, also where it is escaped."""
    found = re.findall(r"BEGIN (?:\w+ )?PRIVATE KEY-+(.*?)-+END", text, re.DOTALL)
    return {re.sub(r"\\+n|\s", "", key) for key in found}


@pytest.mark.parametrize(
    "pipelining, passwords, secret",
    [("1", (PASSWORDS[0], PASSWORDS[2]), {}), ("0", (None, PASSWORDS[0]), FLEET)],
    ids=["pipelining", "temporary files, derived"],
)
def test_no_password_is_printed_stored_or_sent(
    fleet, pi41, pi50, sources, recording, monkeypatch, tmp_path, pipelining, passwords, secret
):
    monkeypatch.setenv("ANSIBLE_KEEP_REMOTE_FILES", "1" if pipelining == "0" else "0")
    outputs, own_keys = [], set()
    environment = fleet.environment() | recording.environment | {"ANSIBLE_PIPELINING": pipelining}
    pi41.change_settings("module.exports = {\n", APART)
    _totp_files.keep(
        str(tmp_path / "totp" / "pi41" / "ada.txt"),
        record=_totp.record(ADA, host="pi41", user="ada"),
        picture="",
        replaces="",
    )
    for pi in (pi41, pi50):
        pi.run("journalctl --rotate; journalctl --vacuum-time=1s", check=False)
        pi.run("cat >/run/wanted", stdin="\n".join(SECRETS + secrets_of(ADA)) + "\n")
        pi.run(SAMPLER.format(user=pi.user))
    for password in passwords:
        playbook, *options = sources(password, secret)
        done = subprocess.run(
            fleet.command(playbook, "-vvv", "--diff", *options, limit="pi41"),
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"verified at https://{pi41.address}:1885/ from pi50" in done.stdout
        outputs.append(done.stdout + done.stderr)
        own_keys |= keys_in(pi41.run("cat /etc/nodered-tls/nodered/current/key.pem"))
        if password is None:
            assert done.stdout.count("is derived from nodered_fleet_secret") == len(PURPOSES)
    outputs.append(restored_in_check_mode(fleet, environment))
    if secret:
        outputs.append(rotated(fleet, environment, *sources(PASSWORDS[2], secret)))
    for pi in (pi41, pi50):
        pi.run("rm /run/sampling; sleep 1")
        assert int(pi.run("wc -l </run/rounds")) > 10, "the search must have been under way"
    assert not (tmp_path / "random").exists(), "no random password is made where one was given"
    folders = f"/tmp /var/tmp /var/log /var/lib/pifleet.nodered /home/{pi41.user}/.ansible"
    assert pi41.run("ls /var/lib/pifleet.nodered/restore-points/nodered/1/before-*"), "restore points are searched, too"
    kept = pi41.run(f"find {folders} -type f -exec cat {{}} + 2>/dev/null | tr -c '[:print:]' '\\n'")
    places = {
        "output": "".join(outputs),
        "what callback plugins receive": recording.text,
        "journal": pi41.journal(),
        "journal of the machine that verifies": pi50.journal(),
        "process list and temporary files while it ran": pi41.run("cat /run/hits"),
        "and on the machine that verifies": pi50.run("cat /run/hits"),
        "what is left in temporary folders": kept,
        "the settings folder": pi41.run(
            f"cat /home/{pi41.user}/.node-red/*.js* /home/{pi41.user}/.node-red/.[a-z]*.js*"
        ),
    }
    assert "ansible" in places["journal"], "the journal must hold what Ansible logs"
    # A module whose file is kept gets the key that the machine is to use, and no other.
    expected_keys = own_keys if pipelining == "0" else set()
    # That of bob is derived with a secret of the fleet, and in no file.
    files = tmp_path / "totp"
    bob = _totp_files.derived(FLEET_SECRET, "pi41", "bob", 1) if secret else enrolment(files, "pi41", "bob")
    assert (files / "pi41" / "bob.txt").exists() is not bool(secret)
    secrets_file = f"/home/{pi41.user}/.node-red/.pifleet-two-step-nodered.json"
    # The machine's own secrets are in their file, and in a module whose file is kept.
    holding_secrets = {"the settings folder"}
    holding_secrets |= {"what is left in temporary folders"} if pipelining == "0" else set()
    for place, text in places.items():
        for wanted in (*SECRETS, *secrets_of(ADA), *secrets_of(bob)):
            assert not leaks(text, wanted), f"{place}: {leaks(text, wanted)}"
        assert not shows_qr_code(text), place
        if place not in holding_secrets:
            assert not leaks(text, ADA.secret.hex()) + leaks(text, bob.secret.hex()), place
        assert not keys_in(text) - expected_keys, place
    assert pi41.run(f"grep -rlF {ADA.secret.hex()} /home/{pi41.user}/.node-red").split() == [secrets_file]
    assert pi41.run(f"stat -c '%U %a' {secrets_file}").split() == [pi41.user, "600"]
    assert set(HASH.findall(places["the settings folder"])) == set(HASH.findall(pi41.settings)), "no old hash stays"
    assert "ada" in places["what callback plugins receive"]
    assert not hashes_in(places["output"])
    assert not hashes_in(places["journal"])
    assert re.search(r"^\+.*password: \"\$2b\$08\$\*", places["output"], re.MULTILINE), "the diff shows a masked hash"


def test_a_key_from_a_variable_is_no_task_argument(fleet, pi41, passwords, recording, tmp_path):
    issued = Authority().issue(pi41.address)
    (tmp_path / "ca.pem").write_text(Authority("Another one").certificate)
    variables = {
        "nodered_login_password_dir": str(passwords),
        "nodered_tls_source": "content",
        "nodered_tls_certificate": issued.certificate,
        "nodered_tls_key": issued.key,
        "nodered_tls_ca": str(tmp_path / "ca.pem"),
    }
    site = fleet.site(["tls"])
    run = fleet.play(site, "-vvv", variables=variables, limit="pi41", environment=recording.environment)
    assert run.failed
    assert run.says("no authority that is trusted here")
    secret = issued.key.splitlines()[1]
    assert secret not in run.output + recording.text.replace("\\n", "")


@pytest.mark.parametrize("password", [PASSWORDS[0], None], ids=["given", "derived"])
def test_errors_hold_no_password(fleet, pi41, sources, recording, password):
    pi41.change_settings("module.exports = {", "module.exports = {{")
    playbook, *options = sources(password)
    done = fleet.play(playbook, "-vvv", "--diff", *options, limit="pi41", environment=recording.environment)
    assert done.code != 0
    for secret in SECRETS:
        assert not leaks(done.output + recording.text, secret)


def test_a_secret_that_cannot_be_used_is_rejected_and_not_shown(fleet, pi41, variables, recording, tmp_path):
    settings, secret = pi41.settings, "much too short"
    (tmp_path / "secrets.json").write_text(json.dumps({"nodered_fleet_secret": secret}))
    options = ("-vvv", "--diff", "-e", f"@{tmp_path}/secrets.json")
    run = fleet.play("secure", *options, variables=variables, limit="pi41", environment=recording.environment)
    assert run.failed
    assert run.says("nodered_fleet_secret has 14 bytes and needs at least 32")
    assert not leaks(run.output + recording.text, secret)
    assert pi41.settings == settings
