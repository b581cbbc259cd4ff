# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what is served beside the editor. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Iterator

from .._plan._base import Found
from .._report._findings import Severity
from ._base import FAIL, PASS, Observed, Outcome, Skipped, finding, is_local

_PROBED = {
    "node_pages_closed": ("pages-open", "Pages of flows require no password"),
    "static_closed": ("static-open", "Static files require no password"),
    "dashboards_closed": ("dashboard-open", "Anyone can use the dashboards"),
    "websockets_closed": ("websocket-open", "Anyone can use the websockets of flows"),
}
CHECKS = tuple(check for check, _title in _PROBED.values())
_REMEDY = (
    "Run pifleet.nodered.secure: the role http_auth gives all of these a password (nodered_http_auth_password). What "
    "must stay open: nodered_http_auth_open_paths."
)


def outcomes(found: Found, observed: Observed) -> Iterator[Outcome]:
    """A path that `nodered_http_auth_open_paths` opens was not asked for."""
    if observed.no_answer:
        for check in CHECKS:
            yield Skipped(check, observed.no_answer)
        return
    if observed.status("client_certificate_required") == PASS:
        # Nothing responds without a client certificate.
        return
    severity: Severity | None = "low" if is_local(found, observed) else None
    for probed, (check, title) in _PROBED.items():
        yield from observed.left_out(check, probed)
        if found.instance["settings_error"] and not observed.status(probed):
            yield Skipped(check, "the settings file cannot be loaded, so its paths are not known")
        if observed.status(probed) == FAIL:
            yield finding(check, title, observed.seen(probed), _REMEDY, severity)
    unclosable = [one for one in found.instance["socket_packages"] if not one["closable"]]
    if unclosable:
        names = ", ".join(f"{one['name']} {one['version']}" for one in unclosable)
        remedy = "Update the package, or require a client certificate (nodered_tls_client_authority)."
        evidence = f"This release of {names} has no setting that closes its sockets."
        yield finding("dashboard-open", "Anyone can use the dashboards", evidence, remedy, severity)
