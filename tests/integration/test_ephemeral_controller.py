# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of ansible-runner, each in a data directory of its own: examples/awx with the files of docs/secrets.md."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
import yaml
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority import candidate
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate import Use
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_here import problem_of
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_names import constraints
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._bcrypt import verify
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._fleet_secret import password

from .fleet import CHECKOUT, Run, recap
from .recording import leaks
from .test_secrets import keys_in
from .users import LOGIN_WORKS, PAGES_WORK

PROJECT = CHECKOUT / "examples" / "awx"
PAGE = (CHECKOUT / "docs" / "secrets.md").read_text()
FLEET_SECRET = "4f9c-the-secret-of-a-whole-fleet-b18e"
VAULT_PASSWORD = "opens the vault"
# The example raises it for this host only.
GENERATIONS = {"pi50": 2, "pi41-alex": 1}
HASH = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")


def examples():
    """The variable files of the page, by their paths beside the inventory. What is in the vault differs."""
    blocks = re.findall(r"^```yaml\n# ([\w/]+\.yml)[^\n]*\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return {path.replace("kitchen", "pi50"): text for path, text in blocks if not path.endswith("/vault.yml")}


def sliced(hosts, number, count):
    """The hosts of one slice of a job, as AWX chooses them."""
    return sorted(hosts)[number - 1 :: count]


@pytest.fixture
def job(fleet, tmp_path):
    """Run a job for some hosts from a new private data directory; `files` are in it."""
    vault_password = tmp_path / "vault-password"
    vault_password.write_text(VAULT_PASSWORD)
    options = f"-v --vault-password-file {vault_password}"
    common = {"nodered_ufw_manage": False, "nodered_restart_timeout": 60, "ansible_pipelining": True}

    def start(name, hosts, files, playbook="secure.yml"):
        folder = tmp_path / name
        inventory = {"nodered": {"vars": common, "hosts": {host: fleet.connection(host) for host in hosts}}}
        shutil.copytree(PROJECT, folder / "project")
        for path, content in {**files, "inventory/hosts.yml": yaml.safe_dump(inventory)}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        return subprocess.Popen(
            ["ansible-runner", "run", str(folder), "-p", playbook, "--ident", name, f"--cmdline={options}"],
            env=fleet.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(**jobs):
        """Several jobs at the same time: the hosts and files of each by its name."""
        started = [start(name, *arguments) for name, arguments in jobs.items()]
        outputs = [process.communicate(timeout=300)[0] for process in started]
        for output in outputs:
            print(output)
        return [
            Run(process.returncode, output, recap(output)) for process, output in zip(started, outputs, strict=True)
        ]

    return run


@pytest.fixture
def documented(tmp_path):
    """The files of the examples, with a vault."""
    authority = candidate(constraints(["pi50.local"]), "opens the authority")
    vault = {
        "vault_fleet_secret": FLEET_SECRET,
        "vault_authority_certificate": authority.certificate,
        "vault_authority_key": authority.key,
        "vault_authority_passphrase": "opens the authority",
        "vault_client_passphrase": "opens the certificate of ada",
    }
    vault_file = tmp_path / "vault.yml"
    vault_file.write_text(yaml.safe_dump(vault))
    (tmp_path / "vault-password").write_text(VAULT_PASSWORD)
    command = ["ansible-vault", "encrypt", "--vault-password-file", tmp_path / "vault-password", vault_file]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    kept = str(tmp_path / "kept")
    files = {f"inventory/{path}": text.replace("/srv/nodered-clients", kept) for path, text in examples().items()}
    return vault, {**files, "project/group_vars/nodered/vault.yml": vault_file.read_text()}


def test_every_example_of_the_page_is_known():
    names = ("authority", "clients", "controller", "secrets")
    assert set(examples()) == {f"group_vars/nodered/{name}.yml" for name in names} | {"host_vars/pi50.yml"}
    assert PAGE.count("```yaml") == len(examples()) + 1, "and the vault"


def test_what_a_job_would_lose_is_rejected_before_anything_is_written(job, pi50, alex, tmp_path):
    before = [(pi.settings, pi.main_pid()) for pi in (pi50, alex)]
    needs_authority = {"nodered_tls_source": "authority", "nodered_tls_authority_passphrase": "opens it"}
    secret = {"nodered_fleet_secret": FLEET_SECRET}
    bare = {"project/group_vars/nodered/main.yml": "---\n"}
    files = {**bare, "inventory/group_vars/nodered.yml": yaml.safe_dump({**needs_authority, **secret})}
    without_secret, with_secret = job(first=(["pi50"], bare), second=(["pi41-alex"], files))
    for run in (without_secret, with_secret):
        assert run.failed
        assert run.says("would be lost when this run ends", "AWX_ISOLATED_DATA_DIR is set in the environment")
    assert without_secret.says("The random password of admin, in ", "Set nodered_fleet_secret from a vault")
    assert with_secret.says("The new private authority in ", "nodered_tls_authority_certificate")
    assert [(pi.settings, pi.main_pid()) for pi in (pi50, alex)] == before
    assert not [*tmp_path.rglob(".nodered-*")]


def test_two_slices_share_everything_and_the_next_job_changes_nothing(fleet, job, pi50, alex, documented, tmp_path):
    vault, files = documented
    pis = {pi.name: pi for pi in (pi50, alex)}
    for run in job(slice1=(sliced(pis, 1, 2), files), slice2=(sliced(pis, 2, 2), files)):
        assert not run.failed
        assert run.judged(LOGIN_WORKS) == run.judged(PAGES_WORK) == ["pass"]
    for name, pi in pis.items():
        expected = [password(FLEET_SECRET, name, purpose, GENERATIONS[name]) for purpose in ("login", "http_auth")]
        hashes = HASH.findall(pi.settings)
        assert all(any(verify(one, hashed) for hashed in hashes) for one in expected)
        certificate = pi.read("/etc/nodered-tls/nodered/current/certificate.pem")
        assert problem_of(certificate, Use(names=[pi.address], authorities=vault["vault_authority_certificate"])) == ""
    clients = {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()}
    assert set(clients) == {"ada.p12", "ada.pem"}

    before = {name: (pi.main_pid(), pi.settings) for name, pi in pis.items()}
    second, audit = job(second=(list(pis), files)) + job(audit=(list(pis), files, "audit.yml"))
    assert not second.failed
    assert not audit.failed
    for name, pi in pis.items():
        assert second.recap[name]["changed"] == 0
        assert (pi.main_pid(), pi.settings) == before[name]
    assert {path.name: path.read_bytes() for path in (tmp_path / "kept").iterdir()} == clients
    report = tmp_path / "audit" / "nodered-report" / "report.json"
    for host in json.loads(report.read_text())["hosts"]:
        assert host["status"] == "audited"
        asked = {"editor-open", "api-open", "pages-open", "tls-old", "certificate-untrusted"}
        assert {*asked, "drift", "secure-rejects"} <= set(host["passed"])
    assert not [*tmp_path.rglob(".nodered-*")], "nothing is kept in the folders of a job"
    _nothing_leaks(tmp_path, vault)
    _the_lookup_shows_it(fleet, tmp_path)


def _nothing_leaks(tmp_path, vault):
    """ansible-runner keeps what its callback plugin received, and all output."""
    artifacts = [path for path in tmp_path.glob("*/artifacts/**/*") if path.is_file()]
    assert sum(path.suffix == ".json" for path in artifacts) > 50
    text = "".join(path.read_text(errors="replace") for path in artifacts)
    derived = [password(FLEET_SECRET, *about) for about in _derived()]
    for secret in [*derived, FLEET_SECRET, vault["vault_authority_passphrase"], vault["vault_client_passphrase"]]:
        assert not leaks(text, secret, "admin")
    assert not keys_in(text)


def _derived():
    return [(host, purpose, 1 + n) for host in GENERATIONS for purpose in ("login", "http_auth") for n in range(2)]


def _the_lookup_shows_it(fleet, tmp_path):
    """By the command of the page, with the inventory and the vault of a job."""
    (command,) = re.findall(r"^```console\n(ansible .*)\n```", PAGE, re.MULTILINE)
    job = tmp_path / "second"
    for on_the_page, here in {
        "-i inventory.yml kitchen": f"-i {job}/inventory/hosts.yml --playbook-dir {job}/project pi50",
        "--ask-vault-pass": f"--vault-password-file {tmp_path}/vault-password",
    }.items():
        assert on_the_page in command
        command = command.replace(on_the_page, here)
    shown = subprocess.run(
        ["bash", "-c", command],
        env=fleet.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert f'"{password(FLEET_SECRET, "pi50", "login", GENERATIONS["pi50"])}"' in shown
