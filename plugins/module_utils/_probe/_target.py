# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: what the probe is told about a Node-RED."""

from __future__ import annotations

import base64
import dataclasses
from typing import Dict, Optional, Sequence

# The limit for one request, in seconds.
TIMEOUT = 10
# All checks together get this many times the limit of one request. A Pi 1 with TLS, pages and both dashboards needs
# some 50 requests and about half of the 30 seconds that follow from the default.
ALL_CHECKS = 3


@dataclasses.dataclass(frozen=True)
class Target:
    """A Node-RED: how to reach it, as whom to log in, what it serves, and how much time there is.

    Paths are on the same server; what is not given is not tried. Each field can be written as JSON.
    """

    url: str
    """Scheme, host, port and admin root."""
    ca: Optional[str] = None
    """The path of a PEM file."""
    authorities: Optional[str] = None
    """PEM text in place of `ca`."""
    validate_certs: bool = True
    """If false, the certificate is not verified, and a password is sent only to this very machine."""
    client_cert: Optional[str] = None
    """The path of a PEM file, like `client_key`."""
    client_key: Optional[str] = None
    lacks_client_cert: bool = False
    """Whether Node-RED demands a client certificate that is not here. What needs one is left out."""
    min_tls: str = "1.2"
    """The lowest version of TLS that is allowed."""
    username: Optional[str] = None
    password: Optional[str] = dataclasses.field(default=None, repr=False)
    totp_secret: Optional[str] = dataclasses.field(default=None, repr=False)
    """What the codes of the user are made from, in Base32."""
    two_step: Optional[bool] = None
    """Whether the user needs a code, also where the secret is not here; None: if there is a secret."""
    closed_ports: Sequence[int] = ()
    """Ports of the same host on which nothing may answer any more."""
    admin_api: bool = True
    """False where `httpAdminRoot: false` was set: then nothing of it may answer."""
    node_root: Optional[str] = None
    static_roots: Sequence[str] = ()
    dashboard_sockets: Sequence[str] = ()
    """With `/socket.io/` at their ends."""
    websockets: Sequence[str] = ()
    http_username: Optional[str] = None
    """What the paths require, with `http_password`."""
    http_password: Optional[str] = dataclasses.field(default=None, repr=False)
    only: Optional[Sequence[str]] = None
    """The names of the checks that are wanted; None for all."""
    timeout: float = TIMEOUT
    """Seconds for each request."""
    seconds: Optional[float] = None
    """Seconds for all checks together; None: three times `timeout`."""

    @property
    def all_seconds(self) -> float:
        """The limit for all checks together."""
        return float(ALL_CHECKS * self.timeout if self.seconds is None else self.seconds)

    @property
    def demands_client_cert(self) -> bool:
        return self.lacks_client_cert or self.client_cert is not None

    @property
    def needs_code(self) -> bool:
        """Whether the user needs a code after the password."""
        return self.totp_secret is not None if self.two_step is None else self.two_step

    def without_credentials(self) -> "Target":
        """The same for a place that gets none. The checks stay the same, also those of codes."""
        return dataclasses.replace(
            self,
            username=None,
            password=None,
            totp_secret=None,
            two_step=self.needs_code,
            http_username=None,
            http_password=None,
        )

    def http_credentials(self) -> Dict[str, str]:
        """The header with user name and password for the paths (RFC 7617)."""
        pair = "%s:%s" % (self.http_username, self.http_password)
        return {"Authorization": "Basic " + base64.b64encode(pair.encode("utf-8")).decode("ascii")}
