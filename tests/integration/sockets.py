# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Press a dashboard's button and send to a "websocket in" node, as a stranger or as somebody with a password would."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import time
from collections.abc import Mapping

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _http
from ansible_collections.pifleet.nodered.plugins.module_utils._probe import _websocket

# What the button of each dashboard in containers/pi/recipe/flows.json sends when it is clicked.
PRESSES = {
    "ui": ["update-value", {"id": "d1d1", "value": ""}],
    "dashboard": ["widget-action", "e1d1", {"payload": ""}],
}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def base_url(address: str, port: int = 1880) -> str:
    """Where Node-RED is served there, over TLS where that is what it speaks."""
    with socket.create_connection((address, port), timeout=10) as plain:
        try:
            unverified().wrap_socket(plain, server_hostname=address).close()
        except (ssl.SSLError, ConnectionError):
            return f"http://{address}:{port}"
    return f"https://{address}:{port}"


def press_by_polling(base: str, dashboard: str, headers: Mapping[str, str]) -> list[str]:
    """Do all that a client does, whatever the server says to it; the packets that came back."""
    url = f"{base}/{dashboard}/socket.io/?EIO=4&transport=polling"

    def send(query: str, body: str | None = None) -> str:
        answer = _http.request(
            url + query,
            method="POST" if body else "GET",
            headers={**headers, "Content-Type": "text/plain"},
            body=body.encode() if body else None,
            timeout=5,
            context=unverified(),
        )
        return answer.body.decode()

    session = json.loads(send("")[1:])["sid"]
    packets = []
    for body in ("40", "42" + json.dumps(PRESSES[dashboard])):
        send(f"&sid={session}", body)
        packets += send(f"&sid={session}").split("\x1e") if body == "40" else []
    return packets


def press_by_websocket(base: str, dashboard: str, headers: Mapping[str, str]) -> list[str]:
    packets = []
    url = f"{base}/{dashboard}/socket.io/"
    with _websocket.connected(url, 5, unverified()) as channel:
        host = url.split("/")[2]
        assert channel.upgrade(host, f"/{dashboard}/socket.io/?EIO=4&transport=websocket", headers) == 101
        channel.send_text("40")
        while not packets or packets[-1][:2] not in ("40", "44"):
            message = channel.receive()
            if message is None:
                break
            packets.append(message.decode())
        channel.send_text("42" + json.dumps(PRESSES[dashboard]))
        time.sleep(0.5)
    return packets


def send_to_listener(base: str, path: str, headers: Mapping[str, str]) -> int:
    """Open a websocket and send a message; the status of the answer to the upgrade."""
    with _websocket.connected(base + path, 5, unverified()) as channel:
        status = channel.upgrade(base.split("/")[2], path, headers)
        if status == 101:
            channel.send_text("hello")
            time.sleep(0.3)
        return status
