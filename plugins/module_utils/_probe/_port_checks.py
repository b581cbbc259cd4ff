# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the check of ports on which nothing may answer."""

from __future__ import annotations

import http.client
import ssl
import time
from typing import Optional
from urllib.parse import urlsplit

from ansible_collections.pifleet.nodered.plugins.module_utils._core._channel import channel_to
from ansible_collections.pifleet.nodered.plugins.module_utils._core._http import request
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._answers import described
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._examination import (
    FAIL,
    PASS,
    Examination,
    Verdict,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._tls import any_server

# Seconds.
OLD_PORT_LIMIT = 3.0


def old_port_closed(examination: Examination) -> Verdict:
    answers = [(port, _answer_on_port(examination, port)) for port in examination.target.closed_ports]
    found = ["%d: %s" % (port, answer) for port, answer in answers if answer]
    if found:
        return Verdict(FAIL, "; ".join(found))
    return Verdict(PASS, "nothing answers on %s" % ", ".join(str(port) for port in examination.target.closed_ports))


def _answer_on_port(examination: Examination, port: int) -> Optional[str]:
    """What answers on this port of the same host; None where nothing does."""
    host = urlsplit(examination.target.url).hostname or ""
    limit = min(examination.target.timeout, OLD_PORT_LIMIT)
    try:
        with channel_to(host, port, time.monotonic() + examination.limit(limit)):
            pass
    except OSError:
        return None
    anyone = any_server()
    for scheme in ("http", "https"):
        url = "%s://%s:%d/" % (scheme, "[%s]" % host if ":" in host else host, port)
        try:
            answer = request(url, timeout=examination.limit(limit), context=anyone)
            return "%s answers with %s" % (scheme, described(answer))
        except TimeoutError:
            return "something accepts connections, but sends nothing in %g seconds" % limit
        except ssl.SSLError as error:
            # Only a TLS server reports a missing client certificate.
            if "CERTIFICATE_REQUIRED" in str(error):
                return "https answers and demands a client certificate"
        except (OSError, http.client.HTTPException):
            continue
    return None
