# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the certificate of a service, its clients' authority, what follows renewals."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from typing import Dict, List, NamedTuple, Optional

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _program
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _certificate, _pair
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._pair import Pair
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd, _unit_files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._unit_files import Directive

PROGRAM = "/usr/local/lib/pifleet.nodered/follow-certificate"


class Wanted(NamedTuple):
    """The pair as text, or the files that it is copied from now and at each renewal; and the authority of clients.

    Without both, the pair stays.
    """

    certificate: str = ""
    key: str = ""
    certificate_file: str = ""
    key_file: str = ""
    checked: str = ""
    """The certificate that the controller has read from `certificate_file` and accepted."""
    client_authority: str = ""


class Work(NamedTuple):
    """What differs on this machine."""

    pair: Optional[Pair]
    """The pair to place, None if it is there."""
    files: Dict[str, bytes]
    stale: List[str]
    watch: bool

    @property
    def places(self) -> List[str]:
        """Where it writes."""
        return [os.path.dirname(path) for path in (*self.files, *self.stale)]


def work(wanted: Wanted, plan: StartPlan) -> Work:
    """What there is to do. Raises Failure if the pair cannot be read or is not what the controller accepted."""
    return differing(_wanted_pair(wanted), wanted, plan)


def differing(pair: Optional[Pair], wanted: Wanted, plan: StartPlan) -> Work:
    """What there is to do for this pair; without one, the pair and what follows its renewals stay."""
    folder = _certificate.tls_folder(plan)
    there = pair is None or (_pair.placed(folder) == pair and not _pair.why_unusable(folder, _certificate.reader(plan)))
    files = {path: data for path, data in _files_for(wanted, plan, folder).items() if _data_of(path) != data}
    stale = [path for path in unit_paths(plan.service) if wanted.certificate and os.path.exists(path)]
    unwatched = bool(wanted.certificate_file) and not is_watched(plan.service)
    watch_ = unwatched or any(path.startswith(_systemd.UNIT_FOLDER) for path in files)
    return Work(None if there else pair, files, stale, watch_)


def place(todo: Work, plan: StartPlan) -> None:
    """Do it. The caller holds the lock of the service, and the places can be written."""
    folder = _certificate.tls_folder(plan)
    if todo.pair:
        _pair.place(folder, todo.pair, _certificate.reader(plan))
    write(todo.files, todo.stale, plan, folder)
    if todo.watch:
        watch(plan.service)


def _wanted_pair(wanted: Wanted) -> Optional[Pair]:
    if wanted.certificate:
        return Pair(wanted.certificate.encode(), wanted.key.encode())
    if not wanted.certificate_file:
        return None
    pair = _pair.from_files(wanted.certificate_file, wanted.key_file)
    if pair.certificate.decode("utf-8", "replace") != wanted.checked:
        raise Failure("%s has changed while it was checked." % wanted.certificate_file, "Run again.")
    return pair


def _files_for(wanted: Wanted, plan: StartPlan, folder: str) -> Dict[str, bytes]:
    """What else has to be there: the authority of clients, and what follows renewals."""
    found = {}
    if wanted.client_authority:
        authority = wanted.client_authority.encode()
        found[os.path.join(folder, "client-authority-%s.pem" % _files.checksum(authority)[:16])] = authority
    if wanted.certificate_file:
        path_unit, service_unit = unit_paths(plan.service)
        found[PROGRAM] = _program.archive(_pair.__name__)
        found[path_unit] = path_unit_text(wanted, plan.service).encode()
        found[service_unit] = service_unit_text(wanted, plan, folder).encode()
    return found


def unit_paths(service: str) -> List[str]:
    path_unit = _certificate.path_unit(service)
    return [path_unit, path_unit[: -len("path")] + "service"]


def is_watched(service: str) -> bool:
    """Whether systemd watches the files after each boot: a power cut may have come between the unit and its link."""
    unit = os.path.basename(unit_paths(service)[0])
    return os.path.islink(os.path.join(_systemd.UNIT_FOLDER, "multi-user.target.wants", unit))


def path_unit_text(wanted: Wanted, service: str) -> str:
    # The folders, as a watch of a file ends with that file; certbot's links and what they lead to are in two of them.
    files = [wanted.certificate_file, wanted.key_file]
    watched = [os.path.dirname(path) for path in files] + [os.path.dirname(os.path.realpath(path)) for path in files]
    return _unit_files.text(
        {
            "Unit": [Directive("Description", ["The certificate that %s copies is renewed" % service])],
            "Path": [Directive("PathChanged", [path]) for path in dict.fromkeys(watched)],
            "Install": [Directive("WantedBy", ["multi-user.target"])],
        }
    )


def service_unit_text(wanted: Wanted, plan: StartPlan, folder: str) -> str:
    reader = _certificate.reader(plan)
    words = [sys.executable or "/usr/bin/python3", "-I", PROGRAM, "--folder", folder, "--user", reader.user]
    words += ["--group", reader.group, "--node", reader.node]
    words += ["--certificate", wanted.certificate_file, "--key", wanted.key_file]
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


def write(files: Dict[str, bytes], stale: List[str], plan: StartPlan, folder: str) -> None:
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
    if stale or any(path.startswith(_systemd.UNIT_FOLDER) for path in files):
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
