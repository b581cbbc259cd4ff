# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the private authority for the role `tls`: from its folder on the controller, or from variables. Private."""

from __future__ import annotations

from typing import Any

from ansible import constants

from .._certificates._authority import (
    GIVEN,
    AuthorityError,
    AuthorityFolder,
    Candidate,
    candidate,
    given,
    require_not_replaced,
    shared_candidate,
)
from .._certificates._certificate import CertificateError
from .._certificates._certificate_make import Authority
from .._certificates._certificate_names import CertificateNameError, Constraints
from .._certificates._client_files import PROOF, ClientFolder, pair_of_a_run
from .._plan._tls_aim import Aim
from .._plan._tls_certificates import clients, new_constraints, wanted_constraints

_Read = tuple[str, Candidate | None, Authority | None]
"""The certificate now, empty without; the new authority that has to be made; the one that stays, with its key."""


def authority(read: dict[str, Any], aim: Aim, passphrase: str) -> dict[str, Any]:
    """The private authority as it is, and as it has to be: see `_plan/tls.py`. `read` is what was read before."""
    # Where it is given as text, the controller may have no folder for it.
    keeps_proof = not (aim.given or read["ephemeral"])
    read_from = _given if aim.given else _in_folder
    try:
        before, new, present = read_from(read["inventory"], aim, passphrase)
        names = clients(aim) if keeps_proof else [name for name in clients(aim) if name != PROOF]
        due = [name for name in names if new or _is_due(name, aim, before)]
    except (AuthorityError, CertificateError, CertificateNameError) as error:
        return {"problem": str(error)}
    except ValueError as error:
        return {"problem": f"nodered_tls_authority_dir cannot be the path of a folder: {error}."}
    except OSError as error:
        place = error.filename or aim.folder
        return {"problem": f"nodered_tls_authority_dir: {place} on the controller cannot be used: {error.strerror}."}
    proof = pair_of_a_run(present, aim.renew_days)._asdict() if present and not keeps_proof else None
    return {"before": before, "new": new._asdict() if new else None, "due": due, "proof": proof, "problem": ""}


def _is_due(client: str, aim: Aim, certificate: str) -> bool:
    folder, variable = aim.client_folder(client), aim.client_folder_variable(client)
    try:
        return ClientFolder(folder).is_due(client, certificate, aim.renew_days)
    except OSError as error:
        place = error.filename or folder
        raise AuthorityError(f"{variable}: {place} on the controller cannot be used: {error.strerror}.") from None
    except ValueError as error:
        raise AuthorityError(f"{variable} cannot be the path of a folder: {error}.") from None


def _given(inventory: dict[str, Any], aim: Aim, passphrase: str) -> _Read:
    certificate, key = (aim.text(name) for name in GIVEN)
    present = given(certificate, key, passphrase)
    wanted = wanted_constraints(inventory, aim)
    require_not_replaced(present.pem, wanted, replace=aim.truth("nodered_tls_authority_replace"))
    return present.pem, None, present


def _in_folder(inventory: dict[str, Any], aim: Aim, passphrase: str) -> _Read:
    folder = AuthorityFolder(aim.folder)
    before = folder.certificate()
    # Also before it is replaced: its successor has the same passphrase, which may be misspelled.
    present = folder.opened(passphrase) if before else None
    new = _new_authority(folder, new_constraints(before, wanted_constraints(inventory, aim), aim), passphrase)
    return before, new, None if new else present


def _new_authority(folder: AuthorityFolder, permitted: Constraints | None, passphrase: str) -> Candidate | None:
    if permitted is None:
        return None
    new = shared_candidate(constants.DEFAULT_LOCAL_TMP, folder, lambda: candidate(permitted, passphrase))
    # Another host of this run may have made it, with another passphrase.
    folder.opened(passphrase, new)
    return new
