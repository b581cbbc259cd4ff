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

PASSWORDS = ["Gr8-unguessable-phrase", "another one entirely", "a third, for later", "the fourth is for dashboards"]
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
def variables_file(tmp_path):
    """In a file, as from a vault: what is on ansible-playbook's own command line is the caller's business."""

    def write(password):
        users = [
            {"username": "ada", "password": password},
            {"username": "bob", "password": PASSWORDS[1], "permissions": "read"},
        ]
        path = tmp_path / "secrets.json"
        # With more roles that write: each has to read the settings anew.
        variables = {"nodered_login_users": users, "nodered_port": 1885, "nodered_http_auth_password": PASSWORDS[3]}
        path.write_text(json.dumps(variables))
        return f"@{path}"

    return write


def hashes_in(text):
    """Hashes as they are, and within anything that looks like Base64."""
    blobs = [base64.b64decode(blob + "==") for blob in re.findall(r"[A-Za-z0-9+/]{200,}", text)]
    return HASH.findall(text) + [found for blob in blobs for found in HASH.findall(blob.decode("latin-1"))]


def leaks(text, password):
    """The places around a password, percent-encoded, escaped or as HTTP sends it as well."""
    forms = {password, password.replace(" ", "%20"), password.replace(" ", "+"), json.dumps(password)[1:-1]}
    forms.add(base64.b64encode(f"nodered:{password}".encode()).decode())
    return [text[max(0, text.index(form) - 80) : text.index(form) + 20] for form in forms if form in text]


@pytest.mark.parametrize("pipelining", ["1", "0"], ids=["pipelining", "temporary files"])
def test_no_password_is_printed_stored_or_sent(fleet, pi41, variables_file, monkeypatch, pipelining):
    monkeypatch.setenv("ANSIBLE_KEEP_REMOTE_FILES", "1" if pipelining == "0" else "0")
    outputs = []
    environment = fleet.environment() | {"ANSIBLE_PIPELINING": pipelining}
    pi41.run("journalctl --rotate; journalctl --vacuum-time=1s", check=False)
    pi41.run("cat >/run/wanted", stdin="\n".join(PASSWORDS) + "\n")
    pi41.run(SAMPLER.format(user=pi41.user))
    for password in (PASSWORDS[0], PASSWORDS[2]):
        done = subprocess.run(
            fleet.command("secure", "-vvv", "--diff", "-e", variables_file(password), limit="pi41"),
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        outputs.append(done.stdout + done.stderr)
    pi41.run("rm /run/sampling; sleep 1")
    assert int(pi41.run("wc -l </run/rounds")) > 10, "the search must have been under way"
    folders = f"/tmp /var/tmp /var/log /var/lib/pifleet.nodered /home/{pi41.user}/.ansible"
    kept = pi41.run(f"find {folders} -type f -exec cat {{}} + 2>/dev/null | tr -c '[:print:]' '\\n'")
    places = {
        "output": "".join(outputs),
        "journal": pi41.journal(),
        "process list and temporary files while it ran": pi41.run("cat /run/hits"),
        "what is left in temporary folders": kept,
        "the settings folder": pi41.run(
            f"cat /home/{pi41.user}/.node-red/*.js* /home/{pi41.user}/.node-red/.[a-z]*.js*"
        ),
    }
    assert "ansible" in places["journal"], "the journal must hold what Ansible logs"
    for place, text in places.items():
        for password in PASSWORDS:
            assert not leaks(text, password), f"{place}: {leaks(text, password)}"
    assert not hashes_in(places["output"])
    assert not hashes_in(places["journal"])
    assert re.search(r"^\+.*password: \"\$2b\$08\$\*", places["output"], re.MULTILINE), "the diff shows a masked hash"


def test_errors_hold_no_password(fleet, pi41, variables_file):
    pi41.change_settings("module.exports = {", "module.exports = {{")
    done = fleet.play("secure", "-vvv", "--diff", "-e", variables_file(PASSWORDS[0]), limit="pi41")
    assert done.code != 0
    assert not leaks(done.output, PASSWORDS[0])
