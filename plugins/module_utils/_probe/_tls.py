# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: whom a connection of the probe trusts, and as whom it is made."""

from __future__ import annotations

import ssl
from typing import Optional
from urllib.parse import urlsplit

from ansible_collections.pifleet.nodered.plugins.module_utils._core._http import verifying_context
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._errors import ProbeError, cause
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._target import Target


def tls_context(target: Target) -> Optional[ssl.SSLContext]:
    if urlsplit(target.url).scheme != "https":
        return None
    try:
        context = verifying_context(target.ca, target.authorities)
    except (OSError, ssl.SSLError) as error:
        raise ProbeError(
            "the authority's certificate %s cannot be used: %s; give a file with certificates in PEM form"
            % (target.ca or "in the option authorities", cause(error))
        ) from error
    if not target.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if target.client_cert is not None:
        try:
            # An empty password: without one, OpenSSL would ask for that of an encrypted key on the terminal.
            context.load_cert_chain(target.client_cert, target.client_key, password="")
        except (OSError, ssl.SSLError, ValueError) as error:
            raise ProbeError(
                "the client certificate %s cannot be used: %s; give PEM files that belong together, the key without a "
                "passphrase" % (target.client_cert, cause(error))
            ) from error
    return context


def any_server() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
