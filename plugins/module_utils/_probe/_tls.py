# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: whom a connection of the probe trusts, and as whom it is made."""

from __future__ import annotations

import ssl
from typing import Optional
from urllib.parse import urlsplit

from ansible_collections.pifleet.nodered.plugins.module_utils._probe._errors import ProbeError, cause

# ssl.VERIFY_X509_PARTIAL_CHAIN, which Python has a name for since 3.10 only.
VERIFY_PARTIAL_CHAIN = 0x80000


def tls_context(
    url: str,
    ca: Optional[str],
    authorities: Optional[str],
    client_cert: Optional[str],
    client_key: Optional[str],
    validate_certs: bool,
) -> Optional[ssl.SSLContext]:
    if urlsplit(url).scheme != "https":
        return None
    try:
        context = ssl.create_default_context(cafile=ca, cadata=authorities or None)
    except (OSError, ssl.SSLError) as error:
        raise ProbeError("the authority's certificate %s cannot be used: %s" % (ca or "", cause(error))) from error
    if authorities:
        # What is given is trusted itself, whatever authority issued it: a server's own certificate can be given, too.
        context.verify_flags |= VERIFY_PARTIAL_CHAIN
    if not validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert is not None:
        try:
            # An empty password: without one, OpenSSL would ask for that of an encrypted key on the terminal.
            context.load_cert_chain(client_cert, client_key, password="")
        except (OSError, ssl.SSLError, ValueError) as error:
            raise ProbeError("the client certificate %s cannot be used: %s" % (client_cert, cause(error))) from error
    return context


def any_server() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
