# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit judges, and what comes of it. Private; data only, knows no Ansible.

Each module beside this one judges one area: `CHECKS` names what it decides, and `outcomes(found, observed)` yields a
finding for what is bad and `Skipped` for what could not be judged. What it yields neither for has passed. It reads and
writes nothing.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._core._arguments import is_list
from .._plan._base import Found, Wanted, is_loopback
from .._report._catalogue import BY_ID
from .._report._findings import Finding, Severity
from .._settings import _known_bad

PASS, FAIL, SKIP = "pass", "fail", "skip"


@dataclass(frozen=True)
class Skipped:
    """A check that could not be done."""

    id: str
    reason: str


@dataclass(frozen=True)
class Certificate:
    """The certificate that a server has sent."""

    pem: str = ""
    """The server's own one; empty if none was seen."""
    untrusted: str = ""
    """Why no authority that is trusted vouches for it; empty if one does."""
    why_unknown: str = ""
    """Why none was seen."""


@dataclass(frozen=True)
class Observed:
    """What was seen of one Node-RED, beside what `instance_info` found."""

    wanted: Wanted
    """The variables of all roles."""
    now: datetime.datetime
    """The controller's clock, with a time zone."""
    bad: Sequence[_known_bad.Finding] = ()
    """What is known to be bad in the settings file."""
    unknown_settings: Sequence[str] = ()
    """Its settings that neither Node-RED nor a dashboard knows, without the misspelled ones."""
    computed: Sequence[str] = ()
    """Its settings with passwords that code computes."""
    unread: str = ""
    """Why the settings file cannot be read with certainty; then there is nothing of it above."""
    checks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The checks of `probe`, by id."""
    asked: str = ""
    """The URL that was asked."""
    not_asked: str = ""
    """Why no request was sent."""
    certificate: Certificate = field(default_factory=Certificate)
    firewall: Mapping[str, Any] | None = None
    """What `firewall_info` returned."""
    changes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What each role would change, in lines that hold no secret."""
    rejected: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The errors of each role."""

    def of(self, kind: str) -> list[_known_bad.Finding]:
        """What is known to be bad in the settings file, of this kind."""
        return [one for one in self.bad if one.kind == kind]

    def status(self, check: str) -> str:
        """How `probe` judged this; empty if it was not checked."""
        return str(self.checks[check]["status"]) if check in self.checks else ""

    def seen(self, *checks: str) -> str:
        """What `probe` found, one line for each check."""
        # The title last: what follows the word password and a colon is hidden in a report.
        lines = [f"{self.checks[one]['found']} (expected: {self.checks[one]['title']})" for one in checks]
        return "\n".join(lines)

    def left_out(self, check: str, probed: str) -> list[Skipped]:
        """That the check of the audit is left out, if that of `probe` was. One that does not apply has passed."""
        if self.status(probed) == SKIP:
            return [Skipped(check, self.no_answer or self.checks[probed]["found"])]
        return [Skipped(check, self.no_answer)] if not self.status(probed) and self.no_answer else []

    @property
    def no_answer(self) -> str:
        """Why requests show nothing of this Node-RED; empty if it answered."""
        if self.not_asked:
            return self.not_asked
        answers = self.checks["answers"]
        return "" if answers["status"] == PASS else answers["found"]


Outcome = Finding | Skipped


def finding(check: str, title: str, evidence: str, remedy: str, severity: Severity | None = None) -> Finding:
    """A finding of this check, with the severity of the catalogue unless one is given."""
    about = BY_ID[check]
    return Finding(check, severity or about.severity, title, evidence, about.why, remedy)


def is_local(found: Found, observed: Observed) -> bool:
    """Whether only the machine itself reaches Node-RED, without a proxy."""
    return not is_proxied(observed) and is_loopback(found.instance["host"])


def is_accepted(observed: Observed, name: str) -> bool:
    """Whether the operator accepts this although it is known to be bad (`nodered_hardening_accepted`)."""
    accepted = observed.wanted["nodered_hardening_accepted"]
    return is_list(accepted) and name in accepted


def is_proxied(observed: Observed) -> bool:
    """Whether a proxy on the same host has the certificate."""
    return bool(observed.wanted.get("nodered_tls_proxy_url"))
