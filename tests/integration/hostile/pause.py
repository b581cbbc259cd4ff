# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop each process of this user with the given name once, and let it go on after some seconds: pause.py NAME SECONDS.

So whatever root lets do with the rights of this user takes longer, and none of it takes too long.
"""

import contextlib
import os
import signal
import sys
import threading
import time


def pause(pid, seconds):
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)


def main():
    name, seconds = sys.argv[1], float(sys.argv[2])
    known = {int(entry) for entry in os.listdir("/proc") if entry.isdigit()}
    end = time.monotonic() + 600
    while time.monotonic() < end:
        there = {int(entry) for entry in os.listdir("/proc") if entry.isdigit()}
        for pid in there - known:
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as stream:
                if os.stat(f"/proc/{pid}").st_uid == os.getuid() and stream.read().strip() == name:
                    threading.Thread(target=pause, args=(pid, seconds), daemon=True).start()
        # A child of root's becomes this user's only after a moment.
        known = {pid for pid in there if not is_of_root(pid)}
        time.sleep(0.002)


def is_of_root(pid):
    with contextlib.suppress(OSError):
        return os.stat(f"/proc/{pid}").st_uid == 0
    return False


main()
