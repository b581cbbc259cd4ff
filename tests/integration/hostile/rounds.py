# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make changes as root with the code of this collection, as its modules make them, but without Ansible in between.

Standard input has JSON: `rounds`, and the `turns` of each round with `before` (a shell command) and `changes`, which
are pairs of the name of a function below and its argument. Each change is made in a process of its own, as a module is,
and printed with its outcome.
"""

import collections
import json
import os
import subprocess
import sys
import time
import traceback

from ansible_collections.pifleet.nodered.plugins.module_utils._change import _restart, _transaction
from ansible_collections.pifleet.nodered.plugins.module_utils._core import _deadline
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _background
from ansible_collections.pifleet.nodered.plugins.modules import settings as settings_module


def apply(request):
    wanted = _transaction.request(request)
    return _background.finish(lambda: _transaction.apply(wanted, _deadline.SECONDS), "Change of Node-RED")


def restart(timeout):
    return _background.finish(
        lambda: _restart.restart("nodered", timeout, False, _deadline.SECONDS), "Restart of Node-RED"
    )


def settings(given):
    """Read the file, and write what was made of it, as two executions of the module."""
    with _deadline.within(_deadline.SECONDS):
        settings_module.read(given["params"])
    with _deadline.within(_deadline.SECONDS):
        return settings_module.write(given["params"], settings_module.handed_over(json.dumps(given["edit"])), False)


CHANGES = {"apply": apply, "restart": restart, "settings": settings}


def make(change, argument):
    """`made`, `refused`, or `broken` after a traceback."""
    child = os.fork()
    if child:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return {0: "made", 1: "refused"}.get(status, "broken")
    status = 2
    try:
        result = CHANGES[change](argument)
        status = 1 if result.get("failed") else 0
        print(result.get("msg", ""))
    except (Failure, OSError) as failure:
        print(failure)
        status = 1
    except BaseException:
        traceback.print_exc(file=sys.stdout)
    finally:
        sys.stdout.flush()
        os._exit(status)


def main():
    given = json.load(sys.stdin)
    begin, outcomes = time.monotonic(), collections.Counter()
    for number in range(given["rounds"]):
        for turn in given["turns"]:
            subprocess.run(["bash", "-c", turn["before"]], check=False, stdout=subprocess.DEVNULL)
            for change, argument in turn["changes"]:
                outcome = make(change, argument)
                outcomes[f"{change} {outcome}"] += 1
                print(f"round {number}: {change} {outcome}", flush=True)
    counted = ", ".join(f"{name}: {count}" for name, count in sorted(outcomes.items()))
    print(f"{given['rounds']} rounds in {time.monotonic() - begin:.0f} seconds. {counted}", flush=True)


if __name__ == "__main__":
    main()
