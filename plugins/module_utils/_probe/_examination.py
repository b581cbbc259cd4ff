# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: one Node-RED under examination, and what a check of it is."""

from __future__ import annotations

import dataclasses
import secrets
import ssl
import time
from typing import Callable, Dict, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import urlencode, urlsplit

from ansible_collections.pifleet.nodered.plugins.module_utils._core._http import Response, request
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._answers import (
    Permissions,
    json_object,
    lacks_permission,
    may_change_something,
    permissions_of,
    user_in,
)
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._errors import OutOfTime
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._target import Target

PASS, FAIL, SKIP = "pass", "fail", "skip"
LACKS_CLIENT_CERTIFICATE = "left out: it needs a client certificate, and that stays on the controller"


class Verdict(NamedTuple):
    status: str
    found: str


@dataclasses.dataclass(frozen=True)
class Check:
    id: str
    title: str
    expected: str
    judge: Callable[["Examination"], Verdict]
    needs_node_red: bool = True
    needs: Optional[Callable[["Examination"], object]] = None
    """Without what the check is left out."""


@dataclasses.dataclass
class Examination:
    """One Node-RED under examination: how to reach it, and what was learned from it so far."""

    target: Target
    context: Optional[ssl.SSLContext] = None
    strangers_context: Optional[ssl.SSLContext] = None
    """Like `context`, without the client certificate."""
    deadline: float = float("inf")
    """When all checks have to be done (monotonic clock)."""
    was_cut: bool = False
    """Whether an exchange of the present check got less time than it should have."""
    seen: Dict[str, Response] = dataclasses.field(default_factory=dict)
    write_attempt: Optional[Verdict] = None
    used: Optional[Tuple[str, int]] = dataclasses.field(default=None, repr=False)
    """The password with the code that the login was made with, and the step of that code."""

    def limit(self, most: Optional[float] = None) -> float:
        """Seconds for the next exchange, by default those of a request. Raises OutOfTime where none are left."""
        wanted = self.target.timeout if most is None else most
        left = self.deadline - time.monotonic()
        if left < wanted:
            self.was_cut = True
        if left <= 0:
            raise OutOfTime
        return min(wanted, left)

    def is_out_of_time(self) -> bool:
        return time.monotonic() >= self.deadline

    def send(
        self,
        path: str,
        *,
        method: str = "GET",
        token: Optional[str] = None,
        form: Optional[Mapping[str, str]] = None,
        limit: Optional[float] = None,
    ) -> Response:
        """The answer to a request to the admin API. `limit` is in seconds and beside the limit of all checks."""
        timeout = limit if limit is not None else self.limit()
        headers = {"Accept": "application/json", "Connection": "close"}
        if token is not None:
            headers["Authorization"] = "Bearer " + token
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(form).encode("ascii")
        return request(
            self.target.url + path, method=method, headers=headers, body=body, timeout=timeout, context=self.context
        )

    def place(self, path: str) -> str:
        """The URL of a path on this server, wherever its admin root is."""
        parts = urlsplit(self.target.url)
        return "%s://%s%s" % (parts.scheme, parts.netloc, path)

    def get_page(self, root: str, headers: Mapping[str, str]) -> Response:
        """The answer to a GET of a page below this root that does not exist: a user who has access gets 404."""
        url = self.place(root.rstrip("/") + "/probe-" + secrets.token_hex(8))
        return request(url, headers={"Connection": "close", **headers}, timeout=self.limit(), context=self.context)

    def anonymous(self, path: str) -> Response:
        """The answer to a GET without a login; requested once."""
        if path not in self.seen:
            self.seen[path] = self.send(path)
        return self.seen[path]

    def login_type(self) -> Optional[str]:
        """`credentials`, `strategy`, or None where no login is offered."""
        kind = (json_object(self.anonymous("/auth/login")) or {}).get("type")
        return kind if isinstance(kind, str) else None

    def default_permissions(self) -> Permissions:
        """The permissions without a login, those of the default user in the settings; None if there is no such user."""
        response = self.anonymous("/settings")
        if response.status == 200:
            user = user_in(response)
            if user.get("anonymous"):
                return permissions_of(user)
        return None

    def has_harmless_default_user(self) -> bool:
        """Whether there is a default user who can only read, as far as is visible. The operator has chosen that."""
        if lacks_permission(self.anonymous("/settings")):
            return True
        permissions = self.default_permissions()
        return permissions is not None and not may_change_something(permissions)
