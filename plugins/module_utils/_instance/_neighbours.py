# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: what beside Node-RED itself breaks when it gets a password, a root or a port.

Child processes look for it while node loads the settings file, which takes longer.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Dict, Optional, Sequence, Type

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._instance import _palette, _redirects
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._start_plan import StartPlan, user_dir
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Started

# Seconds that an answer is waited for once node has loaded the settings. The service user can stop its search.
WAIT_SECONDS = _palette.SECONDS + 1


class Search:
    """A search for neighbours that runs from here to the end of the `with` block."""

    def __init__(self, plan: StartPlan) -> None:
        self._plan = plan
        self._folders = _palette.folders(user_dir(plan, {}), plan.package)

    def __enter__(self) -> "Search":
        self._palette = self._search(self._folders)
        self._redirects = _identity.current().start(_redirects.collected)
        return self

    def __exit__(
        self, _kind: Optional[Type[BaseException]], _error: Optional[BaseException], _trace: Optional[TracebackType]
    ) -> None:
        self._palette.end()
        self._redirects.end()

    def found(self, folder: str) -> Dict[str, Any]:
        """`palette` and `redirects` as `instance_info` returns them. `folder` is the user directory."""
        folders = _palette.folders(folder, self._plan.package)
        if folders != self._folders:
            # Only the settings file has named it.
            self._palette.end()
            self._palette = self._search(folders)
        return {
            "palette": _answer(self._palette) or {"findings": [], "complete": False},
            "redirects": _answer(self._redirects) or [],
        }

    def _search(self, folders: Sequence[str]) -> Started:
        return self._plan.identity.start(_palette.searched, list(folders))


def _answer(started: Started) -> Any:
    """What the child has found; None where it does not answer, which is no reason to end the run."""
    try:
        return started.result(WAIT_SECONDS)
    except (Failure, OSError):
        return None
