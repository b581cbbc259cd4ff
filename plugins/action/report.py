# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the report of an audit to files on the controller, and decide whether the run fails.

The module of the same name carries the documentation.
"""

from __future__ import annotations

import datetime
import pathlib
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core._errors import MissingLibraryError
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import Records
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _summary, _write
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report._findings import ReportError

ARGUMENT_SPEC: dict[str, t.Any] = {
    "directory": {"type": "path", "required": True},
    "fail_on": {"type": "str", "choices": [*_summary.FAIL_ON], "default": _summary.NEVER},
}
ROOT = pathlib.Path(__file__).parents[2]


class ActionModule(ActionBase):
    """No remote execution."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(argument_spec=ARGUMENT_SPEC)
        variables = task_vars or {}
        hosts = variables["ansible_play_hosts_all"]
        play = self._task.get_play()._uuid
        later = _hosts_of_later_batches(play, variables)
        if later:
            return {"changed": False, "skipped": True, "msg": f"{later} hosts follow in later batches"}
        records = Records(constants.DEFAULT_LOCAL_TMP, play).all()
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        folder = None if self._task.check_mode else pathlib.Path(self._loader.path_dwim(options["directory"]))
        changes, warnings = None, []
        try:
            report = _summary.fleet(now, self._version(), hosts, records)
            if folder:
                written = _write.write(folder, report)
                changes, warnings = written.changes, written.warnings
        except (ReportError, MissingLibraryError) as error:
            raise AnsibleActionFail(str(error)) from None
        lines = _summary.lines(report, folder, changes)
        failure = _summary.failure(report, options["fail_on"])
        if failure:
            return {"failed": True, "changed": False, "msg": "\n".join([*lines, failure]), "warnings": warnings}
        return {"changed": False, "msg": lines, "warnings": warnings, "_ansible_verbose_always": True}

    def _version(self) -> str:
        """The release of this collection: an installed one has the manifest, a clone the file that it is made from.

        A collection has to work without both.
        """
        if (ROOT / "MANIFEST.json").exists():
            return str(self._loader.load_from_file(str(ROOT / "MANIFEST.json"))["collection_info"]["version"])
        if (ROOT / "galaxy.yml").exists():
            return str(self._loader.load_from_file(str(ROOT / "galaxy.yml"))["version"])
        return "unknown"


def _hosts_of_later_batches(play: str, variables: t.Mapping[str, t.Any]) -> int:
    """How many hosts the play has not come to (`serial`). Ansible removes hosts that have failed from both lists."""
    seen = Records(constants.DEFAULT_LOCAL_TMP, f"{play} batches")
    for host in variables["ansible_play_batch"]:
        seen.keep(host, True)
    return len({*variables["ansible_play_hosts"]} - {*seen.all()})
