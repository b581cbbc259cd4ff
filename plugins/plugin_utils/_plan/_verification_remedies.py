# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about each check of the verification that fails. Private; knows no Ansible."""

from __future__ import annotations

_LOGIN = (
    "Run the role login. If it has run, find what answers there in place of Node-RED (ss -ltnp on the host, a proxy)."
)
_PAGES = "Run the role http_auth. If it has run, find what overrides its settings (an option -D, a proxy)."
_PASSWORD = "Correct nodered_http_auth_user and nodered_http_auth_password, or the proxy if it drops the password."

REMEDIES = {
    "answers": "See the journal of the service on the host, and the firewall, the name and the proxy between.",
    "login_required": _LOGIN,
    "flows_closed": _LOGIN,
    "flows_write_closed": _LOGIN,
    "comms_closed": _LOGIN,
    "login_offered": _LOGIN,
    "wrong_password_refused": "Correct authenticate of adminAuth in settings.js, or set nodered_login_replace: true.",
    "code_required": "Run the role login, and see the journal of the service on the host.",
    "login_works": "Correct user name and password; for a code, set the clock of the host (timedatectl set-ntp true).",
    "read_only_cannot_write": "Correct the permissions of that user in nodered_login_users.",
    "code_used_once": "Run the role login, and see the journal of the service on the host.",
    "old_port_closed": "Stop what listens there (ss -ltnp on the host), or close the port (role ufw).",
    "node_pages_closed": _PAGES,
    "static_closed": _PAGES,
    "dashboards_closed": _PAGES,
    "websockets_closed": _PAGES,
    "pages_work": _PASSWORD,
    "dashboards_work": _PASSWORD,
    "certificate_trusted": "Name the authority that issued it (nodered_tls_ca), or a name that it is made for "
    "(nodered_address).",
    "old_tls_refused": "Run the role tls, or set the lowest version in the proxy.",
    "plain_http_refused": "Run the role tls, and stop what answers there without TLS (ss -ltnp on the host).",
    "client_certificate_required": "Run the role tls with nodered_tls_client_authority.",
}
"""By the id of the check."""
