#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Try what an outsider can and cannot do to a running Node-RED
description:
  - Sends requests that must fail and requests that must work to a running Node-RED, and reports each with what was
    expected and what was found. The content of a settings file is no evidence; a response is.
  - The requests come from the controller, so they arrive as those of an outsider do. The task still names the host
    that runs Node-RED, since a password may have to travel through its connection, see O(password).
  - It never deploys and changes no flow. Every session that it starts is ended before the module returns. For each
    run at most one login fails on purpose, under a random user name, and at most one is made with the user name
    given; Node-RED locks a user name for ten minutes after five failures. With O(totp_secret), up to three more fail
    on purpose, under the user name given.
  - A check that fails does not fail the task. Use RV(passed), or RV(checks), in C(ansible.builtin.assert).
version_added: 0.1.0
author:
  - The pifleet authors (@pifleet)
extends_documentation_fragment:
  - pifleet.nodered.attributes.info_module
  - pifleet.nodered.attributes
attributes:
  check_mode:
    details:
      - It changes nothing, and makes the same requests in check mode.
  diff_mode:
    details:
      - There is nothing to compare.
  idempotent:
    support: partial
    details:
      - Nothing stays but what logins leave behind, the sessions file of Node-RED and its count of failed logins.
  platform:
    details:
      - The host needs nothing but Python 3, and that only where a password travels through its connection.
  action:
    description: The work is done by an action plugin on the controller.
    support: full
options:
  url:
    description:
      - Scheme, host, port and admin root of the Node-RED, as the controller reaches it.
      - A loopback address is that of the machine where the checks run, for example a forwarded port of the controller.
    type: str
    required: true
  username:
    description:
      - The user whose login is tried. Needs O(password).
      - Where this user may only read, it is also tried whether Node-RED refuses a change of the flows.
    type: str
  password:
    description:
      - The plaintext password of O(username).
      - It leaves the controller in one of two ways only. Over TLS with a verified certificate it is sent to O(url).
        Otherwise it is handed through the host's Ansible connection, on standard input, to a Python that logs in at
        O(local_url) from there. It is never in module arguments, in a process list or in a file.
      - Where neither is possible the checks that need a login have the status V(skip) and say why.
      - Every callback plugin receives it, as it receives each task argument, also with C(no_log). Use
        O(credentials_from) to avoid that. The result of this module holds no password.
    type: str
  totp_secret:
    description:
      - The secret of the two-step login of O(username), in Base32, as in the C(otpauth) address. It is treated like
        O(password), which it needs.
      - Then it is also tried whether the password alone is refused, and whether a code is refused that was used.
    type: str
    version_added: 1.0.0
  local_url:
    description:
      - How the host itself reaches this Node-RED. The address must be one of the host's own.
      - The default is O(url) with the host C(127.0.0.1), and after it O(url) itself where its host is an address.
        Needed where C(uiHost) is another address, or where a proxy or a forwarded port stands before Node-RED.
    type: str
  run_on:
    description:
      - Where the checks run. With V(host), all of them run on the host, against O(local_url), in one remote
        execution. That is for a Node-RED that no other machine can reach.
      - With the inventory name of another machine, that one asks O(url), over its own Ansible connection. It gets the
        authorities, but no password and no client certificate. What needs a login is tried on the host, at
        O(local_url).
    type: str
    default: controller
  validate_certs:
    description:
      - Whether an C(https) certificate must be valid for O(url). With V(false) the checks do not look at it, and the
        password is not sent there.
    type: bool
    default: true
  ca:
    description:
      - A PEM file with the authorities that may have signed the certificate. The default is the system's authorities.
      - This file, O(client_cert) and O(client_key) are on the controller.
    type: path
  authorities:
    description:
      - PEM text instead of O(ca). The certificates in it are trusted themselves, whatever their issuer, so that the
        certificate of a server can be given, too.
    type: str
  min_tls:
    description:
      - The lowest version of TLS that Node-RED may speak.
    type: str
    choices: ["1.2", "1.3"]
    default: "1.2"
  client_cert:
    description:
      - A PEM file with the client certificate, where Node-RED demands one. Then it is also tried what comes without it.
    type: path
  client_key:
    description:
      - A PEM file with the unencrypted key of O(client_cert). Not needed where both are in one file.
    type: path
  timeout:
    description:
      - The limit for each request, in seconds, from the connection to the last byte of the answer.
      - All checks together get three times as long, see O(seconds).
    type: float
    default: 10
  seconds:
    description:
      - The limit for all checks together. The default is three times O(timeout).
      - A check that is not done by then fails and reports it, so that a host that stalls cannot delay the others.
        A very slow machine with many pages and dashboards may need more.
    type: float
    version_added: 1.0.0
  closed_ports:
    description:
      - Ports of the same host on which nothing may answer any more.
    type: list
    elements: int
    default: []
  admin_api:
    description:
      - Set V(false) if C(httpAdminRoot) is V(false). Then it is a failure if the admin API answers.
      - Otherwise an answer that there is no admin API at this URL is a failure, for it may only have moved to another
        path.
    type: bool
    default: true
  node_root:
    description:
      - The path of C(httpNodeRoot), where each response must require a password.
      - This and the following paths are on the server of O(url), whatever its admin root.
    type: str
  static_roots:
    description:
      - Paths at which C(httpStatic) has files that require a password.
    type: list
    elements: str
    default: []
  dashboard_sockets:
    description:
      - The paths of the dashboards' socket.io servers, such as V(/ui/socket.io/). No button is pressed there; only
        a connection is tried, by polling and by websocket.
    type: list
    elements: str
    default: []
  websockets:
    description:
      - Paths at which C(websocket in) nodes listen. Nothing is sent to them.
    type: list
    elements: str
    default: []
  http_username:
    description:
      - With this user name and O(http_password), pages and dashboards must work.
    type: str
  http_password:
    description:
      - The plaintext password of C(httpNodeAuth). It travels in the same way as O(password).
    type: str
  credentials_from:
    description:
      - The name of a variable, in place of O(username), O(password), O(totp_secret), O(http_username) and
        O(http_password). Its value is a dictionary with these keys; those that are absent are not used.
      - The variable is read by the action plugin, so its passwords are in no task argument.
    type: str
    version_added: 1.0.0
  only:
    description:
      - The RV(checks[].id) of the checks that are wanted. The default is all.
      - The check V(answers) is always among them. A check is left out if what it needs is not given, such as paths.
    type: list
    elements: str
    version_added: 1.0.0
seealso:
  - module: ansible.builtin.assert
notes:
  - A login makes Node-RED write its sessions file. A Node-RED that cannot write it (read-only user directory) ends
    itself then; this is Node-RED's own behavior.
  - Do not delegate this task, but use O(run_on). Delegated to the controller, it has no connection to hand a password
    through. Delegated to another host, the checks are made there, and a password is refused, as it would get there
    among the module's arguments.
  - A connection that passes no standard input, such as paramiko, runs the checks on the host as a module, without a
    password.
  - No C(become) is needed, and where the play sets it, it is not used for the login.
  - Checks that are made on the host, and a delegated probe, get 20 seconds more for the SSH login and the start of
    Python, and 5 seconds to end a session. Then the task fails. A shorter limit can be set with the task keyword
    C(timeout).
  - The Node-RED and its host are not trusted. An answer that is too long or not of the type that Node-RED sends makes
    the check fail; output of the host that the probe does not print makes the task fail.
"""

EXAMPLES = r"""
- name: Test the login
  pifleet.nodered.probe:
    url: http://{{ ansible_host }}:1880
    username: admin
    password: "{{ admin_password }}"
  register: proof

- name: Do so without a password in the task arguments, which callback plugins receive
  pifleet.nodered.probe:
    url: http://{{ ansible_host }}:1880
    credentials_from: editor_login # a variable such as {username: admin, password: "{{ vault_admin }}"}

- name: Fail if a check failed
  ansible.builtin.assert:
    that: proof.passed
    fail_msg: "{{ proof.checks | selectattr('status', 'eq', 'fail') | map(attribute='title') | join('; ') }}"

- name: Test TLS with the fleet's own authority, and that the old port is closed
  pifleet.nodered.probe:
    url: https://{{ inventory_hostname }}:8443
    ca: files/fleet-ca.pem
    username: looker
    password: "{{ looker_password }}"
    closed_ports: [1880]

- name: Test a Node-RED that only listens on its own machine
  pifleet.nodered.probe:
    url: http://127.0.0.1:1880
    run_on: host
"""

RETURN = r"""
passed:
  description: Whether no check failed. A check that was skipped does not count.
  type: bool
  returned: success
  sample: true
checks:
  description:
    - The checks, always in the same order, also those that were skipped. The check C(old_port_closed) is there only
      with O(closed_ports), C(client_certificate_required) only with O(client_cert), those of TLS only where O(url)
      begins with C(https), those of pages and sockets only where their paths are given, and C(code_required) and
      C(code_used_once) only with O(totp_secret).
    - Where C(answers) fails, nothing else is tried, except C(old_port_closed) and C(certificate_trusted).
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description:
        - V(answers), V(login_required), V(flows_closed), V(flows_write_closed), V(comms_closed), V(login_offered),
          V(wrong_password_refused), V(code_required), V(login_works), V(read_only_cannot_write), V(code_used_once),
          V(old_port_closed),
          V(certificate_trusted), V(old_tls_refused), V(plain_http_refused), V(client_certificate_required),
          V(node_pages_closed), V(static_closed), V(dashboards_closed), V(websockets_closed), V(pages_work) or
          V(dashboards_work). These stay.
      type: str
      sample: flows_closed
    title:
      description: What the check shows, in one line.
      type: str
      sample: Reading the flows requires a login
    status:
      description: V(pass), V(fail), or V(skip) if the check was left out.
      type: str
      sample: pass
    expected:
      description: The request and the answer that it must get.
      type: str
      sample: "GET flows without a token: 401"
    found:
      description: What came instead or as expected, or why the check was left out.
      type: str
      sample: 401, Node-RED asks for a login
"""

import dataclasses
from typing import Any, List, Mapping, Optional, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._errors import ProbeError
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._probe import probe
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._target import TIMEOUT, Target

ARGUMENT_SPEC = {
    "url": {"type": "str", "required": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "local_url": {"type": "str"},
    "run_on": {"type": "str", "default": "controller"},
    "validate_certs": {"type": "bool", "default": True},
    "ca": {"type": "path"},
    "client_cert": {"type": "path"},
    # The path of a key is no secret; without this, Ansible warns about the name.
    "client_key": {"type": "path", "no_log": False},
    "authorities": {"type": "str"},
    "min_tls": {"type": "str", "choices": ["1.2", "1.3"], "default": "1.2"},
    "timeout": {"type": "float", "default": TIMEOUT},
    "seconds": {"type": "float"},
    "closed_ports": {"type": "list", "elements": "int", "default": []},
    "admin_api": {"type": "bool", "default": True},
    "node_root": {"type": "str"},
    "static_roots": {"type": "list", "elements": "str", "default": []},
    "dashboard_sockets": {"type": "list", "elements": "str", "default": []},
    "websockets": {"type": "list", "elements": "str", "default": []},
    "http_username": {"type": "str"},
    "http_password": {"type": "str", "no_log": True},
    "totp_secret": {"type": "str", "no_log": True},
    "credentials_from": {"type": "str"},
    "only": {"type": "list", "elements": "str"},
}
CREDENTIALS = ("username", "password", "http_username", "http_password", "totp_secret")
REQUIRED_TOGETHER = [["username", "password"], ["http_username", "http_password"]]
MUTUALLY_EXCLUSIVE = [["credentials_from", option] for option in CREDENTIALS]
# What the probe itself is told; the rest says where it runs.
TARGET_OPTIONS = [field.name for field in dataclasses.fields(Target) if field.name in ARGUMENT_SPEC]


def with_answers(only: Optional[Sequence[str]]) -> Optional[List[str]]:
    """The checks that are wanted, with the one that all others depend on; None for all."""
    return None if only is None else ["answers", *(check for check in only if check != "answers")]


def target_of(options: Mapping[str, Any]) -> Target:
    return Target(**{name: options[name] for name in TARGET_OPTIONS})


def main() -> None:
    module = Module(
        argument_spec=ARGUMENT_SPEC,
        required_together=REQUIRED_TOGETHER,
        mutually_exclusive=MUTUALLY_EXCLUSIVE,
        supports_check_mode=True,
    )
    module.params["only"] = with_answers(module.params["only"])
    try:
        checks = probe(target_of(module.params))
    except ProbeError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, checks=checks, passed=all(check["status"] != "fail" for check in checks))


if __name__ == "__main__":
    main()
