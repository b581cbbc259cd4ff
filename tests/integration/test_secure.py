# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`playbooks/secure.yml` over SSH: what it makes safe, what it leaves alone, and what it costs."""

from __future__ import annotations

from .recording import leaks
from .users import LOGIN_WORKS, PAGES_WORK, USERS

MOST_EXECUTIONS_OF_AN_UNCHANGED_RUN = 1


def test_without_variables_every_host_gets_its_own_password_and_a_second_run_changes_nothing(
    fleet, pi50, alex, variables, passwords, recording
):
    pis = {pi.name: pi for pi in (pi50, alex)}
    assert all(pi.is_open() for pi in pis.values())
    variables["nodered_tls_source"] = "selfsigned"
    run = fleet.play("secure", variables=variables, limit=",".join(pis), environment=recording.environment)
    assert not run.failed
    assert run.judged(LOGIN_WORKS) == run.judged(PAGES_WORK) == ["pass", "pass"]
    found = {name: (passwords / name).read_text().strip() for name in pis}
    assert len(set(found.values())) == len(pis)
    for name, pi in pis.items():
        assert pi.get("/flows").status == 401
        assert pi.login("admin", found[name])
        assert not pi.answers_in_the_clear()
        assert (passwords / name).stat().st_mode & 0o777 == 0o600
        assert run.says(str(passwords / name))
        assert not leaks(run.output + recording.text, found[name], "admin")

    before = {name: (pi.main_pid(), pi.settings) for name, pi in pis.items()}
    second = fleet.play("secure", "-vvv", variables=variables, limit=",".join(pis), environment=recording.environment)
    assert not second.failed
    assert second.judged(LOGIN_WORKS) == second.judged(PAGES_WORK) == ["skip", "skip"], "no password is sent"
    for name, pi in pis.items():
        assert second.recap[name]["changed"] == 0
        assert (pi.main_pid(), pi.settings) == before[name], "nothing was restarted, no byte changed"
        assert second.executions(pi.address) <= MOST_EXECUTIONS_OF_AN_UNCHANGED_RUN
        assert not leaks(second.output + recording.text, found[name], "admin")

    asked = fleet.play("secure", variables=variables | {"nodered_verify_login": True}, limit="pi50")
    assert not asked.failed
    assert asked.judged(LOGIN_WORKS) == asked.judged(PAGES_WORK) == ["pass"]


def test_check_mode_shows_the_change_and_makes_none(fleet, pi41, variables, passwords):
    settings, pid = pi41.settings, pi41.main_pid()
    run = fleet.play("secure", "--check", "--diff", variables=variables | {"nodered_port": 1885}, limit="pi41")
    assert not run.failed
    assert run.says("+    uiPort: 1885")
    assert run.says("adminAuth: {")
    assert (pi41.settings, pi41.main_pid()) == (settings, pid)
    assert not passwords.exists()
    assert pi41.is_open()


# A node whose dialog requests pages of flows and addresses of the editor, and which listens as HomeKit does; an older
# dashboard; and port 80 for people who do not like to type 1880.
HOUSE = """
mkdir -p ~{user}/.node-red/node_modules/node-red-contrib-house && cd ~{user}/.node-red/node_modules
echo '{{"name": "node-red-contrib-house", "version": "1.2.3", "node-red": {{"nodes": {{"house": "house.js"}}}}}}' \
    >node-red-contrib-house/package.json
cat >node-red-contrib-house/house.js <<'END'
module.exports = function (RED) {{
    RED.httpNode.get('/house/items', (request, response) => response.json([]));
    RED.httpAdmin.get('/house/rooms', (request, response) => response.json([]));
    require('net').createServer().listen(0);
}};
END
echo '<script type="text/javascript">$.getJSON("/house/items"); $.getJSON("/house/rooms");</script>' \
    >node-red-contrib-house/house.html
sed -i.before 's/ crossorigin="use-credentials"//' node-red-dashboard/dist/index.html
iptables -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 1880
echo 'iptables -t nat -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-port 1880' >/etc/rc.local
systemctl restart nodered
"""
NO_HOUSE = """
cd ~{user}/.node-red/node_modules; rm -rf node-red-contrib-house /etc/rc.local; iptables -t nat -F PREROUTING
mv node-red-dashboard/dist/index.html.before node-red-dashboard/dist/index.html
systemctl restart nodered
"""


def test_check_mode_names_what_would_break_beside_node_red(fleet, pi41, variables):
    pi41.run(HOUSE.format(user=pi41.user))
    try:
        pi41.wait_until_it_serves()
        changing = pi41.run("ss -Hltnp 'sport >= 32768' | grep node-red | grep -o '*:[0-9]*' | head -1").strip("*:\n")
        wanted = {"nodered_port": 1885, "nodered_hardening_admin_root": "/admin", "nodered_ufw_manage": True}
        run = fleet.play("secure", "--check", variables=variables | wanted, limit="pi41")
    finally:
        pi41.run(NO_HOUSE.format(user=pi41.user))
    assert not run.failed
    place = "node-red-contrib-house 1.2.3"
    assert run.says(f"{place} (/house/items in house.html:1)", "add /house/items to nodered_http_auth_open_paths")
    assert run.says(f"while the editor is at /admin: {place} (/house/rooms in house.html:1)")
    assert run.says("Browsers request /ui/manifest.json without a password", "node-red-dashboard 3.")
    assert run.says(f"Node-RED listens on the TCP port {changing}, which the kernel chose")
    assert f"port {changing} proto tcp" not in run.output
    assert run.says("Packets for port 80 are redirected to port 1880", "iptables-save", "and /etc/rc.local)")


def test_only_the_lines_of_the_edit_differ(fleet, pi50, variables):
    before = pi50.settings.splitlines()
    fleet.play("secure", variables=variables | {"nodered_login_users": USERS, "nodered_port": 1885}, limit="pi50")
    after = pi50.settings.splitlines()
    kept = [line for line in before if "uiPort: process.env.PORT" not in line]
    remaining = iter(after)
    assert all(line in remaining for line in kept)
    assert "uiPort: 1885" in pi50.settings


def test_the_settings_file_keeps_owner_mode_and_link(fleet, alex, variables):
    real = f"/home/{alex.user}/elsewhere.js"
    alex.run(f"mv {alex.settings_file} {real} && ln -s {real} {alex.settings_file}")
    alex.run(f"chmod 0640 {real} && chown alex:adm {real}")
    run = fleet.play("secure", variables=variables, limit="pi41-alex")
    assert not run.failed
    assert alex.run(f"readlink {alex.settings_file}").strip() == real
    assert alex.run(f"stat -c '%U %G %a' {real}").split() == ["alex", "adm", "640"]
    alex.run(f"rm -f {real}*")


def test_tags_choose_a_part(fleet, pi41, variables, passwords):
    run = fleet.play("secure", "--tags", "port", variables=variables | {"nodered_port": 1885}, limit="pi41")
    assert pi41.serves(1885)
    assert pi41.is_open(1885)
    assert run.failed, "an open Node-RED must not pass the proof"
    assert not passwords.exists(), "a password is kept where a login was written"


def test_a_bad_change_stops_at_the_first_host(fleet, pi31, pi41, variables):
    for pi in (pi31, pi41):
        pi.run(f"install -o {pi.user} /dev/stdin {pi.settings_file}", stdin="throw new Error('not today');\n")
    settings = pi41.settings
    run = fleet.play("secure", variables=variables, limit="pi31,pi41")
    assert run.failed
    assert "pi41" not in run.recap
    assert pi41.settings == settings


def test_roles_work_in_a_site_playbook(fleet, pi41, variables, tmp_path):
    site = tmp_path / "site.yml"
    site.write_text(
        "- hosts: nodered\n  become: true\n  gather_facts: false\n"
        "  roles:\n    - pifleet.nodered.login\n    - pifleet.nodered.port\n"
    )
    pid = pi41.main_pid()
    run = fleet.play(site, variables=variables | {"nodered_login_users": USERS, "nodered_port": 1885}, limit="pi41")
    assert not run.failed
    assert pi41.login("ada", USERS[0]["password"], port=1885)
    assert not pi41.serves(1880)
    assert pi41.run("systemctl show -P NRestarts nodered").strip() == "0"
    assert pi41.main_pid() != pid
    assert run.output.count("RUNNING HANDLER") == 1
