# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`playbooks/audit.yml` over SSH: faults that are planted are found and nothing else is, and nothing is changed."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
import yaml
from ansible_collections.pifleet.nodered.tests.certificates import Authority
from cryptography.hazmat.primitives.asymmetric import rsa

from .fleet import CHECKOUT
from .recording import leaks

SAMPLE = "$2a$08$zZWtXTja0fB1pzD4sHCMyOCMYz2Z6dNbM6tl8sJogENOMcxWV9DN."
USUAL = "$2b$08$X3jlSx2XAakxPTT.rrLHTelhPT8G1hC9aSzqDvbFmJM.U54HjQYNe"
WEAK = "$2b$04$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde"
PLAINTEXT, MD5 = "hunter2-hunter2", "5f4dcc3b5aa765d61d8327deb882cf99"
USERS = ", ".join(
    f'{{ username: "user{number}", password: "{password}", permissions: "*" }}'
    for number, password in enumerate((SAMPLE, USUAL, WEAK, PLAINTEXT, MD5))
)
BAD_SETTINGS = f"""module.exports = {{
    https: {{
        key: require("fs").readFileSync("/home/pi/bad.pem"),
        cert: require("fs").readFileSync("/home/pi/bad.pem"),
        minVersion: "TLSv1", ciphers: "DEFAULT:@SECLEVEL=0"
    }},
    adminAuth: {{ type: "credentials", users: [{USERS}], default: {{ permissions: "*" }} }},
    httpStatic: "/home/pi/static", credentialSecret: false, uiport: 1885, weatherStation: 1,
"""
BAD_FIREWALL = """
mkdir -p /home/pi/.node-red/.sessions.json
ufw default allow incoming; ufw --force enable; systemctl disable ufw
iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 192.0.2.2:80
systemctl restart nodered
"""
OLD_DASHBOARD = """
cd /home/pi/.node-red/node_modules/node-red-dashboard/dist
sed -i.before 's/ crossorigin="use-credentials"//' index.html; systemctl restart nodered
"""
REPAIRED = """
iptables -t nat -F PREROUTING; ufw default deny incoming; systemctl enable ufw; rm -f /home/pi/bad.pem
cd /home/pi/.node-red/node_modules/node-red-dashboard/dist && mv index.html.before index.html
"""
# As it comes out of the box.
OPEN_PAGES = {"dashboard-open": "high", "files-readable": "high", "pages-open": "medium", "websocket-open": "medium"}
PLANTED = {
    "pi31": {
        **OPEN_PAGES,
        **dict.fromkeys(("default-permissions", "password-known", "password-sample"), "critical"),
        **dict.fromkeys(("certificate-expired", "password-md5", "password-plaintext", "sessions-unwritable"), "high"),
        **dict.fromkeys(("certificate-mismatch", "certificate-weak", "credential-secret", "static-open"), "medium"),
        **dict.fromkeys(("firewall-boot", "firewall-wide", "node-eol", "node-red-eol", "tls-old"), "medium"),
        **dict.fromkeys(("drift", "firewall-bypassed", "hash-weak", "secure-rejects", "setting-misspelled"), "low"),
        "ways-to-root": "medium",
        "setting-unknown": "info",
    },
    "pi50": {
        **OPEN_PAGES,
        "api-open": "critical",
        "tls-missing": "high",
        "firewall-off": "medium",
        "ways-to-root": "medium",
        "neighbours": "low",
        "drift": "low",
    },
}


@pytest.fixture
def whole(variables, tmp_path):
    """The variables of a run with TLS and firewall, as users have it."""
    more = {"nodered_tls_source": "selfsigned", "nodered_ufw_manage": True}
    return {**variables, **more, "nodered_report_dir": str(tmp_path / "report")}


@pytest.fixture
def repaired(pi31, pi50):
    """Both machines, without what a test has planted after it."""
    yield pi31, pi50
    for pi in (pi31, pi50):
        pi.run(REPAIRED, check=False)
        pi.forget_firewall()


def with_more_hosts(fleet):
    """The fleet with a machine that cannot be reached, and a name for which there is no Node-RED."""
    inventory = yaml.safe_load(fleet.inventory.read_text())
    hosts = inventory["nodered"]["hosts"]
    hosts["gone"] = {**hosts["pi31"], "ansible_port": 9}
    hosts["other"] = {**hosts["pi50"], "nodered_service": "missing"}
    path = fleet.inventory.parent / "audit.yml"
    path.write_text(yaml.safe_dump(inventory))
    return dataclasses.replace(fleet, inventory=path)


def plant(pi31, pi50):
    bad = Authority().issue("elsewhere.example", since=-9, until=-1, key=rsa.generate_private_key(65537, 1024))
    pi31.run("install -o pi -m 0600 /dev/stdin /home/pi/bad.pem", stdin=bad.key + bad.certificate)
    pi31.change_settings("module.exports = {", BAD_SETTINGS)
    pi31.run(BAD_FIREWALL)
    pi50.change_settings("module.exports = {", "module.exports = {\n    disableEditor: true,")
    pi50.run(OLD_DASHBOARD)
    for pi in (pi31, pi50):
        pi.wait_until_it_serves()
        pi.run("sleep 0.1; touch /root/planted")
    return [SAMPLE, USUAL, WEAK, PLAINTEXT, MD5, *bad.key.splitlines()[1:-1]]


def changed(pi):
    """Files of Node-RED and of the system that were written after the faults were planted."""
    return pi.run("find /home/pi/.node-red /etc /lib/systemd -newer /root/planted")


def findings(host):
    return {one["id"]: one["severity"] for one in host["findings"]}


def test_each_planted_fault_is_found_and_nothing_else(fleet, repaired, whole, recording, tmp_path):
    secrets = plant(*repaired)
    run = with_more_hosts(fleet).play(
        "audit",
        "-vvv",
        variables={**whole, "nodered_audit_fail_on": "critical"},
        limit="pi31,pi50,gone,other",
        environment=recording.environment,
    )
    assert [changed(pi) for pi in repaired] == ["", ""]
    assert run.failed
    assert run.says("2 of 4 hosts audited", "severity critical or worse on pi31, pi50; not audited: gone, other")
    hosts = {one["host"]: one for one in json.loads((tmp_path / "report" / "report.json").read_text())["hosts"]}
    assert {name: findings(hosts[name]) for name in PLANTED} == PLANTED
    assert {name: one["versions"].get("os", "")[:19] for name, one in hosts.items()} == {
        **{"pi31": "Debian GNU/Linux 12", "pi50": "Debian GNU/Linux 13"},
        **{"gone": "", "other": ""},
    }
    assert {name: hosts[name]["status"] for name in ("gone", "other")} == {"gone": "unreachable", "other": "failed"}
    assert "missing.service" in hosts["other"]["message"]
    for pi in repaired:
        assert run.executions(pi.address) <= 2, "one for the audit, and one for the name without a Node-RED"
    written = "".join(path.read_text() for path in (tmp_path / "report").iterdir())
    assert not any(leaks(run.output + recording.text + written, secret) for secret in secrets)


def example():
    """The first example in the README of the role."""
    return re.search(r"```yaml\n(.*?)```", (CHECKOUT / "roles" / "audit" / "README.md").read_text(), re.DOTALL)[1]


def test_a_secured_host_has_no_finding_above_info(fleet, pi50, whole, tmp_path):
    try:
        assert not fleet.play("secure", variables={**whole, "nodered_hardening_sandbox": "strict"}, limit="pi50").failed
        (tmp_path / "example.yml").write_text(example())
        strict = {**whole, "nodered_hardening_sandbox": "strict"}
        run = fleet.play(tmp_path / "example.yml", "-vvv", variables=strict, limit="pi50")
    finally:
        pi50.forget_firewall()
    assert not run.failed
    (host,) = json.loads((tmp_path / "report" / "report.json").read_text())["hosts"]
    # Node.js 22 gets no more fixes one day.
    assert {one for one, severity in findings(host).items() if severity != "info"} <= {"node-eol"}
    assert host["skipped"] == {}
    assert run.executions(pi50.address) == 1
