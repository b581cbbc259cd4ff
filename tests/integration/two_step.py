# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user with a two-step login, and the codes that an authenticator app would show."""

from __future__ import annotations

import json
import pathlib
import re
import time

import yaml
from ansible_collections.pifleet.nodered.plugins.module_utils._core._totp import code, step_at
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _totp
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords._totp import Enrolment

from .fleet import CHECKOUT
from .users import USERS

DOCUMENTATION = (CHECKOUT / "docs" / "two-step.md").read_text()
# The variables of the documentation, with the passwords of the tests in its vault.
EXAMPLE = {
    **yaml.safe_load(re.findall(r"```yaml\n(.*?)```", DOCUMENTATION, re.DOTALL)[0]),
    "vault_ada": USERS[0]["password"],
    "vault_wall": USERS[1]["password"],
}
CODE_REQUIRED = "The password alone is refused where a code is required"
CODE_USED_ONCE = "A code that was used is refused"


def renewing() -> dict[str, object]:
    """The extra variables of the command in the documentation that renews a secret."""
    return json.loads(re.search(r" -e '(\{.*\})'$", DOCUMENTATION, re.MULTILINE)[1])


def probe_task(pi) -> dict[str, object]:
    """The documentation's task that verifies a login, for this machine without TLS."""
    (task,) = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", DOCUMENTATION, re.DOTALL)[-1])
    task["pifleet.nodered.probe"]["url"] = f"http://{pi.address}:1880"
    return task


def settings_for_machines() -> str:
    """The documentation's login with a token for machines."""
    return re.search(r"```js\n(.*?)```", DOCUMENTATION, re.DOTALL)[1]


def enrolment(folder: pathlib.Path, host: str, user: str = "ada") -> Enrolment:
    """What the controller has written for a user."""
    return _totp.from_record((folder / host / f"{user}.txt").read_text())


def secrets_of(found: Enrolment) -> list[str]:
    """What of a two-step login is nowhere but on the controller."""
    return [found.secret_text, *found.recovery_codes]


def shows_qr_code(text: str) -> bool:
    """Whether the text has an address for an app, or a QR code for a terminal, of half blocks, or as a picture."""
    return any(part in text for part in ("otpauth", "\u2584", "\\u2584", "<svg"))


def early_code(found: Enrolment) -> str:
    """The code that an app is about to show, which Node-RED accepts already and no verification has used."""
    return code(found.secret, step_at(time.time()) + 1)


def judge_login(pi, folder: pathlib.Path, password: str = USERS[0]["password"]) -> None:
    """Fail unless ada needs a code on this machine, each code works once, also after a restart."""
    found = enrolment(folder, pi.name)
    assert pi.login("ada", password) is None
    typed = password + early_code(found)
    token = pi.login("ada", typed)
    assert pi.get("/flows", token=token).status == 200
    assert pi.login("ada", typed) is None
    pi.run("systemctl restart nodered")
    pi.wait_until_it_serves()
    assert pi.login("ada", typed) is None, "the code is known also after a restart"
    assert pi.get("/flows", token=token).status == 200, "a session outlives a restart"
    assert pi.login("ada", password + found.recovery_codes[0])
    assert pi.login("ada", password + found.recovery_codes[0]) is None
    assert pi.login("wall", USERS[1]["password"]), "a user without it needs no code"
