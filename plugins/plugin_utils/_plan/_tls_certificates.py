# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the certificates of the role `tls` require: each question is answered once, here. Private; knows no Ansible.

When a pair is replaced, and when Node-RED is restarted for that (in an unchanged `https`):

| the certificate in use             | made here | from files or text | restart if it is replaced             |
|------------------------------------|-----------|--------------------|---------------------------------------|
| missing, or Node-RED does not run  | replaced  | replaced           | yes                                   |
| expired, untrusted, for other names| replaced  | if it differs      | yes                                   |
| due for renewal                    | replaced  | if it differs      | only if Node-RED cannot read it later |
| good                               | stays     | if it differs      | only if Node-RED cannot read it later |

Node-RED reads a renewed pair while it runs since 1.1 (`_https_function.is_live`).
"""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ...module_utils._core._text import short_line
from .._certificates._authority import (
    BESIDE,
    GIVEN,
    AuthorityError,
    effective_constraints,
    require_client_name,
    require_names,
    warning_about,
)
from .._certificates._authority_change import BEGIN, FINISH, MOVE, ONE, STAY, Change
from .._certificates._certificate import (
    CertificateError,
    Use,
    check_authorities,
    constraints_of,
    error_in,
    is_self_signed,
)
from .._certificates._certificate_make import host_made, private_issuer
from .._certificates._certificate_names import CertificateNameError, Constraints, constraints, names_of_host
from .._certificates._client_files import PROOF
from .._passwords import _ephemeral
from . import _https_function
from ._base import Found
from ._tls_aim import Aim
from ._tls_rotation import Rotation

LOST_AUTHORITY = (
    "Each run would make another one, which no browser trusts. Make it once on a machine that keeps its files, put "
    f"authority.pem and authority.key into a vault, and give them as {GIVEN[0]} and {GIVEN[1]}."
)
LOST_CHANGE = f"Give it as {GIVEN[0]} and {GIVEN[1]}, and the other one as {BESIDE}."
LOST_CLIENTS = (
    "Set nodered_tls_client_dir to a folder that is kept, or make them on a machine that keeps its files and leave "
    "nodered_tls_client_users empty here."
)
NO_CHANGE = Change(STAY, ONE, "", "")._asdict()
_STEPS = {
    BEGIN: "new private authority, trusted beside the present one",
    MOVE: "the new private authority issues certificates",
    FINISH: "the old private authority is no longer trusted",
}
# Seconds after which a busy Node-RED has read its certificate when that is due.
LATEST_REFRESH = 60


def wanted_constraints(inventory: Mapping[str, Any], aim: Aim) -> Constraints:
    """For which names a new authority could make certificates. Raises CertificateNameError."""
    return constraints(inventory["all"], [*aim.texts("nodered_tls_authority_names"), *inventory["authority_names"]])


def new_constraints(before: str, wanted: Constraints, aim: Aim) -> Constraints | None:
    """Those of the authority that has to be made; None if the one that is there (PEM text) stays."""
    effective, is_new = effective_constraints(before, wanted, replace=aim.truth("nodered_tls_authority_replace"))
    return effective if is_new else None


def clients(aim: Aim) -> list[str]:
    """For whom the private authority makes client certificates. Raises AuthorityError."""
    names = [require_client_name(str(user)) for user in aim.users]
    return [*names, *([PROOF] if aim.private_clients else [])]


@dataclass(frozen=True)
class _Pair:
    """The pair that Node-RED gets."""

    differs: bool = False
    """Whether it is another one than Node-RED has."""
    sent: bool = False
    """Whether something has to be done on the host."""
    data: dict[str, Any] = field(default_factory=dict)
    """As `_certificates.prepare` takes it."""


class Certificates:
    """What the certificates of one Node-RED require."""

    def __init__(self, found: Found, aim: Aim) -> None:
        self._found = found
        self._aim = aim
        self._read = found.controller
        self._present: Mapping[str, Any] = found.instance["tls"]
        self._rotation = Rotation(**found.controller.get("rotation", {}))

    def errors(self) -> list[str]:
        """What prevents a certificate that can be relied on."""
        if self._aim.needs_authority and self._authority["problem"]:
            return [self._authority["problem"]]
        lost = self._lost()
        if lost:
            return lost
        errors = _errors_of(self._require_authorities)
        if self._aim.made_here:
            errors += _errors_of(lambda: self.names)
        if self._aim.source == "files" and self._aim.managed and self._read["files"].get("problem"):
            return [*errors, self._read["files"]["problem"]]
        return errors + self._errors_of_given_pair()

    def _lost(self) -> list[str]:
        """What would be made in this run, and lost when it ends, because the controller does not keep its files."""
        marker = self._read["ephemeral"]
        errors = []
        if self.new_authority and marker:
            what = f"The new private authority in {self._aim.folder} on the controller"
            errors.append(_ephemeral.lost(what, marker, LOST_AUTHORITY))
        if self._change["step"] and marker:
            what = f"The change of the private authority in {self._aim.folder} on the controller"
            errors.append(_ephemeral.lost(what, marker, LOST_CHANGE))
        if self.due_people and self._read["loses_people"]:
            folder = self._aim.client_folder(self.due_people[0])
            what = f"The client certificates of {', '.join(self.due_people)}, in {folder} on the controller,"
            errors.append(_ephemeral.lost(what, marker, LOST_CLIENTS))
        return errors

    def _require_authorities(self) -> None:
        # Node.js would take an authority that it cannot read for none at all, and reject every client.
        if self.client_authority:
            check_authorities(self.client_authority, now=self._now, called="the clients' authority")
        if self._aim.needs_authority:
            check_authorities(self._issuer, now=self._now, called="the private authority")
        if self._beside:
            called = BESIDE if self._aim.given else "the other private authority"
            check_authorities(self._beside, now=self._now, called=called)

    def _errors_of_given_pair(self) -> list[str]:
        if not self._given:
            return []
        if self._aim.source == "files":
            found = self._error(self._given, called=self._aim.text("nodered_tls_certificate"))
        else:
            found = self._error(self._given, key=self._aim.text("nodered_tls_key"))
        return [f"nodered_tls_certificate and nodered_tls_key: {found}"] if found else []

    @cached_property
    def names(self) -> list[str]:
        """For which names the certificate has to be made. Raises CertificateError, CertificateNameError."""
        if not self._aim.made_here:
            return self._aim.needed_names
        instance, inventory = self._found.instance, self._read["inventory"]
        names = names_of_host(
            wanted=self._aim.needed_names,
            inventory=inventory["own"],
            reported=[instance["hostname"], *instance["addresses"]],
            others=inventory["others"],
        )
        if not self._aim.issued:
            return names.required + names.optional
        permitted = constraints_of(self._issuer)
        require_names(permitted, names.required)
        return names.required + [name for name in names.optional if permitted.allow(name)]

    @cached_property
    def reason(self) -> str:
        """Why a certificate is made here; empty if none is."""
        if not self._aim.made_here:
            return ""
        if not self._has:
            return "there is none yet"
        if self._aim.issued and (self.new_authority or self._is_by_the_other):
            return "its authority is new"
        return (
            self._present["problem"]
            or self._why_rejected()
            or ("the present one is copied from files" if self._present["follows"] else "")
            or ("the present one is to be replaced" if self._is_too_old else "")
        )

    def _why_rejected(self) -> str:
        """Why visitors reject the present certificate, or will soon; empty if they accept it."""
        error = self._error(self._has, days_left=self._aim.renew_days)
        return error.reason if error else ""

    @property
    def _is_by_the_other(self) -> bool:
        """Whether the other authority of a rotation has issued the certificate that Node-RED has."""
        return bool(self._beside) and not self._error(self._has, issuers=self._beside)

    @property
    def _is_too_old(self) -> bool:
        before = self._rotation.certificate_before(issued=self._aim.issued)
        return before > 0 and host_made(self._has) < before

    @cached_property
    def _pair(self) -> _Pair:
        if self._aim.made_here:
            return self._made_pair()
        if not self._given:
            return _Pair()
        return self._pair_of_files() if self._aim.source == "files" else self._pair_of_text()

    def _made_pair(self) -> _Pair:
        data = {"made_by": self._aim.source, "names": self.names, "called": self._found.host}
        return _Pair(bool(self.reason), bool(self.reason), {**data, "days": int(self._aim.days)})

    def _pair_of_files(self) -> _Pair:
        placed, followed = self._read["files"]["placed"], self._read["files"]["followed"]
        paths = {f"{part}_file": self._aim.text(f"nodered_tls_{part}") for part in ("certificate", "key")}
        return _Pair(not placed, not (placed and followed), {**paths, "checked": self._given})

    def _pair_of_text(self) -> _Pair:
        # Its key needs no comparison: it belongs to the certificate there as well.
        differs = self._has != self._given or bool(self._present["problem"])
        data = {"certificate": self._given, "key": self._aim.text("nodered_tls_key")}
        return _Pair(differs, differs or self._present["follows"], data)

    def restart(self) -> str:
        """Why Node-RED has to be restarted for its new pair; empty if it reads that by itself, or has none."""
        # Otherwise the setting changes, which needs a restart anyway.
        if not (self._pair.differs and self._aim.ours):
            return ""
        if not _https_function.is_live(self._found.instance):
            return "This Node-RED reads its certificate only when it starts."
        either = _together([self._issuer, self._beside])
        if self._found.instance["url"] and self._has and not self._error(self._has, issuers=either):
            return ""
        return "The certificate in use can no longer be relied on, so Node-RED is restarted with the new one."

    def due(self) -> dict[str, Any]:
        """What `_certificates.prepare` makes and the host gets; empty if nothing changes."""
        lines = self._due_lines()
        if not lines:
            return {}
        changes_authority = self.new_authority or self._change["step"]
        uses_authority = changes_authority or self._due_clients or (self._pair.sent and self._aim.issued)
        return {
            "lines": lines,
            "authority": self._authority_data() if uses_authority else {},
            "pair": self._pair.data if self._pair.sent else {},
            "client_authority": self.client_authority if self._sends_client_authority else "",
            "trusted": self.trusted(),
        }

    def _due_lines(self) -> list[str]:
        """One for each thing that changes."""
        lines = {
            f"new private authority in {self._aim.folder}": self.new_authority,
            **{line: step == self._change["step"] for step, line in _STEPS.items()},
            f"new client certificates: {', '.join(self._due_clients)}": bool(self._due_clients),
            "new certificate": self._pair.differs,
            "where renewed certificates come from": self._pair.sent and not self._pair.differs,
            "new authority of clients": self._sends_client_authority,
        }
        return [line for line, changes in lines.items() if changes]

    def _authority_data(self) -> dict[str, Any]:
        return {
            "folder": self._aim.folder,
            "before": self._authority["before"],
            "new": self._authority["new"],
            "change": self._authority["change"],
            "made_before": self._authority["made_before"],
            "key": self._aim.text(GIVEN[1]) if self._aim.given else "",
            "passphrase": self._aim.text("nodered_tls_authority_passphrase"),
            "clients": {name: self._aim.client_folder(name) for name in self._due_clients},
            "client_passphrase": self._aim.text("nodered_tls_client_passphrase"),
            "days": int(self._aim.days),
            "renew_days": int(self._aim.renew_days),
        }

    @property
    def is_missing(self) -> bool:
        """Whether no run has given Node-RED a certificate yet, or has required that it be reached by TLS."""
        return self._aim.managed and not self._aim.ours

    def rotation(self) -> dict[str, Any]:
        """What the summary of a rotation needs to know, see `_tls_summary`; empty if this is none."""
        rotation, aim = self._rotation, self._aim
        if rotation == Rotation():
            return {}
        left = "" if aim.made_here else "this collection has not made it"
        if self.is_missing:
            left = "there is none yet. Run pifleet.nodered.secure"
        return {
            "certificate": rotation.certificates or (rotation.authority and aim.issued),
            "made": self._pair.differs,
            "left": left,
            "made_before": rotation.certificate_before(issued=aim.issued),
            "issuer": self._issuer if aim.issued and not left else "",
            "refresh": aim.number("nodered_tls_refresh_hours") * 3600,
            "authority": self._authorities() if rotation.authority and aim.needs_authority else {},
            "both": bool(self._beside),
            "folder": aim.folder if rotation.authority else "",
        }

    def _authorities(self) -> dict[str, str]:
        """Those in the folder after this run, as `_authority_change.Present`."""
        return {name: self._change[name] for name in ("phase", "issuer", "beside")}

    def warnings(self) -> list[str]:
        """What is wrong with the private authority that stays in use, or that is made."""
        if not self._aim.needs_authority:
            return []
        if self.new_authority:
            return self._lost_authority()
        wanted = wanted_constraints(self._read["inventory"], self._aim)
        warning = warning_about(self._issuer, self._aim.authority_place, wanted)
        return [warning] if warning else []

    def _lost_authority(self) -> list[str]:
        """Whether another authority is made because the folder with the present one is not on this controller."""
        issuer = private_issuer(self._has) if self._aim.issued and not self._authority["before"] else ""
        if not issuer:
            return []
        return [
            f"The certificate of {self._found.host} was issued by another authority ({short_line(issuer)}), which is "
            f"not in {self._aim.folder}. If that folder is on another controller, copy it here before you run this; "
            "otherwise install the new authority on each device again."
        ]

    def trusted(self) -> str:
        """PEM text of what the verification trusts; empty for the authorities of the system.

        Node-RED uses the certificate before until it reads the new one, so both are trusted if they are self-signed:
        that before this run, and that before an earlier run. `_certificates.prepare` adds the one that it makes.
        """
        aim = self._aim
        if self._read["ca"] and not aim.made_here:
            return str(self._read["ca"])
        if aim.issued:
            return _together([self._issuer, self._beside])
        itself = aim.source in ("selfsigned", "none") or bool(self._given and is_self_signed(self._given))
        if itself and not aim.proxied and (aim.ours or aim.managed):
            return "\n".join(filter(None, dict.fromkeys([self._earlier, self._has, self._given])))
        return ""

    @cached_property
    def client_authority(self) -> str:
        """PEM text of the authorities of clients; empty if clients need no certificate."""
        if not self._aim.mutual:
            return ""
        if self._aim.private_clients:
            # In the same order in all phases of a rotation: then the second one needs no restart.
            return _together(sorted([self._issuer, self._beside])).rstrip()
        return str(self._read["client_authority"])

    @property
    def client_authority_path(self) -> str:
        """Where that is on the host. Named after its content: the settings change, and are rolled back, with it."""
        digest = hashlib.sha256(self.client_authority.encode()).hexdigest()[:16]
        return f"{os.path.dirname(self._present['folder'])}/client-authority-{digest}.pem"

    @property
    def _sends_client_authority(self) -> bool:
        name = os.path.basename(self.client_authority_path)
        return bool(self.client_authority) and name not in self._present["client_authorities"]

    @property
    def new_authority(self) -> bool:
        """Whether the private authority is made in this run."""
        return self._aim.needs_authority and bool(self._authority["new"])

    @property
    def proof(self) -> dict[str, str]:
        """The client certificate with which the verification visits Node-RED (PEM texts); empty if it is in files."""
        return dict(self._authority["proof"] or {}) if self._aim.private_clients else {}

    @property
    def due_people(self) -> list[str]:
        """The users whose client certificates are made."""
        return [name for name in self._due_clients if name != PROOF]

    @property
    def _due_clients(self) -> list[str]:
        return list(self._authority["due"]) if self._aim.needs_authority else []

    @property
    def _authority(self) -> Mapping[str, Any]:
        data: Mapping[str, Any] = self._read["authority"]
        return data

    @property
    def _change(self) -> Mapping[str, Any]:
        """What this run does to the private authority; see `_authority_change.Change`."""
        change: Mapping[str, Any] = self._authority["change"] if self._aim.needs_authority else NO_CHANGE
        return change

    @property
    def _issuer(self) -> str:
        """The certificate of the private authority, after this run."""
        return str(self._change["issuer"])

    @property
    def _beside(self) -> str:
        """That of the other one during a rotation, which is trusted as well; empty without."""
        return str(self._change["beside"])

    @property
    def _has(self) -> str:
        """The certificate that Node-RED has now; empty without."""
        return self._present["certificate"] or ""

    @property
    def _earlier(self) -> str:
        """The certificate before that one, while Node-RED may still use it."""
        refresh = self._aim.number("nodered_tls_refresh_hours") * 3600
        replaced = self._present["replaced"]
        in_use = replaced is not None and replaced < refresh + LATEST_REFRESH
        return str(self._present["earlier"]) if in_use else ""

    @property
    def _given(self) -> str:
        """The certificate of the source `files` or `content`; empty for the others."""
        if not self._aim.managed or self._aim.made_here:
            return ""
        if self._aim.source == "files":
            return str(self._read["files"].get("certificate", ""))
        return self._aim.text("nodered_tls_certificate")

    @property
    def _now(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self._read["now"], datetime.timezone.utc)

    def _error(
        self,
        certificate: str,
        *,
        days_left: float = 0,
        key: str | None = None,
        called: str = "the certificate",
        issuers: str = "",
    ) -> CertificateError | None:
        """Why visitors would reject this certificate, or Node-RED could not use it; None if it is good.

        `issuers` is for the source `authority`: PEM text in place of the authority after this run.
        """
        # One that is made here is trusted itself, as visitors were given it.
        issuer = issuers or (self._issuer if self._aim.issued else "")
        authorities = {"selfsigned": certificate, "authority": issuer}
        use = Use(
            names=self.names,
            authorities=authorities.get(self._aim.source, self._read["ca"]),
            days_left=days_left,
            key=key,
            called=called,
        )
        return error_in(
            certificate, use, now=self._now, system_authorities=lambda: str(self._read["system_authorities"])
        )


def _together(certificates: Sequence[str]) -> str:
    """PEM texts, of which some can be empty, as one text."""
    return "\n".join(filter(None, certificates))


def _errors_of(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except (AuthorityError, CertificateError, CertificateNameError) as error:
        return [str(error)]
    return []
