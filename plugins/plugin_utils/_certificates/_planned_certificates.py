# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make what the role `tls` has planned, on the controller, immediately before it is sent. Private; knows no Ansible.

A key that is made here goes from this process to the host, and into no result, fact, file or task argument.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, NamedTuple

from ._authority import AuthorityError, AuthorityFolder, Candidate, given
from ._authority_change import Authorities, Change
from ._certificate import CannotJudgeError, CertificateError, Use
from ._certificate_here import problem_of, require_judgement_here
from ._certificate_make import Authority, Pair, self_signed_pair
from ._client_files import PROOF, ClientFolder


class PreparationError(Exception):
    """Why a certificate could not be made, and what to do. Holds nothing of keys and passphrases."""


class Prepared(NamedTuple):
    """What was made."""

    request: dict[str, str]
    """What the host gets: nothing, or a pair (`certificate` and `key` as PEM text, or `certificate_file` and `key_file`
    on the host with the certificate that was `checked`), and `client_authority` as PEM text."""
    checks: dict[str, str]
    """What of the checks is different now: a certificate that is its own authority is trusted."""


def prepare(planned: Mapping[str, Any]) -> Prepared:
    """Write the authority and client certificates that are due, and make the host's pair.

    `planned` is `Plan.certificate` of the role `tls`:

    - `authority`: the private authority if it is needed now, else empty: its `folder`; its certificate when the plan
      was made (`before`); the `new` one (`certificate` and encrypted `key`) or None; the `change` of the authorities
      (`_authority_change.Change`); its `key` (PEM text) if it is in no folder, else empty; `passphrase`; the `clients`
      that are due, with the folder of each; `client_passphrase`, `days`, `renew_days`; `made_before`: clients with an
      older certificate get a new one (seconds since 1970);
    - `pair`: empty, what is made (`made_by`, `names`, `called`, `days`), or what `Prepared.request` has of a pair;
    - `client_authority`: PEM text to be sent, or empty;
    - `trusted`: PEM text of what the verification trusts already.

    Raises PreparationError.
    """
    try:
        require_judgement_here()
        authority = _authority(planned["authority"]) if planned["authority"] else None
        request, checks = _pair(planned, authority)
    except (AuthorityError, CannotJudgeError, CertificateError) as error:
        raise PreparationError(str(error)) from None
    except OSError as error:
        raise PreparationError(
            f"{error.filename or planned['authority']['folder']} on the controller cannot be used: {error.strerror}. "
            "Correct that, or set another folder (nodered_tls_authority_dir, nodered_tls_client_dir), then run again."
        ) from None
    if planned["client_authority"]:
        request["client_authority"] = planned["client_authority"]
    return Prepared(request, checks)


def _authority(planned: Mapping[str, Any]) -> Authority:
    """The private authority, for whose folders the hosts of a run take turns."""
    if planned["key"]:
        authority = given(planned["before"], planned["key"], planned["passphrase"])
    else:
        folder = AuthorityFolder(planned["folder"])
        with folder.locked():
            if planned["new"]:
                _put_new(folder, planned)
            Authorities(folder).take(Change(**planned["change"]))
            authority = folder.opened(planned["passphrase"])
    for client, path in planned["clients"].items():
        _make_client(client, ClientFolder(path), authority, planned)
    return authority


def _make_client(client: str, folder: ClientFolder, authority: Authority, planned: Mapping[str, Any]) -> None:
    packed_with = "" if client == PROOF else planned["client_passphrase"]
    with folder.locked():
        # Another host of this run may have been first.
        if folder.is_due(client, authority.pem, planned["renew_days"], planned["made_before"]):
            folder.make(client, authority, days=planned["days"], passphrase=packed_with)


def _put_new(folder: AuthorityFolder, planned: Mapping[str, Any]) -> None:
    """Write the planned authority, unless another host of this run has."""
    if folder.certificate() == planned["before"]:
        folder.put(Candidate(**planned["new"]))


def _pair(planned: Mapping[str, Any], authority: Authority | None) -> tuple[dict[str, str], dict[str, str]]:
    """The pair that the host gets, and what the verification trusts then."""
    wanted = planned["pair"]
    if wanted.get("made_by") == "selfsigned":
        pair = _made(wanted, None)
        return pair._asdict(), {"authorities": f"{planned['trusted']}\n{pair.certificate}".strip()}
    if wanted.get("made_by") == "authority":
        return _made(wanted, authority)._asdict(), {}
    return dict(wanted), {}


def _made(wanted: Mapping[str, Any], authority: Authority | None) -> Pair:
    """A new pair for the host, judged like any other; its own authority without one."""
    names, now = wanted["names"], datetime.datetime.now(datetime.timezone.utc)
    make = authority.host_pair if authority else self_signed_pair
    pair = make(names, called=wanted["called"], now=now, days=wanted["days"])
    authorities = authority.pem if authority else ""
    found = problem_of(
        pair.certificate, Use(names=names, authorities=authorities, key=pair.key, called="the new certificate")
    )
    if found:
        raise CertificateError(found)
    return pair
