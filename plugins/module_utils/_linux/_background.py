# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: work that continues after the end of the process that asked for it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import syslog
import traceback
from typing import Any, Callable, Dict

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline, _descriptors, _failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd

try:
    from ansible.module_utils.common import warnings as ansible_warnings
except ImportError:
    # At boot there is no Ansible, and no task to warn.
    ansible_warnings = None

TAG = "pifleet.nodered"


def finish(work: Callable[[], Dict[str, Any]], description: str) -> Dict[str, Any]:
    """Do the work in a process of its own and return its result.

    The process outlives this one: it has its own session (a hang-up of SSH does not reach it) and its own systemd
    scope (neither the end of the login session nor a restart of sshd does). Everything that it needs must be imported
    already: Ansible deletes the archive that modules are loaded from as soon as this process ends.
    """
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)
        try:
            detach(description)
            report(writable, _result_of(work))
        finally:
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    try:
        result = json.loads(answer)
    except ValueError:
        raise Failure(
            "%s ended without a result." % description,
            "See journalctl -t %s on the machine, and run again." % TAG,
        ) from None
    return dict(result)


def log(text: str, failed: bool = False) -> None:
    """Write it to the journal as well, since the task may have ended."""
    syslog.openlog(TAG, syslog.LOG_PID, syslog.LOG_DAEMON)
    for line in printable(text).splitlines():
        syslog.syslog(syslog.LOG_ERR if failed else syslog.LOG_NOTICE, line)


def warn(warning: str) -> None:
    """Add a warning to the result of the task; at boot, write it to the journal."""
    if ansible_warnings:
        ansible_warnings.warn(printable(warning))
    else:
        log(warning, failed=True)


def _result_of(work: Callable[[], Dict[str, Any]]) -> Dict[str, Any]:
    watch = _deadline.Watch()
    try:
        return dict(_with_warnings(work()), **watch.times())
    except (Failure, OSError) as error:
        failure = _failure.of_system(error) if isinstance(error, OSError) else error
        log(str(failure), failed=True)
        result: Dict[str, Any] = {"failed": True, "msg": str(failure)}
        if isinstance(failure, _deadline.OutOfTime):
            result["out_of_time"] = True
        return dict(_with_warnings(result), **watch.times())
    except BaseException:
        # This process has no standard error, and a traceback without values is worth more than silence.
        log(traceback.format_exc(), failed=True)
        raise


def _with_warnings(result: Dict[str, Any]) -> Dict[str, Any]:
    warnings = ansible_warnings.get_warning_messages() if ansible_warnings else ()
    return dict(result, warnings=list(warnings)) if warnings else result


def detach(description: str) -> None:
    """Let this new process outlive its parent."""
    syslog.closelog()
    os.setsid()
    for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    _descriptors.redirect_streams_to_null()
    _move_to_own_scope(description)


def _move_to_own_scope(description: str) -> None:
    manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"]
    name = "pifleet-nodered-%d.scope" % os.getpid()
    properties = ["3", "PIDs", "au", "1", str(os.getpid()), "Description", "s", description]
    # A shutdown must not wait for a process that ignores SIGTERM.
    properties += ["TimeoutStopUSec", "t", "10000000"]
    try:
        _systemd.run(
            ["busctl", "--quiet", "call"]
            + manager
            + ["StartTransientUnit", "ssa(sv)a(sa(sv))", name, "fail"]
            + properties
            + ["0"],
            10,
        )
    except Failure:
        # Its own session is what protects it where there is no D-Bus.
        return


def report(writable: int, result: Dict[str, Any]) -> None:
    """Write it as one line to the process at the other end of this pipe."""
    # If no process waits for it any more, the journal has it.
    with contextlib.suppress(BrokenPipeError):
        _descriptors.write_all(writable, json.dumps(result).encode() + b"\n")
