# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the certificate that this collection has given to a service."""

from __future__ import annotations

import glob
import os
from typing import Any, Dict

from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _pair
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd, _user_units

TLS_FOLDER = "/etc/nodered-tls"


def tls_folder(plan: StartPlan) -> str:
    """Where this collection keeps the service's certificate and key."""
    return os.path.join(TLS_FOLDER, _user_units.file_name(plan.service))


def path_unit(service: str) -> str:
    """The unit that has a renewed certificate copied for this service."""
    return os.path.join(_systemd.UNIT_FOLDER, "pifleet-%s-certificate.path" % _user_units.file_name(service))


def reader(plan: StartPlan) -> _pair.Reader:
    """Who reads the certificate and its key."""
    return _pair.Reader(plan.user, plan.group, plan.runtime.node, plan.supplementary_groups)


def tls(plan: StartPlan) -> Dict[str, Any]:
    """The certificate that this collection has given to the service; nothing of its key but whether it can be used."""
    folder = tls_folder(plan)
    pair, earlier = _pair.placed(folder), _pair.earlier(folder)
    return {
        "folder": os.path.join(folder, _pair.CURRENT),
        "certificate": pair.certificate.decode("utf-8", "replace") if pair else None,
        "earlier": earlier.certificate.decode("utf-8", "replace") if earlier else None,
        "replaced": earlier.replaced if earlier else None,
        "problem": _pair.why_unusable(folder, reader(plan)) if pair else None,
        "client_authorities": [os.path.basename(path) for path in glob.glob(folder + "/client-authority-*.pem")],
        "follows": os.path.exists(path_unit(plan.service)),
    }
