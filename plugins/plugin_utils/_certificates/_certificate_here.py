# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge a certificate by this machine's clock and authorities. Private; knows no Ansible."""

from __future__ import annotations

import datetime
import ssl

from ._certificate import Use, error_in, require_judgement


def require_judgement_here() -> None:
    """Raise CannotJudgeError where this machine cannot judge or make certificates."""
    require_judgement(datetime.datetime.now(datetime.timezone.utc))


def problem_of(certificate: str, use: Use) -> str:
    """Why a server should not use it and what to do, by this machine's clock; empty where it is good.

    Raises CannotJudgeError if that is unknown here.
    """
    now = datetime.datetime.now(datetime.timezone.utc)
    return str(error_in(certificate, use, now=now, system_authorities=authorities_of_this_system) or "")


def authorities_of_this_system() -> str:
    """The authorities that this machine trusts, as PEM text."""
    context = ssl.create_default_context()
    return "".join(ssl.DER_cert_to_PEM_cert(each) for each in context.get_ca_certs(binary_form=True))
