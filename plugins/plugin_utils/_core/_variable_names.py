# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The public variables of all roles, and names that are probably misspelled ones. Private; knows no Ansible."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

# A unit test compares this list with the argument specs of the roles.
VARIABLES = (
    "nodered_address",
    "nodered_audit_expiry_days",
    "nodered_audit_fail_on",
    "nodered_controller_ephemeral",
    "nodered_disable_editor",
    "nodered_fleet_secret",
    "nodered_hardening_accepted",
    "nodered_hardening_admin_root",
    "nodered_hardening_audit_log",
    "nodered_hardening_ban_failed_logins",
    "nodered_hardening_cookie_options",
    "nodered_hardening_diagnostics",
    "nodered_hardening_external_modules",
    "nodered_hardening_files",
    "nodered_hardening_function_modules",
    "nodered_hardening_headers",
    "nodered_hardening_listen_address",
    "nodered_hardening_log_failed_logins",
    "nodered_hardening_never_banned",
    "nodered_hardening_sandbox",
    "nodered_hardening_telemetry",
    "nodered_hardening_writable_paths",
    "nodered_hosts",
    "nodered_http_auth_open_paths",
    "nodered_http_auth_password",
    "nodered_http_auth_password_dir",
    "nodered_http_auth_replace",
    "nodered_http_auth_rounds",
    "nodered_http_auth_static_password",
    "nodered_http_auth_static_user",
    "nodered_http_auth_user",
    "nodered_login_default_permissions",
    "nodered_login_password_dir",
    "nodered_login_replace",
    "nodered_login_rounds",
    "nodered_login_session_expiry",
    "nodered_login_totp_dir",
    "nodered_login_totp_renew",
    "nodered_login_users",
    "nodered_max_fail_percentage",
    "nodered_password_generation",
    "nodered_port",
    "nodered_remount",
    "nodered_report_dir",
    "nodered_restart_timeout",
    "nodered_restore",
    "nodered_restore_force",
    "nodered_restore_points",
    "nodered_rotate",
    "nodered_rotate_fleet",
    "nodered_rotate_made_before",
    "nodered_serial",
    "nodered_service",
    "nodered_sessions_store",
    "nodered_time_limit",
    "nodered_tls_authority_certificate",
    "nodered_tls_authority_dir",
    "nodered_tls_authority_key",
    "nodered_tls_authority_names",
    "nodered_tls_authority_passphrase",
    "nodered_tls_authority_replace",
    "nodered_tls_authority_trusted",
    "nodered_tls_ca",
    "nodered_tls_certificate",
    "nodered_tls_client_authority",
    "nodered_tls_client_certificate",
    "nodered_tls_client_dir",
    "nodered_tls_client_key",
    "nodered_tls_client_passphrase",
    "nodered_tls_client_users",
    "nodered_tls_days",
    "nodered_tls_key",
    "nodered_tls_min_version",
    "nodered_tls_names",
    "nodered_tls_proxy_url",
    "nodered_tls_refresh_hours",
    "nodered_tls_renew_days",
    "nodered_tls_replace",
    "nodered_tls_source",
    "nodered_ufw_confirm_seconds",
    "nodered_ufw_keep",
    "nodered_ufw_manage",
    "nodered_ufw_rate_limit",
    "nodered_ufw_sources",
    "nodered_verify_from",
    "nodered_verify_login",
)

# Names of earlier releases, with what to set in their place. The role that they belonged to rejects them.
REMOVED = {"nodered_http_auth_admin_root": "nodered_hardening_admin_root"}

# One or two wrong letters in names as long as these; measured on the collection's own names.
ALIKE = 0.85


def misspelled(names: Collection[str], known: Collection[str] = VARIABLES) -> list[tuple[str, str]]:
    """Each name that nearly equals a known one, with the known one.

    A name with another prefix (`node_red_port`) counts only if the known one is not among the names.
    """
    return [
        (name, meant) for name, meant in _nearest(names, known) if _prefix(name) == _prefix(meant) or meant not in names
    ]


def _nearest(names: Iterable[str], known: Collection[str]) -> Iterable[tuple[str, str]]:
    # Ansible's own variables, and those of other products, begin with other letters.
    candidates = [name for name in names if name[:1] in "nN" and name not in known and name not in REMOVED]
    for name in candidates:
        for meant in difflib.get_close_matches(name, known, n=1, cutoff=ALIKE):
            yield name, meant


def _prefix(name: str) -> str:
    return name.partition("_")[0]
