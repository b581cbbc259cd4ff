# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables of the role `tls` ask for, as far as it applies to one Node-RED. Private; knows no Ansible."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from .._certificates._authority import BESIDE, GIVEN, AuthorityFolder
from .._certificates._client_files import PROOF
from .._core._arguments import ArgumentError, names, truth
from ._base import Found, Wanted

MADE_HERE = ("selfsigned", "authority")
SOURCES = (*MADE_HERE, "files", "content", "none")
# As nodered_tls_client_authority.
PRIVATE_AUTHORITY = "authority"


@dataclass(frozen=True)
class Aim:
    """What the variables ask for, as far as it applies to this Node-RED."""

    wanted: Wanted
    source: str
    proxied: bool
    """Whether a proxy on the same host has the certificate."""
    ours: bool
    """Whether `https` in the settings file is that of this role."""
    foreign: bool
    """Whether it is another one."""

    @classmethod
    def of(cls, found: Found, wanted: Wanted) -> Aim:
        """Raises SettingsError if `https` in the settings file cannot be found out."""
        folder = os.path.dirname(found.instance["tls"]["folder"])
        value, kind = found.setting("https"), found.instance["https"]
        ours = folder + "/" in str(value)
        # Nothing is known of what cannot be loaded, such as keys that only root can read; only the text shows it.
        present = value is not None if kind is None else kind != "none"
        return cls(
            wanted=wanted,
            source=str(wanted["nodered_tls_source"]),
            proxied=wanted.get("nodered_tls_proxy_url") is not None,
            ours=ours,
            foreign=present and not ours,
        )

    @property
    def managed(self) -> bool:
        """Whether this role writes `https`."""
        return self.source != "none" and not self.proxied and (not self.foreign or self.truth("nodered_tls_replace"))

    @property
    def made_here(self) -> bool:
        return self.managed and self.source in MADE_HERE

    @property
    def issued(self) -> bool:
        """Whether the private authority makes the certificate."""
        return self.made_here and self.source == "authority"

    @property
    def mutual(self) -> bool:
        """Whether clients need a certificate."""
        return self.managed and self.wanted.get("nodered_tls_client_authority") is not None

    @property
    def private_clients(self) -> bool:
        """Whether the private authority makes the certificate of the verification."""
        return self.wanted.get("nodered_tls_client_authority") == PRIVATE_AUTHORITY

    @property
    def users(self) -> list[str]:
        return self.texts("nodered_tls_client_users")

    @property
    def needs_authority(self) -> bool:
        return self.issued or bool(self.users) or self.private_clients

    @property
    def needed_names(self) -> list[str]:
        """Without these the certificate is of no use: the verification reaches Node-RED by the first one."""
        more = self.texts("nodered_tls_names") if self.made_here else []
        return [self.text("nodered_address"), *more]

    @property
    def days(self) -> float:
        return self.number("nodered_tls_days")

    @property
    def renew_days(self) -> float:
        return self.number("nodered_tls_renew_days")

    @property
    def min_version(self) -> str:
        return str(self.wanted["nodered_tls_min_version"])

    @property
    def folder(self) -> str:
        return self.text("nodered_tls_authority_dir")

    @property
    def given(self) -> bool:
        """Whether the private authority is given as text, and not in the folder."""
        return any(self.wanted.get(name) is not None for name in GIVEN)

    @property
    def given_beside(self) -> str:
        """The certificate of the other authority during a rotation, if both are given as text; else empty."""
        return self.text(BESIDE)

    @property
    def authority_place(self) -> str:
        """Where the private authority is: the folder, or the variable."""
        return GIVEN[0] if self.given else self.folder

    @property
    def chosen_client_folder(self) -> str:
        """The folder on the controller with the files of people, if the user has chosen it; else empty."""
        return self.text("nodered_tls_client_dir")

    def client_folder(self, client: str) -> str:
        """The folder on the controller with the client certificate of a person or of the verification."""
        own = str(AuthorityFolder(self.folder).clients)
        return own if client == PROOF else self.chosen_client_folder or own

    def client_folder_variable(self, client: str) -> str:
        """Which variable names that folder."""
        own = client == PROOF or not self.chosen_client_folder
        return "nodered_tls_authority_dir" if own else "nodered_tls_client_dir"

    @property
    def client_files(self) -> tuple[str, str]:
        """Certificate and key with which the verification visits Node-RED, on the controller."""
        if self.private_clients:
            clients = self.client_folder(PROOF)
            return f"{clients}/{PROOF}.pem", f"{clients}/{PROOF}.key"
        return self.text("nodered_tls_client_certificate"), self.text("nodered_tls_client_key")

    def text(self, name: str) -> str:
        """The text in a variable; empty if it is not set, or is no text."""
        value = self.wanted.get(name)
        return value if isinstance(value, str) else ""

    def truth(self, name: str) -> bool:
        """Also as text: that is what the option -e of ansible-playbook gives. False if it is neither yes nor no."""
        try:
            return truth(self.wanted[name], name)
        except ArgumentError:
            return False

    def texts(self, name: str) -> list[str]:
        """The texts in a list; empty if it is something else."""
        try:
            return names(self.wanted[name], name)
        except ArgumentError:
            return []

    def number(self, name: str) -> float:
        """Likewise. If it is none, this is NaN, for which no comparison holds."""
        try:
            return float(str(self.wanted[name]))
        except ValueError:
            return math.nan
