# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the certificate that a server sends, also a bad one. Private; knows no Ansible."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time

from ...module_utils._core._channel import channel_to
from ...module_utils._core._http import verifying_context
from ...module_utils._probe._errors import why_unreachable
from ...module_utils._probe._tls import any_server
from ._base import Certificate

# What OpenSSL says of dates and strength (x509_vfy.h), which are judged apart from trust.
_NOT_ABOUT_TRUST = (9, 10, 66, 67, 68)


def seen(
    host: str, port: int, *, authorities: str = "", client: tuple[str, str] | None = None, seconds: float
) -> Certificate:
    """The certificate of the server there, and whether it is trusted. Two connections, which send no request.

    Args:
        host: name or address, and the name that the server is asked for.
        authorities: PEM text of what is trusted; empty for the authorities of this system.
        client: the paths of a client certificate and its key, if the server wants one.
        seconds: the limit for both connections together.
    """
    deadline = time.monotonic() + seconds
    anyone = any_server()
    with contextlib.suppress(ssl.SSLError, ValueError):
        # Above this level, OpenSSL refuses what is old and weak, which is what has to be seen.
        anyone.set_ciphers("ALL:@SECLEVEL=0")
        anyone.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    try:
        der = _handshake(host, port, deadline, anyone, client)
        return Certificate(ssl.DER_cert_to_PEM_cert(der), _untrusted(host, port, deadline, authorities, client))
    except (OSError, http.client.HTTPException) as error:
        return Certificate(why_unknown=why_unreachable(error, f"https://{host}:{port}"))


def _handshake(host: str, port: int, deadline: float, context: ssl.SSLContext, client: tuple[str, str] | None) -> bytes:
    if client:
        # An empty password: without one, OpenSSL would ask for that of an encrypted key on the terminal.
        context.load_cert_chain(*client, password="")
    with channel_to(host, port, deadline, context=context, name=host) as channel:
        return bytes(channel.tls.getpeercert(True) or b"")


def _untrusted(host: str, port: int, deadline: float, authorities: str, client: tuple[str, str] | None) -> str:
    """Why no authority that is trusted vouches for it; empty if one does, or if it cannot be told."""
    context = verifying_context(authorities=authorities)
    # Its names are judged apart from trust.
    context.check_hostname = False
    try:
        _handshake(host, port, deadline, context, client)
    except ssl.SSLCertVerificationError as error:
        return "" if error.verify_code in _NOT_ABOUT_TRUST else f"It is not trusted: {error.verify_message}."
    except (OSError, http.client.HTTPException):
        pass
    return ""
