#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: instance_info
short_description: Find out which Node-RED runs on a machine, from which files and at which address
version_added: 0.1.0
author:
  - The pifleet authors (@pifleet)
description:
  - Finds the Node-RED that runs as a systemd service, the user that it runs as, the files that it uses and the address
    at which it responds now.
  - Everything is taken from what systemd knows (unit, drop-ins, environment files), from Node-RED's own rules for its
    command line, and from the running process. The settings file is loaded once by the machine's own Node.js as the
    service user, with the service's environment.
  - What a launcher decides (C(npm start), nvm, PM2, C(runuser), a script) is taken from the process of Node-RED and
    from its own first messages in the journal. It fails where these contradict the unit, and no file of the unit was
    changed since the start.
  - The address is the active one, found by asking the ports on which the service's processes listen. It can differ
    from what the settings file says, for example while a change waits for a restart.
  - It fails, with what was found and what to do, where a change of the settings file would have no effect or would not
    last. That is where a unit runs a container, the FlowFuse device agent, a snap, a program that embeds Node-RED, or
    several Node-REDs, or is a user unit (C(systemctl --user)) without lingering, on Home Assistant and Venus OS, and
    where a Debian package owns and overwrites the settings file.
  - A settings file that cannot be loaded does not stop the module. It then returns the reason in
    RV(instance.settings_error).
requirements:
  - systemd
  - Node-RED with its Node.js
extends_documentation_fragment:
  - pifleet.nodered.attributes.info_module
  - pifleet.nodered.attributes
  - pifleet.nodered.attributes.systemd
  - pifleet.nodered.time_limit
options:
  service:
    description:
      - The systemd service that runs Node-RED.
      - V(pi/node-red) is the user unit C(node-red) of user C(pi) (C(systemctl --user)).
      - When it is not given, the module looks for C(nodered), C(node-red) and for processes of Node-RED in any service,
        and fails when there is not exactly one. Where no service of the machine runs Node-RED, a user unit counts.
    type: str
  source:
    description:
      - Whether to bring along the text of the settings file.
      - The text holds password hashes. Use C(no_log) on such a task.
    type: bool
    default: false
  firewall:
    description:
      - Whether to bring along the state of the firewall. This saves an execution of M(pifleet.nodered.firewall_info).
    type: bool
    default: false
    version_added: 1.0.0
  other_firewalls:
    description: With O(firewall), whether to look for other firewalls also if ufw is not installed.
    type: bool
    default: false
    version_added: 1.0.0
  restore_points:
    description:
      - Which part of the restore points to bring along, V(list) for numbers, dates and summaries, and V(texts) for the
        texts of all files as well.
      - Texts hold password hashes. Use C(no_log) on such a task.
    type: str
    choices: [list, texts]
    version_added: 1.0.0
seealso:
  - module: pifleet.nodered.firewall_info
  - module: pifleet.nodered.settings
  - module: pifleet.nodered.restart
"""

EXAMPLES = r"""
- name: Find the Node-RED of this machine
  pifleet.nodered.instance_info:
  register: found
  become: true

- name: Show where it responds
  ansible.builtin.debug:
    msg: "Node-RED {{ found.instance.version }} of user {{ found.instance.user }} responds at {{ found.instance.url }}"
"""

RETURN = r"""
instance:
  description: The Node-RED that was found. It holds no secret.
  returned: success
  type: dict
  contains:
    service:
      description: The name of the systemd service, without C(.service); C(pi/node-red) for a user unit of C(pi).
      type: str
      sample: nodered
    socket:
      description: The socket unit through which systemd listens for the service and starts it, if one is in use.
      type: str
      sample: nodered.socket
    socket_file:
      description: The file whose C(ListenStream) is active for that unit.
      type: str
      version_added: 0.2.0
    socket_streams:
      description: What that unit listens on after its next start, as systemd writes it.
      type: list
      version_added: 0.2.0
      elements: str
      sample: ["[::]:1880"]
    socket_port:
      description: The TCP port that Node-RED gets from that unit; none where it opens its port itself.
      type: int
      version_added: 0.2.0
    unit_files:
      description: The unit file and its drop-ins.
      type: list
      elements: str
    drop_ins:
      description: The text of each drop-in that this collection has given the service, by its path. That of a user unit
        begins with C(~) and the user.
      type: dict
    exec_start:
      description: The words of C(ExecStart), with variables not put in and the values of definitions taken out.
      type: list
      elements: str
    environment_files:
      description: The environment files of the unit.
      type: list
      elements: str
    running:
      description: Whether the service is active and its main process lives.
      type: bool
    state:
      description: Its state as systemd reports it (C(active), C(activating), C(inactive), C(failed)).
      type: str
    pid:
      description: The main process.
      type: int
    as_root:
      description: Whether the module ran as root. Only root sees and may change everything.
      type: bool
      version_added: 1.0.0
    user:
      description: The user that Node-RED runs as.
      type: str
      sample: pi
    group:
      description: The group that Node-RED runs as.
      type: str
    home:
      description: The home directory that Node-RED sees.
      type: str
    working_directory:
      description: The directory against which relative paths count.
      type: str
    user_dir:
      description: The user directory, which holds flows, credentials and sessions.
      type: str
      sample: /home/pi/.node-red
    sandbox:
      description: The paths of which a sandbox of the service is made, with links followed.
      type: dict
      version_added: 1.0.0
      contains:
        account_home:
          description: The home directory that the passwd database has for the user, whatever the service's environment
            says.
          type: str
        user_dir:
          description: The user directory.
          type: str
        user_dir_by_root:
          description: Whether the unit names the user directory, and no file that the user itself may write.
          type: bool
        flow_file:
          description: The flow file, where the settings or the command line name it by an absolute path.
          type: str
        known_hosts:
          description: Whether the user has a file C(~/.ssh/known_hosts).
          type: bool
    ways_to_root:
      description: How the user that Node-RED runs as, and so anyone who can change a flow, can become root, such as
        C(sudo without a password) or C(group docker). Empty for root itself.
      type: list
      version_added: 1.0.0
      elements: str
      sample: [sudo without a password]
    user_dir_owner:
      description: Whom the user directory belongs to; none when it does not exist yet.
      type: str
    user_dir_writable:
      description: Whether the user that Node-RED runs as may write to the user directory, by its owner and mode.
      type: bool
    exposed:
      description: The user directory and the files with secrets that other users of the machine can get at by their
        modes.
      type: list
      elements: dict
      contains:
        path:
          description: The file or folder.
          type: str
        folder:
          description: Whether it is the user directory.
          type: bool
        mode:
          description: Its mode.
          type: str
          sample: "0644"
        wanted:
          description: The mode that closes it; none where Node-RED could no longer use it then.
          type: str
          sample: "0600"
        problem:
          description: Why it cannot be closed, or none.
          type: str
    settings_file:
      description: The settings file that the next start loads.
      type: str
      sample: /home/pi/.node-red/settings.js
    settings_error:
      description: Why the settings file cannot be loaded, or none.
      type: str
    sessions_file:
      description: The file in which logins are remembered; none where they are kept in memory only, or by a storage
        module of the user's own.
      type: str
    sessions:
      description: What another place for the logins would need.
      type: dict
      version_added: 0.2.0
      contains:
        link_target:
          description: Where a link at the path of the sessions file leads, for releases before 1.2.
          type: str
        runtime_file:
          description: Where a storage module keeps them in memory.
          type: str
        runtime_directory:
          description: The folder of both, below C(/run), as C(RuntimeDirectory) of systemd has it.
          type: str
        repairs:
          description: What has to change in the user directory for the state C(file), C(link) or C(absent) of the
            sessions file.
          type: dict
    storage_module:
      description: What the active settings have as C(storageModule) (C(none), C(pifleet) or C(other)).
      type: str
      version_added: 0.2.0
    runtime_directories:
      description: The folders below C(/run) that systemd makes for the service.
      type: list
      version_added: 0.2.0
      elements: str
    node:
      description: The path of the Node.js binary.
      type: str
    node_version:
      description: The version of Node.js.
      type: str
      sample: 20.20.2
    node_red:
      description: The folder of the package C(node-red).
      type: str
    version:
      description: The version of Node-RED.
      type: str
      sample: 4.1.15
    url:
      description: Where the machine itself reaches Node-RED now; none if it does not respond.
      type: str
      sample: http://127.0.0.1:1880/
    scheme:
      description: C(http) or C(https), as active now.
      type: str
    host:
      description: The address on which it listens now.
      type: str
      sample: 0.0.0.0
    port:
      description: The port on which it listens now.
      type: int
    admin_root:
      description: Where the editor and the admin API are; none when they are switched off.
      type: str
    node_root:
      description: Where the flows' own pages are; none when they are switched off.
      type: str
    expected_url:
      description: Where it will respond after its next start; none if that is not known.
      type: str
    overrides:
      description: Options and variables that override the settings file, the strongest last.
      type: list
      elements: dict
      contains:
        setting:
          description: The setting that is overridden.
          type: str
        channel:
          description: How, such as C(-p), C(-D) or C(PORT).
          type: str
        where:
          description: The file that has it, such as the unit, an environment file, or a C(package.json).
          type: str
        variable:
          description: The environment variable that holds it; none if it is in C(ExecStart).
          type: str
        value:
          description: The value where it is harmless, else none.
          type: str
    takes_options:
      description: Whether words at the end of C(ExecStart) reach Node-RED. Not where a script starts it (C(npm start),
        C(bash -c), PM2).
      type: bool
      version_added: 1.0.0
    admin_auth:
      description: What protects the editor according to the active settings (C(none), C(credentials), C(strategy) or
        C(other)).
      type: str
    disable_editor:
      description: Whether the editor is switched off.
      type: bool
    https:
      description: The kind of the setting C(https) (C(none), C(object) or C(function)).
      type: str
    http_node_auth:
      description: The kind of the setting C(httpNodeAuth).
      type: str
    http_static:
      description: Whether files are served by C(httpStatic).
      type: bool
    http_node_password:
      description: What C(httpNodeAuth) asks for (C(none), C(bcrypt), C(md5), C(middleware) or C(other)).
      type: str
    http_static_password:
      description: What C(httpStaticAuth) asks for, likewise.
      type: str
    static_roots:
      description: Where files are served by C(httpStatic).
      type: list
      elements: str
    expected_node_root:
      description: Where the flows' own pages will be after the next start; none when they are switched off.
      type: str
    socket_packages:
      description: The packages that are installed and have sockets beside the flows' pages.
      type: list
      elements: dict
      contains:
        name:
          description: The package.
          type: str
        version:
          description: Its release.
          type: str
        closable:
          description: Whether a setting can close its sockets.
          type: bool
    dashboard_sockets:
      description: >-
        Where the sockets of those dashboards are that settings can close, as far as settings and flow file tell.
      type: list
      elements: str
    websockets:
      description: Where C(websocket in) nodes listen, as far as the flow file tells.
      type: list
      elements: str
    companions:
      description: The files of this collection beside the settings file, with their SHA-256.
      type: dict
    private_files:
      description: >-
        The files with secrets that this collection has written to the user directory, with their SHA-256. One that
        other users can read is left out.
      type: dict
      version_added: 1.0.0
    backups:
      description: The names of copies of the settings file beside it, which can hold old hashes. At most 20.
      type: list
      version_added: 1.0.0
      elements: str
    fail2ban:
      description: What is there of fail2ban.
      type: dict
      version_added: 1.0.0
      contains:
        installed:
          description: Whether it is installed.
          type: bool
        running:
          description: Whether it runs.
          type: bool
        action:
          description: The action with which it can ban an address on single ports; null if it has none.
          type: str
        files:
          description: The files of this collection in C(/etc/fail2ban), with their SHA-256.
          type: dict
    root_read_only:
      description: Whether C(/) is mounted read-only.
      type: bool
    user_dir_read_only:
      description: Whether the file system of the user directory is mounted read-only.
      type: bool
    user_dir_read_only_at_boot:
      description: Whether it is meant to be, so that it will be read-only after the next boot, whatever it is now.
      type: bool
      version_added: 0.2.0
    read_only:
      description: The read-only file systems that hold the user directory, the settings file, C(/etc/systemd/system) or
        what is kept to undo a change.
      type: list
      version_added: 0.2.0
      elements: dict
      contains:
        mount:
          description: Where it is mounted.
          type: str
          sample: /
        by:
          description: Why it is read-only. C(fstab) where it is meant to be (C(/etc/fstab), or the kernel's command
            line for a root that is not in there), C(error) where the kernel protects it after an error, else
            C(runtime).
          type: str
          sample: fstab
    held_writable:
      description: Where a file system is mounted that a change of the firewall keeps writable until it is confirmed or
        rolled back, also one for another Node-RED.
      type: list
      version_added: 1.0.0
      elements: str
    overlay:
      description: Whether one of these places is on an overlay in memory, as Raspberry Pi OS has it in its overlay
        mode, so that changes would be lost at the next boot.
      type: bool
      version_added: 0.2.0
    unconfirmed:
      description: Whether a change made by this collection waits for a restart.
      type: bool
    confirmation:
      description: The confirmation that a change by the playbook C(rotate) waits for, empty if none does. Without it,
        the change is rolled back.
      type: str
      version_added: 1.0.0
    rotated:
      description: The roles whose new passwords that playbook has to try before the confirmation, V(login) and
        V(http_auth).
      type: list
      elements: str
      version_added: 1.0.0
    others:
      description: Other Node-REDs on this machine, also those that do not run now and start at boot.
      type: list
      elements: dict
      contains:
        service:
          description: The systemd service, with C(.service); none for a process outside of one.
          type: str
          version_added: 1.0.0
        state:
          description: Its state as systemd reports it.
          type: str
          version_added: 1.0.0
        pid:
          description: Its process.
          type: int
          version_added: 1.0.0
        user:
          description: The user that it runs as.
          type: str
          version_added: 1.0.0
        working_directory:
          description: Where its process works.
          type: str
          version_added: 1.0.0
        ports:
          description: The TCP ports on which it listens now.
          type: list
          version_added: 1.0.0
          elements: int
        where:
          description: What it was found in.
          type: str
          version_added: 1.0.0
        in_use:
          description: Whether it runs, or starts at boot.
          type: bool
          version_added: 1.0.0
        expected_ports:
          description: For a service in use that does not listen now, the TCP port on which other machines will reach it
            (empty if only the machine itself will); none where that is not certain.
          type: list
          version_added: 1.0.0
          elements: int
        shares:
          description: What it has in common with this one (C(settings_file), C(settings_folder), C(user_dir)).
          type: list
          version_added: 1.0.0
          elements: str
    palette:
      description: What installed nodes request that a password for pages or another address of the editor breaks.
      type: dict
      version_added: 1.0.0
      contains:
        findings:
          description: Each request, as far as it can be told from the files of the nodes.
          type: list
          elements: dict
          contains:
            package:
              description: The package, or C(nodes) for files in that folder of the user directory.
              type: str
              sample: node-red-contrib-chatbot
            version:
              description: Its release, or empty.
              type: str
            finding:
              description:
                - C(node_path) is a dialog that requests a path of C(RED.httpNode), C(node_path_of_editor) one that does
                  so by an address relative to the editor.
                - C(root_path) is a dialog that requests an address of the editor from the root of the server.
                - C(manifest) is a page whose manifest browsers request without a password.
              type: str
            path:
              description: What is requested; empty for C(manifest).
              type: str
              sample: /redbot/globals
            file:
              description: The file of the package.
              type: str
            line:
              description: The line in it.
              type: int
        complete:
          description: Whether all nodes were searched. The search ends after 2 seconds, 6000 files or 20 MiB.
          type: bool
    redirects:
      description: >-
        Rules of iptables and nftables that redirect TCP packets, active or in C(/etc/iptables), C(/etc/nftables.conf),
        C(/etc/rc.local) and C(/etc/ufw/before.rules).
      type: list
      version_added: 1.0.0
      elements: dict
      contains:
        from:
          description: The ports that are redirected, as the rule has them; empty for all.
          type: str
          sample: "80"
        address:
          description: The address that packets are sent to; empty for this machine.
          type: str
        to:
          description: The port that they are sent to.
          type: int
        where:
          description: The programs that list the rule, and the files that hold it.
          type: list
          elements: str
          sample: [iptables-save, /etc/iptables/rules.v4]
    ephemeral_ports:
      description: The ports that the kernel gives to a program that asks for any.
      type: dict
      version_added: 1.0.0
      contains:
        first:
          description: The lowest.
          type: int
          sample: 32768
        last:
          description: The highest.
          type: int
          sample: 60999
        in_flows:
          description: Those that a node of the flow file has as its port, so that they stay the same.
          type: list
          elements: int
    held_ports:
      description: The TCP ports that processes outside of the service hold.
      type: list
      elements: dict
      contains:
        port:
          description: The port.
          type: int
        address:
          description: The address on which it is held.
          type: str
        pid:
          description: The process that holds it; none when it cannot be found out.
          type: int
        process:
          description: Its name.
          type: str
    clock:
      description: What time it is for the machine, in seconds since 1970. A Raspberry Pi has no clock of its own.
      type: int
      version_added: 0.2.0
    system:
      description: The name of the operating system; none if it is not known.
      type: str
      version_added: 1.0.0
      sample: Debian GNU/Linux 12 (bookworm)
    hostname:
      description: The name of the machine.
      type: str
    addresses:
      description: The addresses under which other machines may reach it for longer, without those of containers.
      type: list
      elements: str
    tls:
      description: The certificate that the role C(tls) has given to the service.
      type: dict
      contains:
        folder:
          description: Where Node-RED finds certificate and key.
          type: str
        certificate:
          description: The certificate as PEM text; none when there is none.
          type: str
        earlier:
          description: The certificate before as PEM text, which Node-RED uses until it reads the new one; none without.
          type: str
          version_added: 1.0.0
        replaced:
          description: Seconds since it was replaced.
          type: int
          version_added: 1.0.0
        problem:
          description: Why Node-RED's user could not use it with its key; empty where it can.
          type: str
        client_authorities:
          description: The files with authorities for client certificates beside it.
          type: list
          elements: str
        follows:
          description: Whether it is copied from other files of the machine whenever those are renewed.
          type: bool
source:
  description: The settings file.
  returned: when O(source) is true
  type: dict
  contains:
    content:
      description: The bytes of the file in Base64.
      type: str
    checksum:
      description: The SHA-256 of the bytes, in hexadecimal.
      type: str
firewall:
  description: The firewall, as the module M(pifleet.nodered.firewall_info) returns it; none if it cannot be read.
  returned: when O(firewall) is true
  type: dict
  version_added: 1.0.0
restore_points:
  description: What was before each change by the roles, and what is there now.
  returned: when O(restore_points) is set
  type: dict
  version_added: 1.0.0
  contains:
    points:
      description: The points, the oldest first, each with C(number), C(date), C(summary), C(edited) and C(entries).
      type: list
      elements: dict
    now:
      description: The files that this collection manages, as they are now.
      type: list
      elements: dict
    firewall_edited:
      description: Whether ufw was changed since a change of this collection was last confirmed.
      type: bool
    texts:
      description: The bytes of the files in Base64, by their SHA-256.
      type: dict
spent:
  description: How many seconds of O(time_limit) this took.
  returned: always
  type: float
  version_added: 1.0.0
waited:
  description: How many seconds it waited for another run of this collection.
  returned: always
  type: float
  version_added: 1.0.0
"""

import base64
from typing import Any, Dict, Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _description,
    _find,
    _neighbours,
    _start_plan,
    _supported,
)


def discover(
    service: Optional[str],
    with_source: bool,
    with_firewall: bool,
    other_firewalls: bool = False,
    restore_points: Optional[str] = None,
) -> Dict[str, Any]:
    unit, others = _find.find(service)
    plan = _start_plan.plan(unit)
    _start_plan.require_settings_file(plan)
    # Read before it is loaded: a change in between makes the write refuse, not go wrong.
    content = _files.read(plan.settings_file, plan.user_for(plan.settings_file))
    with _neighbours.Search(plan) as neighbours:
        with _supported.no_package_overwrites(plan.settings_file, content.attributes.uid == 0):
            loaded = _start_plan.load(plan)
        if loaded.timed_out:
            # Each further module would wait as long.
            raise Failure(
                "%s: %s" % (plan.settings_file, loaded.error),
                "Load it by hand as user %s (node -e 'require(\"%s\")') and see what it waits for."
                % (plan.user, plan.settings_file),
            )
        instance = _description.describe(plan, loaded, others)
        instance.update(neighbours.found(instance["user_dir"]))
    instance.update(_change.described(plan.service, unit.main_pid))
    result: Dict[str, Any] = {"changed": False, "instance": instance}
    if with_source:
        result["source"] = {
            "content": base64.b64encode(content.data).decode("ascii"),
            "checksum": content.checksum,
        }
    if restore_points:
        result["restore_points"] = _restore_points(plan, instance["user_dir"], restore_points == "texts")
    if with_firewall:
        result["firewall"] = _firewall(other_firewalls)
    return result


def _restore_points(plan: _start_plan.StartPlan, user_dir: str, with_texts: bool) -> Dict[str, Any]:
    from ansible_collections.pifleet.nodered.plugins.module_utils._change import _managed, _points
    from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import _guard

    subjects = _managed.subjects(plan, plan.settings_file, user_dir)
    subjects += [_points.Subject(_points.FIREWALL, path) for path in _guard.files_before()]
    return {
        **_points.listed(plan.service, subjects, with_texts),
        "firewall_edited": _guard.edited_before() and not _guard.waiting(),
    }


def _firewall(others: bool) -> Optional[Dict[str, Any]]:
    # Only here: a Pi compiles what a module imports each time it runs.
    from ansible_collections.pifleet.nodered.plugins.module_utils._firewall import _description as _firewall_description

    try:
        return _firewall_description.describe(others)
    except Failure:
        # The module firewall_info reports it to those who need the firewall.
        return None


def main() -> None:
    module = Module(
        argument_spec={
            "service": {"type": "str"},
            "source": {"type": "bool", "default": False},
            "firewall": {"type": "bool", "default": False},
            "other_firewalls": {"type": "bool", "default": False},
            "restore_points": {"type": "str", "choices": ["list", "texts"]},
            "time_limit": _deadline.OPTION,
        },
        supports_check_mode=True,
    )
    wanted = module.params
    options = [wanted[name] for name in ("service", "source", "firewall", "other_firewalls", "restore_points")]
    module.finish(lambda: discover(*options), wanted["time_limit"])


if __name__ == "__main__":
    main()
