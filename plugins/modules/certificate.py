#!/usr/bin/python
# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
---
module: certificate
short_description: Give Node-RED a certificate and its key, as a pair or not at all
version_added: 0.1.0
author:
  - The pifleet authors (@pifleet)
description:
  - Puts a certificate and its key into C(/etc/nodered-tls/<service>/current), where root owns them and the group of the
    service may read them. C(current) is a link that moves to the new pair in one step, so nobody ever sees half of one.
  - The certificate is made on the controller or checked there before anything is written (dates, chain, strength,
    names), and on the machine Node-RED's own user and Node.js try out the pair before the link moves.
  - Node-RED uses it through its setting C(https), which the role C(tls) writes. Written as a function, it makes a
    renewed pair go live without a restart.
requirements:
  - cryptography on the controller
  - systemd, and Node-RED with its Node.js
extends_documentation_fragment:
  - pifleet.nodered.attributes
  - pifleet.nodered.attributes.systemd
  - pifleet.nodered.remount
attributes:
  diff_mode:
    support: none
options:
  service:
    description:
      - The systemd service that runs Node-RED.
    type: str
    required: true
  certificate:
    description:
      - The certificate as PEM text, then those that lead to its authority.
    type: str
  key:
    description:
      - Its key as PEM text, without a passphrase. Callback plugins receive it, whatever C(no_log) is set to; use
        O(pair_from) to prevent that.
    type: str
  pair_from:
    description:
      - The name of a variable with a dictionary of C(certificate) and C(key) as PEM text. The action reads it, so the
        key is no argument of the task, which callback plugins receive.
    type: str
    version_added: 0.3.0
  made_by:
    description:
      - Make key and certificate on the controller. V(selfsigned) makes a certificate that is its own authority, and
        V(authority) has the one in O(authority_folder) issue it.
      - A new pair is made only where the present one is missing, damaged, about to expire or not made for a name.
      - It is made for O(names), the names of the host in the inventory (inventory name, C(ansible_host),
        C(nodered_address), C(nodered_tls_names)), C(localhost), and the names of O(reported) that count.
    type: str
    choices: [selfsigned, authority]
    version_added: 0.3.0
  reported:
    description:
      - Names and addresses that the host reports. With O(made_by), one of them counts only if it is private (a private,
        loopback or link-local address, a name below C(.local), a single label) and belongs to no other host of the
        inventory, and if the authority may make certificates for it.
    type: list
    elements: str
    default: []
    version_added: 0.3.0
  authority_folder:
    description:
      - The folder of the private authority on the controller. M(pifleet.nodered.authority) makes it.
    type: path
    version_added: 0.3.0
  passphrase_from:
    description:
      - The name of the variable that has the passphrase of the authority's key.
    type: str
    version_added: 0.3.0
  days:
    description:
      - For how many days a certificate is made. Two of them are in the past, for machines without a clock.
    type: int
    default: 397
    version_added: 0.3.0
  renew_days:
    description:
      - A certificate that was made here and has fewer days left is made anew.
    type: int
    default: 30
    version_added: 0.3.0
  certificate_file:
    description:
      - A PEM file on the machine that runs Node-RED, to be copied now and whenever it is renewed.
      - Where a user other than root can change where the path leads (a folder or link on the way), it is read as that
        user. It has 1 MiB at most.
      - A renewal must have all names of the certificate before, and the same issuer. Issuers are the same if their
        organizations are, so another intermediate of Let's Encrypt is one; without an organization, their whole names
        are compared. Another certificate is not copied but reported in the journal; run the role again to use it.
    type: path
  key_file:
    description:
      - The PEM file with the key of O(certificate_file). Root alone needs to be able to read it.
    type: path
  client_authority:
    description:
      - PEM text of the authorities whose client certificates Node-RED is to accept. It is put beside the pair.
    type: str
  names:
    description:
      - Host names and addresses that the certificate must be made for.
    type: list
    elements: str
    default: []
  authorities:
    description:
      - PEM text of the authorities of which one must have issued the certificate. The default is those of the
        controller's system, or the certificate itself where it is self-signed.
    type: str
  present:
    description:
      - What M(pifleet.nodered.instance_info) returned as C(instance.tls). Where that is what is wanted already, no
        remote execution is needed.
    type: dict
  _checked:
    description:
      - The certificate in O(certificate_file) that the action plugin has checked on the controller. It is not for
        playbooks.
    type: str
seealso:
  - module: pifleet.nodered.settings
  - module: pifleet.nodered.probe
"""

EXAMPLES = r"""
- name: Give Node-RED what certbot keeps, now and after each renewal
  pifleet.nodered.certificate:
    service: nodered
    certificate_file: /etc/letsencrypt/live/pi.example.org/fullchain.pem
    key_file: /etc/letsencrypt/live/pi.example.org/privkey.pem
    names: [pi.example.org]
  become: true

- name: Give Node-RED the pair in the variable vault_pair, which has certificate and key
  pifleet.nodered.certificate:
    service: nodered
    pair_from: vault_pair
  become: true
"""

RETURN = r"""
folder:
  description: Where Node-RED finds the pair.
  returned: success
  type: str
  sample: /etc/nodered-tls/nodered/current
certificate:
  description: The certificate that Node-RED has now, or would have, as PEM text.
  returned: success
  type: str
reason:
  description: Why a certificate is made. Empty where none is.
  returned: with O(made_by)
  type: str
names:
  description: For which names the certificate has to be made.
  returned: with O(made_by)
  type: list
  elements: str
self_signed:
  description: Whether it vouches for itself, so that visitors have to be given the certificate.
  returned: success
  type: bool
"""

import contextlib
import os
import shlex
import sys
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _change
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline, _program
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._module import Module
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files, _remount
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import (
    _certificate,
    _pair,
    _start_plan,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._pair import Pair
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd, _unit_files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import UNIT_FOLDER
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._unit_files import Directive

PROGRAM = "/usr/local/lib/pifleet.nodered/follow-certificate"

ARGUMENT_SPEC: Dict[str, Any] = {
    "service": {"type": "str", "required": True},
    "certificate": {"type": "str"},
    "key": {"type": "str", "no_log": True},
    # The names of variables are no secrets.
    "pair_from": {"type": "str"},
    "made_by": {"type": "str", "choices": ["selfsigned", "authority"]},
    "reported": {"type": "list", "elements": "str", "default": []},
    "authority_folder": {"type": "path"},
    "passphrase_from": {"type": "str", "no_log": False},
    "days": {"type": "int", "default": 397},
    "renew_days": {"type": "int", "default": 30},
    "certificate_file": {"type": "path"},
    # The path of a key is no secret; without this, Ansible warns about the name.
    "key_file": {"type": "path", "no_log": False},
    "client_authority": {"type": "str"},
    "names": {"type": "list", "elements": "str", "default": []},
    "authorities": {"type": "str"},
    "present": {"type": "dict"},
    "remount": {"type": "bool", "default": False},
    "_checked": {"type": "str"},
}
ARGUMENT_RULES: Dict[str, Any] = {
    "mutually_exclusive": [["certificate", "certificate_file", "pair_from", "made_by"]],
    "required_one_of": [["certificate", "certificate_file", "pair_from", "made_by"]],
    "required_together": [["certificate", "key"], ["certificate_file", "key_file"]],
    "required_if": [["made_by", "authority", ["authority_folder", "passphrase_from"]]],
}


def give(params: Mapping[str, Any], check_mode: bool) -> Dict[str, Any]:
    plan = _start_plan.plan(_systemd.existing(params["service"]))
    folder = _certificate.tls_folder(plan)
    wanted = wanted_pair(params)
    files = wanted_files(params, plan, folder)
    stale = [] if params["certificate_file"] else [path for path in unit_paths(plan.service) if os.path.exists(path)]
    another_pair = _pair.placed(folder) != wanted or bool(_pair.why_unusable(folder, _certificate.reader(plan)))
    differing = {path: data for path, data in files.items() if _data_of(path) != data}
    unwatched = unit_paths(plan.service)[0] in files and not is_watched(plan.service)
    changed = another_pair or bool(differing) or bool(stale) or unwatched
    if changed and not check_mode:
        places = [folder, UNIT_FOLDER, *differing]
        with _change.locked(plan.service), _remount.writable(places, params["remount"]):
            if another_pair:
                _pair.place(folder, wanted, _certificate.reader(plan))
            write(differing, stale, plan, folder)
            if unwatched or any(path.startswith(UNIT_FOLDER) for path in differing):
                watch(plan.service)
    return {
        "changed": changed,
        "folder": os.path.join(folder, _pair.CURRENT),
        "certificate": _text(wanted.certificate),
    }


def wanted_pair(params: Mapping[str, Any]) -> Pair:
    if params["certificate_file"]:
        return _checked(_pair.from_files(params["certificate_file"], params["key_file"]), params)
    return Pair(params["certificate"].encode(), params["key"].encode())


def _checked(pair: Pair, params: Mapping[str, Any]) -> Pair:
    """The pair, unless its certificate has been exchanged since the controller has checked it."""
    if params["_checked"] is not None and _text(pair.certificate) != params["_checked"]:
        raise Failure("%s has changed while it was checked." % params["certificate_file"], "Run again.")
    return pair


def _text(certificate: bytes) -> str:
    return certificate.decode("utf-8", "replace")


def wanted_files(params: Mapping[str, Any], plan: _start_plan.Plan, folder: str) -> Dict[str, bytes]:
    """What else has to be there: the authorities of clients, and what follows renewals."""
    found = {}
    if params["client_authority"]:
        authority = params["client_authority"].encode()
        found[os.path.join(folder, "client-authority-%s.pem" % _files.checksum(authority)[:16])] = authority
    if params["certificate_file"]:
        path_unit, service_unit = unit_paths(plan.service)
        found[PROGRAM] = _program.archive(_pair.__name__)
        found[path_unit] = path_unit_text(params, plan.service).encode()
        found[service_unit] = service_unit_text(params, plan, folder).encode()
    return found


def unit_paths(service: str) -> List[str]:
    return [os.path.join(UNIT_FOLDER, "pifleet-%s-certificate.%s" % (service, kind)) for kind in ("path", "service")]


def is_watched(service: str) -> bool:
    """Whether systemd watches the files after each boot: a power cut may have come between the unit and its link."""
    unit = os.path.basename(unit_paths(service)[0])
    return os.path.islink(os.path.join(UNIT_FOLDER, "multi-user.target.wants", unit))


def path_unit_text(params: Mapping[str, Any], service: str) -> str:
    # The folders, as a watch of a file ends with that file; certbot's links and what they lead to are in two of them.
    files = [params["certificate_file"], params["key_file"]]
    watched = [os.path.dirname(path) for path in files] + [os.path.dirname(os.path.realpath(path)) for path in files]
    return _unit_files.text(
        {
            "Unit": [Directive("Description", ["The certificate that %s copies is renewed" % service])],
            "Path": [Directive("PathChanged", [path]) for path in dict.fromkeys(watched)],
            "Install": [Directive("WantedBy", ["multi-user.target"])],
        }
    )


def service_unit_text(params: Mapping[str, Any], plan: _start_plan.Plan, folder: str) -> str:
    reader = _certificate.reader(plan)
    words = [sys.executable or "/usr/bin/python3", "-I", PROGRAM, "--folder", folder, "--user", reader.user]
    words += ["--group", reader.group, "--node", reader.node]
    words += ["--certificate", params["certificate_file"], "--key", params["key_file"]]
    return _unit_files.text(
        {
            "Unit": [
                Directive("Description", ["Give %s its renewed certificate" % plan.service]),
                # A renewal is several changes, and systemd would stop watching after the fifth.
                Directive("StartLimitIntervalSec", ["0"]),
            ],
            "Service": [Directive("Type", ["oneshot"]), Directive("ExecStart", words)],
        }
    )


def write(files: Mapping[str, bytes], stale: List[str], plan: _start_plan.Plan, folder: str) -> None:
    path_unit = os.path.basename(unit_paths(plan.service)[0])
    if stale:
        _systemd.run(["systemctl", "disable", "--now", path_unit], 60)
    for path in stale:
        _files.remove(path)
    for path, data in files.items():
        gid = _certificate.reader(plan).gid if path.startswith(folder) else 0
        with _files.explained(path):
            _files.make_folders(os.path.dirname(path), 0o755)
        _files.replace(path, data, Attributes(0, gid, 0o640 if path.startswith(folder) else 0o644, {}))
    if stale or any(path.startswith(UNIT_FOLDER) for path in files):
        _systemd.run(["systemctl", "daemon-reload"], 90)


def watch(service: str) -> None:
    path_unit = os.path.basename(unit_paths(service)[0])
    _systemd.run(["systemctl", "enable", path_unit], 60)
    answer = _systemd.run(["systemctl", "restart", path_unit], 60)
    if answer.returncode != 0:
        raise Failure(
            "%s could not be started, so renewals would not be copied: %s" % (path_unit, answer.stderr.strip()),
            "See systemctl status %s on the machine." % shlex.quote(path_unit),
        )


def _data_of(path: str) -> Optional[bytes]:
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        return stream.read()
    return None


def give_explained(module: Module) -> Dict[str, Any]:
    with _files.explained("/etc/nodered-tls"):
        return give(module.params, module.check_mode)


def main() -> None:
    module = Module(argument_spec=ARGUMENT_SPEC, supports_check_mode=True, **ARGUMENT_RULES)
    module.finish(lambda: give_explained(module), _deadline.SECONDS)


if __name__ == "__main__":
    main()
