# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit checks. Private; data only, knows no Ansible."""

from __future__ import annotations

from dataclasses import dataclass

from ._findings import Severity


@dataclass(frozen=True)
class Check:
    """One check: a column of the matrix, a rule in SARIF, a test case in JUnit."""

    id: str
    """Kebab case, never changed later: reports are compared by it."""
    area: str
    """The heading that it stands below, such as `Login`."""
    label: str
    """One to three words for the head of a column, such as `Weak hash`."""
    title: str
    """What must hold, as a sentence without a full stop, such as `Passwords are hashed with bcrypt`."""
    why: str
    """What goes wrong otherwise."""
    severity: Severity
    """That of its findings, unless the finding decides otherwise."""


_LOGIN, _PASSWORDS, _TLS, _PAGES = "Login", "Passwords", "TLS", "Pages"
_FILES, _SERVICE, _FIREWALL, _RELEASES = "Files", "Service", "Firewall", "Releases"
_SETTINGS, _FLEET = "Settings", "Fleet"
_ANY_PROGRAM = "Anyone who can change the flows can run any program as the user of Node-RED."

CHECKS: tuple[Check, ...] = (
    Check("editor-open", _LOGIN, "Editor open", "The editor requires a login", _ANY_PROGRAM, "critical"),
    Check(
        "api-open",
        _LOGIN,
        "API open",
        "A disabled editor leaves no open admin API",
        "disableEditor removes the pages of the editor only. " + _ANY_PROGRAM,
        "critical",
    ),
    Check(
        "default-permissions",
        _LOGIN,
        "Default user",
        "Nothing can be changed without a login",
        "adminAuth.default applies to everyone who is not logged in. " + _ANY_PROGRAM,
        "critical",
    ),
    Check(
        "anonymous-read",
        _LOGIN,
        "Read by anyone",
        "Flows can only be read after a login",
        "Flows name other machines, and often hold passwords and keys in their nodes.",
        "medium",
    ),
    Check(
        "debug-open",
        _LOGIN,
        "Debug open",
        "Debug messages and status require a login",
        "The websocket of the editor sends what the flows work with.",
        "high",
    ),
    Check(
        "login-broken",
        _LOGIN,
        "Login broken",
        "The login in the settings works",
        "The administrators themselves are locked out, or Node-RED does not start.",
        "high",
    ),
    Check(
        "old-login",
        _LOGIN,
        "Old login",
        "The editor has no login of old releases",
        "httpAdminAuth leaves the websocket of the editor open, and often has an MD5 sum.",
        "high",
    ),
    Check(
        "password-sample",
        _PASSWORDS,
        "Sample",
        "No password is the sample of Node-RED's template",
        "The sample and its hash are public.",
        "critical",
    ),
    Check(
        "password-known",
        _PASSWORDS,
        "Known",
        "No password is one of those that are tried first",
        "Programs that search the internet for Node-RED try these.",
        "critical",
    ),
    Check(
        "password-plaintext",
        _PASSWORDS,
        "Plaintext",
        "No password is in the settings file as text",
        "Node-RED compares with a bcrypt hash, so no login works, and anyone who can read the file has the password.",
        "high",
    ),
    Check(
        "password-md5",
        _PASSWORDS,
        "MD5",
        "No password is an MD5 sum",
        "An MD5 sum of a password can be cracked in seconds.",
        "high",
    ),
    Check(
        "hash-weak",
        _PASSWORDS,
        "Weak hash",
        "Hashes of passwords have a cost of 8 or more",
        "Each step less doubles the number of passwords that can be tried in the same time, if the file is copied.",
        "low",
    ),
    Check(
        "tls-missing",
        _TLS,
        "No TLS",
        "Node-RED uses TLS",
        "Passwords, sessions and all data can be read and changed on the network.",
        "high",
    ),
    Check(
        "plain-http",
        _TLS,
        "HTTP too",
        "There is no plain HTTP beside TLS",
        "Who uses the wrong address sends passwords and sessions that can be read on the network.",
        "high",
    ),
    Check(
        "tls-old",
        _TLS,
        "Old TLS",
        "No version of TLS before the lowest permitted one is accepted",
        "TLS 1.0 and 1.1 are broken (RFC 8996).",
        "medium",
    ),
    Check(
        "certificate-expired",
        _TLS,
        "Expired",
        "The certificate is valid now",
        "Browsers warn, programs refuse the connection, and users learn to ignore warnings.",
        "high",
    ),
    Check(
        "certificate-expires",
        _TLS,
        "Expires soon",
        "The certificate stays valid for some time",
        "After that, browsers warn and programs refuse the connection.",
        "medium",
    ),
    Check(
        "certificate-mismatch",
        _TLS,
        "Wrong name",
        "The certificate is made for the address of the host",
        "Clients cannot distinguish this Node-RED from another machine that answers in its place.",
        "medium",
    ),
    Check(
        "certificate-weak",
        _TLS,
        "Weak certificate",
        "Key and signature of the certificate are strong",
        "It can be forged, and OpenSSL 3 and browsers refuse it.",
        "medium",
    ),
    Check(
        "certificate-unusable",
        _TLS,
        "Unusable pair",
        "Node-RED can use its certificate with its key",
        "Node-RED exits at its next start, or no client can connect.",
        "high",
    ),
    Check(
        "certificate-untrusted",
        _TLS,
        "Untrusted",
        "The certificate comes from an authority that is trusted",
        "Clients cannot distinguish this Node-RED from another machine that answers in its place.",
        "low",
    ),
    Check(
        "pages-open",
        _PAGES,
        "Pages",
        "Pages of flows require a password",
        "Everything that flows publish (http in, dashboards) can be read and used by anyone.",
        "medium",
    ),
    Check(
        "static-open",
        _PAGES,
        "Static files",
        "Static files require a password",
        "All files below httpStatic can be read by anyone.",
        "medium",
    ),
    Check(
        "dashboard-open",
        _PAGES,
        "Dashboards",
        "Sockets of dashboards require a password",
        "Anyone can see what a dashboard shows and press its buttons, also if its page requires a password.",
        "high",
    ),
    Check(
        "websocket-open",
        _PAGES,
        "Websockets",
        "Websocket nodes require a password",
        "Anyone can send messages to the flows behind them. httpNodeAuth does not cover them.",
        "medium",
    ),
    Check(
        "files-readable",
        _FILES,
        "Readable files",
        "Files with secrets are closed to other users",
        "The sessions file logs in anyone who reads it; the settings file has hashes, and backups keep old ones.",
        "high",
    ),
    Check(
        "sessions-unwritable",
        _FILES,
        "Sessions",
        "Node-RED can write its sessions file",
        "A correct login ends Node-RED if it cannot.",
        "high",
    ),
    Check(
        "runs-as-root",
        _SERVICE,
        "Root",
        "Node-RED does not run as root",
        "Flows, and all nodes that are installed, can do anything on the machine.",
        "high",
    ),
    Check(
        "ways-to-root",
        _SERVICE,
        "Ways to root",
        "The user of Node-RED cannot become root",
        "Anyone who can change a flow gets the whole machine.",
        "medium",
    ),
    Check(
        "node-red-down",
        _SERVICE,
        "Down",
        "Node-RED responds",
        "What does not respond cannot be checked from outside.",
        "medium",
    ),
    Check(
        "firewall-off",
        _FIREWALL,
        "Off",
        "A firewall closes what is not used",
        "Every program that listens can be reached by every machine in the network.",
        "medium",
    ),
    Check(
        "firewall-wide",
        _FIREWALL,
        "Too wide",
        "The firewall lets in only what is needed",
        "A firewall that lets everything in protects nothing.",
        "medium",
    ),
    Check(
        "firewall-bypassed",
        _FIREWALL,
        "Bypassed",
        "No port of containers bypasses the firewall",
        "Docker and Podman forward published ports before ufw sees the packets.",
        "low",
    ),
    Check(
        "firewall-boot",
        _FIREWALL,
        "Not at boot",
        "The firewall starts at boot",
        "After the next boot, all ports are open.",
        "medium",
    ),
    Check(
        "node-red-eol",
        _RELEASES,
        "Node-RED",
        "The release of Node-RED is maintained",
        "It gets no fixes any more, also none for security.",
        "medium",
    ),
    Check(
        "node-eol",
        _RELEASES,
        "Node.js",
        "The release of Node.js is maintained",
        "It gets no fixes any more, also none for security.",
        "medium",
    ),
    Check(
        "settings-unreadable",
        _SETTINGS,
        "Unreadable",
        "The settings file can be loaded and read with certainty",
        "What cannot be read is not checked, and a file that cannot be loaded keeps Node-RED from its next start.",
        "medium",
    ),
    Check(
        "setting-misspelled",
        _SETTINGS,
        "Misspelled",
        "No setting is misspelled",
        "Node-RED ignores unknown settings without a message, so what they should do is not done.",
        "low",
    ),
    Check(
        "setting-unknown",
        _SETTINGS,
        "Unknown",
        "Node-RED knows all settings",
        "Node-RED ignores a setting that it does not know. Nodes can have settings of their own.",
        "info",
    ),
    Check(
        "credential-secret",
        _SETTINGS,
        "Secret",
        "The credentials of flows are encrypted with a secret of their own",
        "Anyone who gets a copy of the credentials file has the passwords of all nodes.",
        "medium",
    ),
    Check(
        "neighbours",
        _FLEET,
        "Neighbours",
        "Nothing beside Node-RED breaks by its protection",
        "Dialogs of installed nodes, dashboards on phones and redirects stop working.",
        "low",
    ),
    Check(
        "secure-rejects",
        _FLEET,
        "Rejected",
        "The playbook secure accepts this host",
        "secure leaves the host unchanged until this is corrected.",
        "low",
    ),
    Check(
        "drift",
        _FLEET,
        "Drift",
        "The host is as the variables of the inventory describe it",
        "It was changed by hand, or never secured.",
        "low",
    ),
)
BY_ID = {check.id: check for check in CHECKS}
