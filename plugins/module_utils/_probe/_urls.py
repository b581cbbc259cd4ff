# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the URL of a Node-RED, and whether a password may be sent there."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Optional
from urllib.parse import urlsplit

from ansible_collections.pifleet.nodered.plugins.module_utils._probe._errors import ProbeError


def why_no_password(url: str, *, validate_certs: bool = True) -> Optional[str]:
    """Why a password may not be sent to this URL from here; None where it may.

    This is the one place that decides it: over TLS whose certificate is verified, or to this very machine (through a
    forwarded port, too), and nowhere else.
    """
    parts = urlsplit(url)
    if is_this_machine(parts.hostname or ""):
        return None
    if parts.scheme != "https":
        return "the password would cross the network in plain text"
    if not validate_certs:
        return "the password would go to a server whose certificate is not verified"
    return None


def is_this_machine(host: str) -> bool:
    """Whether packets to this host stay on the machine where this runs. A name other than localhost never counts."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if address.is_loopback:
        return True
    # The kernel gives its own address as the source for packets to itself only. Connecting a datagram socket sends
    # nothing. (Binding would not do: with ip_nonlocal_bind every address can be bound.)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as unsent:
            unsent.connect((host, 9))
            return ipaddress.ip_address(unsent.getsockname()[0].partition("%")[0]) == address
    except (OSError, ValueError):
        return False


def checked_url(url: str) -> str:
    """The URL without a slash at its end. Raises ProbeError where it is not one, without repeating a password in it."""
    try:
        parts = urlsplit(url)
        port_is_usable = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ProbeError(
            "this is not the URL of a Node-RED: %s; write it as http://raspberrypi.local:1880" % error
        ) from error
    if parts.username is not None or parts.password is not None:
        raise ProbeError("the URL holds a user name or password; give them as username and password.")
    if re.search(r"[^\x21-\x7e]", url):
        raise ProbeError("the URL holds a space, a control character or one outside ASCII; write it percent-encoded.")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_usable:
        raise ProbeError("%s is not the URL of a Node-RED; write it as http://raspberrypi.local:1880" % url)
    if parts.query or parts.fragment:
        raise ProbeError("%s must end with the admin root, without ? or #." % url)
    return url.rstrip("/")
