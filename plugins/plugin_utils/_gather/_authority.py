# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the private authority for the role `tls`: from its folder on the controller, or from variables. Private."""

from __future__ import annotations

from typing import Any, NamedTuple

from ansible import constants

from .._certificates._authority import (
    GIVEN,
    AuthorityError,
    AuthorityFolder,
    Candidate,
    candidate,
    effective_constraints,
    given,
    of_this_run,
    require_not_replaced,
    shared_candidate,
)
from .._certificates._authority_change import BEGIN, ONE, STAY, Authorities, Change, change, next_step
from .._certificates._certificate import CertificateError
from .._certificates._certificate_make import Authority, authority_made
from .._certificates._certificate_names import CertificateNameError, Constraints
from .._certificates._client_files import PROOF, ClientFolder, pair_of_a_run
from .._plan._tls_aim import Aim
from .._plan._tls_certificates import clients, new_constraints, wanted_constraints
from .._plan._tls_rotation import Rotation

NO_ROTATION = Rotation()


class _Read(NamedTuple):
    """The private authority as it is, and as it has to be."""

    before: str
    """Its certificate now; empty if there is none yet."""
    new: Candidate | None
    """The authority that takes its place at once."""
    change: Change
    opened: Authority | None
    """The one that issues certificates after this run, with its key; None if it is new."""


def authority(
    read: dict[str, Any], aim: Aim, passphrase: str, rotation: Rotation = NO_ROTATION, play: str = ""
) -> dict[str, Any]:
    """The private authority as it is, and as it has to be: see `_plan/tls.py`. `read` is what was read before."""
    # Where it is given as text, the controller may have no folder for it.
    keeps_proof = not (aim.given or read["ephemeral"])
    try:
        if aim.given:
            found = _given(read["inventory"], aim, passphrase)
        else:
            found = _in_folder(read["inventory"], aim, passphrase, rotation, play)
        names = clients(aim) if keeps_proof else [name for name in clients(aim) if name != PROOF]
        issuer, made_before = found.change.issuer, rotation.clients_before
        due = [name for name in names if found.new or _is_due(name, aim, issuer, made_before)]
    except (AuthorityError, CertificateError, CertificateNameError) as error:
        return {"problem": str(error)}
    except (OSError, ValueError) as error:
        return {"problem": _folder_problem("nodered_tls_authority_dir", aim.folder, error)}
    proof = pair_of_a_run(found.opened, aim.renew_days)._asdict() if found.opened and not keeps_proof else None
    return {
        "before": found.before,
        "new": found.new._asdict() if found.new else None,
        "change": found.change._asdict(),
        "due": due,
        "made_before": made_before,
        "proof": proof,
        "problem": "",
    }


def _is_due(client: str, aim: Aim, certificate: str, made_before: float) -> bool:
    folder, variable = aim.client_folder(client), aim.client_folder_variable(client)
    try:
        return ClientFolder(folder).is_due(client, certificate, aim.renew_days, made_before)
    except (OSError, ValueError) as error:
        raise AuthorityError(_folder_problem(variable, folder, error)) from None


def _folder_problem(variable: str, folder: str, error: OSError | ValueError) -> str:
    """Why the folder that the variable names cannot be used."""
    if isinstance(error, ValueError):
        return f"{variable} cannot be the path of a folder: {error}. Correct it."
    place = error.filename or folder
    return (
        f"{variable}: {place} on the controller cannot be used: {error.strerror}. Correct that, or set another folder, "
        "then run again."
    )


def _given(inventory: dict[str, Any], aim: Aim, passphrase: str) -> _Read:
    certificate, key = (aim.text(name) for name in GIVEN)
    present = given(certificate, key, passphrase)
    wanted = wanted_constraints(inventory, aim)
    require_not_replaced(present.pem, wanted, replace=aim.truth("nodered_tls_authority_replace"))
    return _Read(present.pem, None, Change(STAY, "", present.pem, aim.given_beside), present)


def _in_folder(inventory: dict[str, Any], aim: Aim, passphrase: str, rotation: Rotation, play: str) -> _Read:
    folder = AuthorityFolder(aim.folder)
    authorities = Authorities(folder)
    present = authorities.present()
    # Also before it is replaced: its successor has the same passphrase, which may be misspelled.
    opened = authorities.opened(present.issuer, passphrase) if present.issuer else None
    wanted = wanted_constraints(inventory, aim)
    if not present.issuer or (present.phase == ONE and not rotation.authority):
        new = _new_authority(folder, new_constraints(present.issuer, wanted, aim), passphrase)
        if new:
            return _Read(present.issuer, new, Change(STAY, ONE, new.certificate, ""), None)
    if not rotation.authority:
        return _Read(present.issuer, None, change(present, STAY), opened)
    what = [play, str(folder.path), "change"]
    kept = of_this_run(constants.DEFAULT_LOCAL_TMP, what, lambda: _decided(folder, rotation, wanted, passphrase))
    decided = Change(*kept)
    if decided.issuer != present.issuer:
        opened = authorities.opened(decided.issuer, passphrase)
    return _Read(present.issuer, None, decided, opened)


def _decided(folder: AuthorityFolder, rotation: Rotation, wanted: Constraints, passphrase: str) -> Change:
    """What this run does to the authorities, for all hosts."""
    authorities = Authorities(folder)
    with folder.locked():
        present = authorities.present()
        is_due = authority_made(present.issuer) < rotation.made_before
        step = next_step(present.phase, authorities.reached(), rotation.fleet, is_due=is_due)
    permitted, _lacking = effective_constraints(present.issuer, wanted, replace=True)
    return change(present, step, candidate(permitted, passphrase) if step == BEGIN else None)


def _new_authority(folder: AuthorityFolder, permitted: Constraints | None, passphrase: str) -> Candidate | None:
    if permitted is None:
        return None
    new = shared_candidate(constants.DEFAULT_LOCAL_TMP, folder, lambda: candidate(permitted, passphrase))
    # Another host of this run may have made it, with another passphrase.
    folder.opened(passphrase, new)
    return new
