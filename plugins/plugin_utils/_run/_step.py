# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base class of the action plugins `plan`, `apply` and `verify`, which share one state for each host. Private."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Iterator, Mapping

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable

from .._core import _time_limit
from .._core._arguments import ArgumentError
from .._core._budget import FINDING, START_SECONDS, Budget, counted, limit
from .._core._inventory import one_name_each
from .._core._role_defaults import role_defaults
from .._plan._run_state import APPLY, State, Store, stores_of_host
from .._settings import _settings_change

_LATER = (
    *("nodered_address", "nodered_remount", "nodered_restart_timeout", "nodered_restore_points"),
    "nodered_verify_from",
)

# The verbosity (-vvv) from which the ssh connection prints what a host answers.
CONNECTION_VERBOSITY = 3

TaskVars = dict[str, t.Any]
Result = dict[str, t.Any]


class Variables(Mapping[str, t.Any]):
    """The variables of a task, templated when they are read. Passwords among them are in no task argument."""

    def __init__(self, task_vars: TaskVars, templar: t.Any) -> None:
        self._task_vars = task_vars
        self._templar = templar

    def __getitem__(self, name: str) -> t.Any:
        return plain(self._templar.template(self._task_vars[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._task_vars)

    def __len__(self) -> int:
        return len(self._task_vars)

    def __contains__(self, name: object) -> bool:
        return name in self._task_vars


def plain(value: t.Any) -> t.Any:
    """The value with texts from an inline vault (`!vault`) as text. Before ansible-core 2.19 each is an object."""
    if isinstance(value, dict):
        return {key: plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [plain(element) for element in value]
    return str(value) if getattr(value, "__ENCRYPTED__", False) else value


def _clock_error(clock: float, earliest: float, latest: float) -> float:
    """Seconds by which a clock is ahead at least, if it was read between these times and has whole seconds."""
    return min(0.0, clock + 1 - earliest) + max(0.0, clock - latest)


def run_unseen(action: t.Any, name: str, arguments: Mapping[str, t.Any], task_vars: TaskVars | None) -> Result:
    """Run a module of this collection in an action, unseen: arguments and answer can hold the settings file."""
    # The ssh connection prints an answer unless its play context, a copy of the task's, says not to. But then it also
    # hides why it cannot connect.
    hidden = max(action._display.verbosity, action._display.log_verbosity) >= CONNECTION_VERBOSITY
    if hidden:
        action._play_context.no_log = action._connection._play_context.no_log = True
    try:
        result: Result = action._execute_module(
            module_name=f"pifleet.nodered.{name}", module_args=dict(arguments), task_vars=task_vars
        )
    except AnsibleConnectionFailure as error:
        # A part of it can come from the host.
        remedy = " Run again with -vv at most: ssh shows the error then." if hidden else ""
        raise AnsibleConnectionFailure(printable(str(error)) + remedy) from None
    result.pop("invocation", None)
    return result


def message_lines(result: Result) -> list[str]:
    """The message of a result: a module returns a text, a verification a list of lines."""
    message = result.get("msg") or []
    return [message] if isinstance(message, str) else [str(line) for line in message]


class Step(ActionBase):  # type: ignore[misc]
    """One step of a run, with the state of this host in this play."""

    _supports_check_mode = True
    more_to_find: t.Mapping[str, object] = {}
    """Options of `instance_info` beside those that each step needs."""
    found: t.Mapping[str, t.Any] = {}
    """What this step has discovered; empty if an earlier one of the play has."""

    def begin(self, task_vars: TaskVars) -> None:
        self.task_vars = task_vars
        self.variables = Variables(task_vars, self._templar)
        self.host = str(task_vars["inventory_hostname"])
        try:
            self.budget = Budget(seconds=limit(self.variables))
        except ArgumentError as error:
            raise AnsibleActionFail(f"{self.host}: {error}") from None

    def begin_with_role_defaults(self, task_vars: TaskVars) -> None:
        """As `begin`, with the defaults of all roles, as their tasks would have them."""
        merged = {**role_defaults(self._loader), **task_vars}
        self._templar: t.Any = self._templar.copy_with_new_env(available_variables=merged)
        self.begin(merged)

    @property
    def play_id(self) -> str:
        """The unique id of this play, also if it goes through the hosts in several batches."""
        return str(self._task.get_play()._uuid)

    @property
    def _place(self) -> tuple[str, str, str]:
        return constants.DEFAULT_LOCAL_TMP, self.play_id, self.host

    def store(self) -> Store:
        """Where the state of the service that the variables name is."""
        return Store(*self._place, str(self.variables.get("nodered_service") or ""))

    def stores(self) -> list[Store]:
        """Those of all services of this host in this play: a handler does not see the variables of an included role."""
        return stores_of_host(*self._place)

    def discovered(self) -> State:
        """The state of this host, with the one execution that finds its Node-RED if this play has none yet."""
        state = self.store().load()
        self.budget = state.budget if state else self.budget
        if state and APPLY not in state.failed:
            return state
        service = self.variables.get("nodered_service")
        firewall_for = self.task_for_firewall()
        begun = time.time()
        arguments: dict[str, t.Any] = {"source": True, "firewall": firewall_for is not None, **self.more_to_find}
        found = self.counted_module(FINDING, "instance_info", **arguments, **({"service": service} if service else {}))
        if found.get("failed") or "instance" not in found:
            raise AnsibleActionFail(self._undiscovered(found))
        self.found = found
        text = _settings_change.text_of(found["source"])
        state = State(
            instance=found["instance"],
            source=text,
            checksum=found["source"]["checksum"],
            text=text,
            variables=self.variables_for_later(),
            firewall={"task": firewall_for, "found": found["firewall"]} if found.get("firewall") else {},
            clock_error=_clock_error(found["instance"]["clock"], begun, time.time()),
            budget=self.budget,
        )
        self.store().save(state)
        return state

    def task_for_firewall(self) -> str | None:
        """The id of the task for which discovery reads the firewall too; None for none."""
        return None

    def variables_for_later(self) -> dict[str, t.Any]:
        """What applying and verifying need of the variables: a handler does not see those of an included role."""
        return {name: self.variables[name] for name in _LATER if name in self.variables}

    def _undiscovered(self, found: Result) -> str:
        if "No usable temporary directory" in str(found.get("module_stderr", "")):
            return (
                f"Python on {self.host} finds no folder for temporary files, so the file system that holds /tmp may be "
                "read-only. Set the environment TMPDIR: /dev/shm in the play, as pifleet.nodered.secure does, or mount "
                "a tmpfs on /tmp there, then run again."
            )
        if found.get("module_stderr") or "msg" not in found:
            return (
                f"The search for Node-RED on {self.host} failed. To see the error, run: "
                f"ansible {self.host} --become -m pifleet.nodered.instance_info"
            )
        return str(found["msg"]) + self._inventory_lines(found.get("services") or ())

    def _inventory_lines(self, services: t.Sequence[str]) -> str:
        """What to write into the inventory for a machine with several Node-REDs."""
        if len(services) < 2:
            return ""
        address, file = self.variables.get("ansible_host", self.host), str(self.variables.get("inventory_file", ""))
        lines = one_name_each(self.host, str(address), services, file)
        return "\n".join(["\nFor all of them, give each a name of its own in the inventory:", *lines])

    def module(self, name: str, **arguments: t.Any) -> Result:
        """Run a module of this collection on the host, see `run_unseen`."""
        return run_unseen(self, name, arguments, self.task_vars)

    def counted_module(self, step: str, name: str, *, uncounted: float = 0, **arguments: t.Any) -> Result:
        """As `module`, within the budget of this Node-RED, whose next `step` it is; AnsibleActionFail if that is over.

        `uncounted` is how many seconds it may take beyond the budget.
        """
        self.require_time()
        begun, answer = time.monotonic(), Result()
        try:
            with _time_limit.within(self.budget.left + START_SECONDS + uncounted):
                answer = self.module(name, time_limit=self.budget.left, **arguments)
        except _time_limit.Stalled:
            answer = {"out_of_time": True}
        finally:
            self.count(step, counted(answer, time.monotonic() - begun))
        if answer.get("out_of_time"):
            raise AnsibleActionFail(self.budget.message(self.host))
        return answer

    def count(self, step: str, seconds: float) -> None:
        """Take this off the budget, and show it at -vv: a slow machine may be near the end."""
        self.budget.count(step, seconds)
        self._display.vv(f"{self.host}: {step} took {seconds:.1f} seconds, {self.budget.left:.1f} are left")

    def require_time(self) -> None:
        """Raise AnsibleActionFail if the budget is over."""
        if self.budget.is_over:
            raise AnsibleActionFail(self.budget.message(self.host))

    def action(self, name: str, **arguments: t.Any) -> Result:
        """Run another action plugin of this collection in this task, such as `probe`."""
        task = self._task.copy()
        task.args = arguments
        plugin = self._shared_loader_obj.action_loader.get(
            f"pifleet.nodered.{name}",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        return t.cast(Result, plugin.run(task_vars=self.task_vars))
