# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of the setting `https`, for which release of Node-RED and Node.js. Private; knows no Ansible."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .._core._arguments import release_numbers

# Node-RED calls a function anew since 1.1 (red.js). Node.js 11 has setSecureContext, which takes what it returns.
FIRST_LIVE_NODE_RED = (1, 1)
FIRST_LIVE_NODE = (11,)
# Before, there is no TLS 1.3, and all but the last releases of Node.js 10 ignore minVersion.
FIRST_MIN_VERSION_NODE = (12,)
# If it cannot be found out.
USUAL_NODE = "12"


def is_live(instance: Mapping[str, Any]) -> bool:
    """Whether a renewed certificate becomes active without a restart."""
    node_red = release_numbers(instance["version"] or "")
    return node_red >= FIRST_LIVE_NODE_RED and _node(instance) >= FIRST_LIVE_NODE


def has_min_version(instance: Mapping[str, Any]) -> bool:
    """Whether Node.js knows the option minVersion, and TLS 1.3."""
    return _node(instance) >= FIRST_MIN_VERSION_NODE


def _node(instance: Mapping[str, Any]) -> tuple[int, ...]:
    return release_numbers(str(instance["node_version"] or USUAL_NODE))


def https(instance: Mapping[str, Any], *, min_version: str, client_authority: str) -> str:
    """The JavaScript expression: a function if Node-RED calls it for each renewal, otherwise what it returns.

    `client_authority` is the path of the file with the authorities of clients, empty if they need no certificate.
    """
    function = _function(instance, min_version, client_authority)
    return function if is_live(instance) else f"({function})()"


def _function(instance: Mapping[str, Any], min_version: str, client_authority: str) -> str:
    # All in one function: an exception in it ends Node-RED with status 1 when it starts, so that systemd tries again,
    # and keeps the old pair at a refresh. If it returned nothing, Node-RED would use plain HTTP; and a pair that only
    # https.createServer rejects would end Node-RED with status 0, which systemd takes for success.
    folder = json.dumps(instance["tls"]["folder"])
    lines = [
        "function () {",
        '        const fs = require("fs");',
        "        // One folder for both files: the link moves on when the certificate is renewed.",
        f"        const folder = fs.realpathSync({folder});",
        "        const options = {",
        '            key: fs.readFileSync(folder + "/key.pem"),',
        '            cert: fs.readFileSync(folder + "/certificate.pem"),',
        *_clients(client_authority),
        f"            {_lowest(instance, min_version)}",
        "        };",
        "        // Throws where key and certificate do not match; without that, Node-RED would end as if "
        "all were well.",
        '        require("tls").createSecureContext(options);',
        "        return options;",
        "    }",
    ]
    return "\n".join(lines)


def _clients(authority: str) -> list[str]:
    if not authority:
        return []
    return [
        f"            ca: fs.readFileSync({json.dumps(authority)}),",
        "            requestCert: true,",
        "            rejectUnauthorized: true,",
    ]


def _lowest(instance: Mapping[str, Any], min_version: str) -> str:
    if has_min_version(instance):
        return f'minVersion: "TLSv{min_version}"'
    constants = 'require("crypto").constants'
    return f"secureOptions: {constants}.SSL_OP_NO_TLSv1 | {constants}.SSL_OP_NO_TLSv1_1"
