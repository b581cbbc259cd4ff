# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the plan of the role `tls` needs: files and clock of the controller, and files of the host. Private.

Nothing is written but a new authority into the private folder of the run, with its key encrypted.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import time
from typing import TYPE_CHECKING, Any

from ansible import constants

from .._certificates._certificate import CannotJudgeError
from .._certificates._certificate_here import authorities_of_this_system, require_judgement_here
from .._core._arguments import ArgumentError
from .._core._budget import CERTIFICATE
from .._core._errors import SettingsError
from .._core._inventory import inventory_names
from .._passwords import _ephemeral
from .._plan._base import Found, Wanted
from .._plan._tls_aim import Aim
from .._plan._tls_rotation import Rotation
from . import _authority

if TYPE_CHECKING:
    from .._run._step import Step

FILES = ("nodered_tls_ca", "nodered_tls_client_authority", "nodered_tls_client_certificate", "nodered_tls_client_key")


def gather(step: Step, found: Found, wanted: Wanted) -> dict[str, Any]:
    """See `_plan/tls.py` for what is in it. One remote execution if the certificate is in files of the host."""
    try:
        aim = Aim.of(found, wanted)
    except SettingsError:
        # The plan reports it.
        return {}
    read: dict[str, Any] = {
        "now": time.time(),
        "cannot_judge": _cannot_judge(),
        "missing": [name for name in FILES if wanted.get(name) is not None and not _is_file(wanted[name])],
        "ca": _text(wanted.get("nodered_tls_ca")),
        "client_authority": "" if aim.private_clients else _text(wanted.get("nodered_tls_client_authority")),
        "files": _files_of_host(step, found, aim),
        **_ephemeral_controller(aim),
    }
    if aim.made_here or aim.needs_authority:
        read["inventory"] = _inventory(step)
    try:
        rotation = Rotation.of(found.rotates, wanted, read["now"])
    except ArgumentError as error:
        return {**read, "rotation_problem": str(error)}
    if aim.given:
        # The variables decide which one issues certificates and which one is trusted.
        rotation = dataclasses.replace(rotation, authority=False)
    if rotation != Rotation():
        read["rotation"] = {**dataclasses.asdict(rotation), "fleet": []}
    passphrase = aim.text("nodered_tls_authority_passphrase")
    if aim.needs_authority and (passphrase or aim.given) and not read["cannot_judge"]:
        read["authority"] = _authority.authority(read, aim, passphrase, rotation, step.play_id)
    return read | {"system_authorities": _system_authorities(read, aim)}


def _cannot_judge() -> str:
    try:
        require_judgement_here()
    except CannotJudgeError as error:
        return str(error)
    return ""


def _is_file(path: object) -> bool:
    return isinstance(path, str) and os.path.isfile(path) and os.access(path, os.R_OK)


def _text(path: object) -> str:
    # Without the last line break, as ever: the text names a file on the host.
    return pathlib.Path(str(path)).read_text(encoding="utf-8", errors="replace").rstrip() if _is_file(path) else ""


def _inventory(step: Step) -> dict[str, Any]:
    names = inventory_names(step.task_vars["hostvars"], constants.DEFAULT_LOCAL_TMP)
    return {
        "own": list(names.by_host.get(step.host, [step.host])),
        "others": names.others(step.host),
        "all": names.all,
        "authority_names": list(names.authority_names),
    }


def _ephemeral_controller(aim: Aim) -> dict[str, Any]:
    """What shows that files of the controller are lost when this run ends, and whether those of people are lost."""
    try:
        marker = _ephemeral.marker(aim.wanted, os.environ)
    except ArgumentError:
        # The plan reports it.
        marker = ""
    chosen = aim.chosen_client_folder
    return {
        "ephemeral": marker,
        "loses_people": bool(marker) and not (chosen and not _ephemeral.is_in_private_folder(chosen, os.environ)),
    }


def _files_of_host(step: Step, found: Found, aim: Aim) -> dict[str, Any]:
    """The pair that the host has in files, read there as the user that owns their folder."""
    paths = [aim.text("nodered_tls_certificate"), aim.text("nodered_tls_key")]
    if not aim.managed or aim.source != "files" or not all(path.startswith("/") for path in paths):
        return {}
    service = found.instance["service"]
    answer = step.counted_module(
        CERTIFICATE, "certificate_info", service=service, certificate_file=paths[0], key_file=paths[1]
    )
    if answer.get("failed") or "certificate" not in answer:
        return {"problem": str(answer.get("msg") or f"The certificate on {found.host} could not be read.")}
    return {name: answer[name] for name in ("certificate", "placed", "followed")}


def _system_authorities(read: dict[str, Any], aim: Aim) -> str:
    """They are many, so they are read only to judge a certificate that may be from one of them."""
    given = {"content": aim.text("nodered_tls_certificate"), "files": read["files"].get("certificate", "")}
    certificate = given.get(aim.source, "")
    if not aim.managed or not certificate or read["ca"] or read["cannot_judge"]:
        return ""
    return authorities_of_this_system()
