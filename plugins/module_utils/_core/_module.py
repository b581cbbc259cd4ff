# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the base class of all its modules, in place of AnsibleModule.

Results and errors hold texts that anyone on the machine may have chosen (names of files and processes, the journal),
and Ansible prints them. All of them pass through here; a test checks that no module goes around it.
"""

from __future__ import annotations

import signal
from typing import Any, Callable, Dict, NoReturn, Optional

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline, _failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable, printable_result


class Module(AnsibleModule):
    """An AnsibleModule whose results cannot control a terminal. Return the bytes of a file in Base64."""

    def finish(self, work: Callable[[], Dict[str, Any]], seconds: Optional[float] = None) -> NoReturn:
        """Exit with what `work` returns, or fail with its Failure, at the latest after `seconds`, and tell the time."""
        _clean_up_when_ended()
        watch = _deadline.Watch()
        try:
            with _deadline.within(seconds):
                result = work()
        except _deadline.OutOfTime as failure:
            self.fail_json(str(failure), out_of_time=True, **watch.times())
        except Failure as failure:
            self.fail_json(str(failure), **failure.details, **watch.times())
        except OSError as error:
            self.fail_json(str(_failure.of_system(error)), **watch.times())
        self.exit_json(**result, **watch.times())

    def exit_json(self, **result: Any) -> NoReturn:
        end: Callable[..., NoReturn] = super().exit_json
        end(**printable_result(result))

    def fail_json(self, msg: str, **result: Any) -> NoReturn:
        end: Callable[..., NoReturn] = super().fail_json
        end(printable(msg), **printable_result(result))


def _clean_up_when_ended() -> None:
    """Let a signal that ends the process end it in an orderly way, so that temporary files go."""

    def end(number: int, _frame: Any) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)
