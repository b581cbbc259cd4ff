# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of every scenario share."""

from __future__ import annotations

import base64
import http.client
import json
import pathlib
import ssl
import urllib.parse

import pytest


@pytest.fixture(autouse=True)
def journal_on_failure(host, request):
    failed_before = request.session.testsfailed
    yield
    if request.session.testsfailed > failed_before:
        print(host.run("journalctl --no-pager -n 40 -u 'node*red*'").stdout)


@pytest.fixture
def inventory_folder(host) -> pathlib.Path:
    """Where the collection keeps on the controller what it has made up."""
    inventory = pathlib.Path(host.backend.ansible_runner.inventory_file)
    return inventory if inventory.is_dir() else inventory.parent


@pytest.fixture
def passwords(host, inventory_folder) -> dict[str, str]:
    """The passwords that the collection has chosen for this machine: of the editor, and of pages."""
    folder, name = inventory_folder / ".nodered-passwords", host.backend.host
    files = {"editor": folder / name, "pages": folder / "http-auth" / name}
    return {what: file.read_text().strip() for what, file in files.items() if file.is_file()}


@pytest.fixture
def address(variables) -> str:
    """Where the machine is reached from the controller."""
    return variables["nodered_address"]


@pytest.fixture
def variables(host) -> dict[str, object]:
    """What the inventory of the scenario says of this machine."""
    return host.backend.ansible_runner.get_variables(host.backend.host)


@pytest.fixture
def port(variables) -> int:
    """Where Node-RED has to serve."""
    return variables.get("nodered_port", 1880)


@pytest.fixture
def certificate(host, variables) -> str:
    """The certificate that Node-RED has to show, as PEM text: the one that the collection has placed."""
    service = variables.get("nodered_service", "nodered")
    return host.file(f"/etc/nodered-tls/{service}/current/certificate.pem").content_string


@pytest.fixture
def ask(address, port, certificate):
    """A request over TLS that accepts no other certificate: the answer's status and body."""
    trust = ssl.create_default_context(cadata=certificate)

    def asked(path, form=None, **headers):
        connection = http.client.HTTPSConnection(address, port, timeout=30, context=trust)
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urllib.parse.urlencode(form) if form else None
        connection.request("POST" if form else "GET", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    return asked


@pytest.fixture
def log_in(ask):
    """Log in to the editor as admin: the token, or None where the password is refused."""

    def logged_in(password):
        form = {"client_id": "node-red-editor", "grant_type": "password", "scope": "*", "username": "admin"}
        status, body = ask("/auth/token", {**form, "password": password})
        return json.loads(body)["access_token"] if status == 200 else None

    return logged_in


@pytest.fixture
def basic():
    """What a browser sends with this password of pages."""
    return lambda password: "Basic " + base64.b64encode(f"nodered:{password}".encode()).decode()


@pytest.fixture
def answers_in_the_clear(address, port) -> bool:
    """Whether anything comes back without TLS."""
    connection = http.client.HTTPConnection(address, port, timeout=10)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except (ConnectionError, http.client.HTTPException):
        return False
    return True
