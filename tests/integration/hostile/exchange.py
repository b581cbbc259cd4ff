# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchange a folder for a link to a folder of root, just when somebody else works in it.

    exchange.py FOLDER DECOY MOMENT_FILE [--seconds 600]

The moment file holds one word, the moment to wait for. It may change at any time. With `none` in it, a file `at-rest`
beside it tells that the folder is in its place and stays there. Each change of the decoy is reported: in a folder of
root, no program but those of root can cause one. A file that appears there becomes executable.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import ctypes
import os
import random
import select
import signal
import struct
import time

LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
RENAME_EXCHANGE = 2

# inotify(7)
OPEN, CLOSE_WRITE, CLOSE_NOWRITE, MODIFY, ATTRIB = 0x20, 0x08, 0x10, 0x02, 0x04
MOVED_FROM, MOVED_TO, CREATE, DELETE, IS_DIR = 0x40, 0x80, 0x100, 0x200, 0x40000000
NAMES = {CREATE: "create", MOVED_TO: "move to", MOVED_FROM: "move from", DELETE: "delete", MODIFY: "write",
         ATTRIB: "change the attributes of"}  # fmt: skip

# Where a run of the collection writes before it changes something; anyone can watch it.
UNITS = "/etc/systemd/system"
# Written by the settings file whenever it is loaded.
SIGN = "loaded"
NONE, AT_REST = "none", "at-rest"

Event = collections.namedtuple("Event", "folder mask name")
Exchange = collections.namedtuple("Exchange", "delay hold until_loaded", defaults=[False])


class Watch:
    """What happens in some folders, whatever their names lead to later."""

    def __init__(self, masks):
        self.descriptor = LIBC.inotify_init1(os.O_NONBLOCK)
        self.folders = {LIBC.inotify_add_watch(self.descriptor, os.fsencode(path), mask): path
                        for path, mask in masks.items()}  # fmt: skip

    def events(self, seconds):
        if not select.select([self.descriptor], [], [], max(0.0, seconds))[0]:
            return []
        data, found = os.read(self.descriptor, 65536), []
        while data:
            watch, mask, _cookie, length = struct.unpack_from("iIII", data)
            name = data[16 : 16 + length].rstrip(b"\0").decode("utf-8", "replace")
            found.append(Event(self.folders.get(watch), mask, name))
            data = data[16 + length :]
        return found


class Attack:
    def __init__(self, folder, decoy, moment_file):
        self.folder, self.decoy, self.moment_file = folder, decoy, moment_file
        self.link = folder + ".decoy"
        self.own = os.path.dirname(moment_file)
        os.symlink(decoy, self.link)
        self.watch = Watch(
            {
                folder: OPEN | CLOSE_NOWRITE | CLOSE_WRITE | CREATE | MOVED_TO | DELETE,
                UNITS: CREATE | MOVED_TO,
                self.own: CLOSE_WRITE,
                decoy: CREATE | MOVED_TO | MOVED_FROM | DELETE | ATTRIB | MODIFY,
            }
        )
        self.state, self.known = {}, set()

    def exchange(self):
        names = os.fsencode(self.folder), os.fsencode(self.link)
        if LIBC.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) != 0:
            raise OSError(ctypes.get_errno(), "renameat2")

    def run(self, seconds):
        print("ready", flush=True)
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                for event in self.seen(0.5):
                    reaction = self.reaction(event)
                    if reaction:
                        self.play(reaction, event)
                        break
                self.bait()
                self.rest()
        finally:
            if os.path.islink(self.folder):
                self.exchange()

    def play(self, reaction, event):
        time.sleep(reaction.delay)
        self.exchange()
        print(f"exchanged at {event} ({self.state['moment']})", flush=True)
        end, loaded = time.monotonic() + reaction.hold, False
        while time.monotonic() < end and not loaded:
            events = self.seen(end - time.monotonic())
            loaded = reaction.until_loaded and any(one.folder == self.own and one.name == SIGN for one in events)
        self.exchange()

    def seen(self, seconds):
        events = self.watch.events(seconds)
        for event in events:
            if event.folder == self.decoy:
                self.gained(event)
        return events

    def gained(self, event):
        what = next((name for bit, name in NAMES.items() if event.mask & bit), "?")
        path = os.path.join(self.decoy, event.name)
        if event.name in self.known:
            return
        self.known.add(event.name)
        with contextlib.suppress(OSError):
            os.chmod(path, 0o755)
        with contextlib.suppress(OSError):
            state = os.lstat(path)
            what += f" (owner {state.st_uid}, mode {state.st_mode & 0o7777:o})"
        print(f"gained: {what} {event.name} ({self.state.get('moment')})", flush=True)

    def bait(self):
        """A sessions file that a run wants to replace."""
        with contextlib.suppress(OSError):
            os.symlink("/run/nowhere/sessions.json", os.path.join(self.folder, ".sessions.json"))

    def rest(self):
        """Nothing is exchanged now, and what is seen from now on leads to nothing."""
        path = os.path.join(self.own, AT_REST)
        if self.moment() == NONE and not os.path.exists(path):
            with open(path, "w"):
                pass

    def moment(self):
        try:
            with open(self.moment_file) as stream:
                return stream.read().strip()
        except OSError:
            return ""

    def reaction(self, event):
        moment = self.moment()
        if moment != self.state.get("moment"):
            self.state = {"moment": moment}
        return getattr(self, "moment_" + moment.replace("-", "_"), lambda _event: None)(event)

    def moment_preparation(self, event):
        """The run has prepared its way back, and is about to write."""
        return Exchange(0, 1) if event.folder == UNITS and event.name.startswith("pifleet-") else None

    def moment_writing(self, event):
        """The run has read the settings, and is about to write beside them."""
        return Exchange(0, 1) if self.has_read_when_prepared(event) else None

    def moment_loading(self, event):
        """The run has read the old text, and is about to put the new one beside it, to be loaded."""
        return Exchange(0.005, 4, until_loaded=True) if self.has_read_when_prepared(event) else None

    def moment_switching(self, event):
        """The new text is being loaded, and is about to be put in place."""
        self.note_preparation(event)
        loaded = event.folder == self.own and event.name == SIGN
        return Exchange(0.1, 1) if loaded and self.state.pop("armed", False) else None

    def has_read_when_prepared(self, event):
        self.note_preparation(event)
        read = event.folder == self.folder and event.name == "settings.js" and event.mask & CLOSE_NOWRITE
        return read and self.state.pop("armed", False)

    def note_preparation(self, event):
        if event.folder == UNITS and event.name.startswith("pifleet-"):
            self.state["armed"] = True

    def moment_rollback(self, event):
        """The old text has come back, in the place of the new one, and the rejected one is about to be kept."""
        if event.folder == self.folder and event.name == "settings.js" and event.mask & MOVED_TO:
            self.state["moved"] = self.state.get("moved", 0) + 1
            if self.state["moved"] % 2 == 0:
                return Exchange(0, 0.3)
        return None

    def moment_listing(self, event):
        """The run has listed the folder for the second time, and is about to open what is in it."""
        if event.folder == self.folder and event.mask & OPEN and event.mask & IS_DIR:
            self.state["listed"] = self.state.get("listed", 0) + 1
            if self.state["listed"] % 2 == 0:
                return Exchange(0, 0.1)
        return None

    def moment_random(self, event):
        """Any moment after anything that the run does."""
        if event.folder not in (self.folder, UNITS) or random.random() < 0.5:
            return None
        delay = random.choice([0, 0, 10 ** random.uniform(-4, -0.5)])
        return Exchange(delay, 10 ** random.uniform(-4, 0), until_loaded=random.random() < 0.3)


def end(_number, _frame):
    raise SystemExit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("decoy")
    parser.add_argument("moment_file")
    parser.add_argument("--seconds", type=float, default=600)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, end)
    Attack(given.folder, given.decoy, given.moment_file).run(given.seconds)


if __name__ == "__main__":
    main()
