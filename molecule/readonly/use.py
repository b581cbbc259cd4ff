# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a machine: logs in, restarts Node-RED, asks for every session, and notes what was written meanwhile."""

from __future__ import annotations

import ctypes
import json
import os
import pathlib
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

URL = f"https://127.0.0.1:{sys.argv[1]}"
CERTIFICATE = ssl.create_default_context(cafile="/etc/nodered-tls/nodered/current/certificate.pem")
LOGINS, RESTARTS = 50, 10
USER_DIR, RUNTIME = "/home/pi/.node-red", "/run/nodered"
# inotify(7): modify, attributes, moved from and to, create, delete.
CHANGES = 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200


class Watch:
    """Counts the changes of what is in a folder."""

    def __init__(self, folder: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(os.O_NONBLOCK)
        if libc.inotify_add_watch(self.descriptor, folder.encode(), CHANGES) < 0:
            raise OSError(ctypes.get_errno(), folder)

    def changed(self) -> bool:
        try:
            return bool(os.read(self.descriptor, 65536))
        except BlockingIOError:
            return False


def ask(path: str, form: dict[str, str] | None = None, token: str = "") -> tuple[int, str]:
    body = urllib.parse.urlencode(form).encode() if form else None
    request = urllib.request.Request(URL + path, body, {"Authorization": "Bearer " + token} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=20, context=CERTIFICATE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def login(password: str) -> str:
    form = {"client_id": "node-red-editor", "grant_type": "password", "scope": "*"}
    status, body = ask("/auth/token", {**form, "username": "admin", "password": password})
    return json.loads(body)["access_token"] if status == 200 else ""


def wait_until_it_answers() -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if ask("/auth/login")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    subprocess.run("systemctl status nodered; journalctl --no-pager -n 60 -u nodered", shell=True, check=False)
    raise TimeoutError("Node-RED does not answer")


def show(name: str) -> str:
    command = ["systemctl", "show", "--value", "--property", name, "nodered"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    wait_until_it_answers()
    watches = {folder: Watch(folder) for folder in (USER_DIR, RUNTIME)}
    pid = show("MainPID")
    tokens = [login(sys.argv[2]) for _count in range(LOGINS)]
    same_process = show("MainPID") == pid
    for _count in range(RESTARTS):
        # Or systemd refuses the sixth start within ten seconds.
        subprocess.run(["systemctl", "reset-failed", "nodered"], check=True)
        subprocess.run(["systemctl", "restart", "nodered"], check=True)
        wait_until_it_answers()
        tokens.append(login(sys.argv[2]))
    found = {
        "tokens": len(set(tokens) - {""}),
        "same_process": same_process,
        "crashes": int(show("NRestarts")),
        "answers": [ask("/flows", token=token)[0] for token in tokens],
        "kept": sum(len(json.loads(file.read_text())) for file in pathlib.Path(RUNTIME).iterdir()),
        "changed": [folder for folder, watch in watches.items() if watch.changed()],
    }
    with open("/run/used.json", "w") as stream:
        json.dump(found, stream)


main()
