# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: checks of pages, static files, dashboards and websockets beside the editor."""

from __future__ import annotations

from typing import Iterable, Iterator, Mapping, Optional, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core._http import Response
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._answers import challenge_of, described, harmless
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._examination import (
    FAIL,
    PASS,
    SKIP,
    Examination,
    Verdict,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._urls import why_no_password
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._websocket import (
    ABSENT,
    OPEN,
    REFUSED,
    socket_io_by_polling,
    socket_io_by_websocket,
    upgrade_status,
)


def _closed(response: Response) -> Verdict:
    """Whether a password is required before the answer that there is no such page."""
    if response.status == 401 and challenge_of(response).startswith("Basic"):
        return Verdict(PASS, "401 that asks for a password")
    if response.status in (401, 403):
        return Verdict(PASS, "%d, refused" % response.status)
    return Verdict(FAIL, "open: no password is required (%s)" % described(response))


def node_pages_closed(examination: Examination) -> Verdict:
    return _closed(examination.get_page(examination.target.node_root or "/", {}))


def static_closed(examination: Examination) -> Verdict:
    return _worst((root, _closed(examination.get_page(root, {}))) for root in examination.target.static_roots)


def _worst(verdicts: Iterable[Tuple[str, Verdict]]) -> Verdict:
    """One verdict for several places: those that fail are named, else all that pass."""
    listed = list(verdicts)
    chosen = [pair for pair in listed if pair[1].status == FAIL] or listed
    found = "; ".join("%s: %s" % (harmless(place), verdict.found) for place, verdict in chosen)
    return Verdict(chosen[0][1].status, found)


def dashboards_closed(examination: Examination) -> Verdict:
    def judged(outcome: str) -> Verdict:
        if outcome == REFUSED:
            return Verdict(PASS, "refused")
        if outcome == ABSENT:
            return Verdict(PASS, "nothing is there")
        return Verdict(FAIL, "open: no password is required" if outcome == OPEN else outcome)

    return _worst((place, judged(outcome)) for place, outcome in _connections(examination, {}))


def _connections(examination: Examination, headers: Mapping[str, str]) -> Iterator[Tuple[str, str]]:
    """What became of each way into each dashboard."""
    for path in examination.target.dashboard_sockets:
        for way, connect in (("polling", socket_io_by_polling), ("websocket", socket_io_by_websocket)):
            outcome = connect(examination.place(path), headers, examination.limit(), examination.context)
            yield "%s by %s" % (path, way), outcome


def websockets_closed(examination: Examination) -> Verdict:
    def judged(path: str) -> Verdict:
        try:
            status = upgrade_status(examination.place(path), {}, examination.limit(), examination.context)
        except ConnectionError:
            # Where no node listens, because its flow is off or waits for missing types, Node.js hangs up.
            return Verdict(PASS, "nothing is there")
        if status == 101:
            return Verdict(FAIL, "open: no password is required")
        return Verdict(PASS, "%d, refused" % status)

    return _worst((path, judged(path)) for path in examination.target.websockets)


def _why_no_http_password(examination: Examination) -> Optional[str]:
    if examination.target.http_username is None:
        return "no user name and password were given for the pages"
    return why_no_password(examination.target.url, validate_certs=examination.target.validate_certs)


def pages_work(examination: Examination) -> Verdict:
    reason = _why_no_http_password(examination)
    if reason:
        return Verdict(SKIP, "left out: %s" % reason)
    target = examination.target
    roots = [target.node_root or "/", *target.static_roots]
    answers = [(root, examination.get_page(root, target.http_credentials())) for root in dict.fromkeys(roots)]
    return _worst(
        (root, Verdict(FAIL if answer.status in (401, 403) or answer.status >= 500 else PASS, described(answer)))
        for root, answer in answers
    )


def dashboards_work(examination: Examination) -> Verdict:
    reason = _why_no_http_password(examination)
    if reason:
        return Verdict(SKIP, "left out: %s" % reason)

    def judged(outcome: str) -> Verdict:
        if outcome == ABSENT:
            return Verdict(SKIP, "nothing is there")
        return Verdict(PASS, "connected") if outcome == OPEN else Verdict(FAIL, outcome)

    return _worst(
        (place, judged(outcome)) for place, outcome in _connections(examination, examination.target.http_credentials())
    )
