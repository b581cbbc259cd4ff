# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what is known to be bad in a settings file. Private; knows no Ansible.

Two kinds: what leaves Node-RED open or locks people out, and what is only unwise. Only the text is read, so a value
that is computed is not judged. No finding holds a password, a hash or a secret.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from ...module_utils._core._text import printable_line
from .._passwords import _bcrypt
from ._known_settings import KNOWN_SETTINGS, nearest_known
from ._settings_js import UNDEFINED, known, value

# What Node-RED's template has shown for years, as its plaintext; many have only taken the comment signs away.
SAMPLE_PASSWORD = "password"
# The sample's own cost is 8. So many iterations of bcrypt are spent on one file: some seconds.
MOST_ITERATIONS = 2**16
# Settings that no release knows; each is compared with all that are known. More of them are not looked at.
MOST_UNKNOWN = 200
MOST_USERS = 100
# Names and values come from the file, which anyone may have written.
LONGEST_SHOWN = 60
# From Node-RED's template and from recipes on the web.
_SECRETS = """
    a-secret-key secret-key my-secret-key secret mysecret my-secret topsecret password passw0rd changeme change-me
    nodered node-red raspberry admin test 1234 12345 123456 12345678 credentialSecret your-secret-key
"""
# Without these, something is open that the file's author wanted closed.
_PROTECTIVE = """
    adminAuth disableEditor httpAdminMiddleware httpAdminRoot httpNodeAuth httpNodeMiddleware httpNodeRoot
    httpStaticAuth https requireHttps uiHost webSocketNodeVerifyClient
"""
# One or two wrong letters; what is less alike may be a setting of installed nodes.
ALIKE = 0.85
# Each of these allows to change flows, and with them to run any program (editor-api/lib/auth/permissions.js).
CHANGES_FLOWS = frozenset({"*", "write", "*.write", "flows.write"})
MD5_LENGTH = 32
_WITH_PASSWORDS = ("adminAuth", "httpNodeAuth", "httpStaticAuth")
_OUR_CODE = "./pifleet-"
_MD5 = re.compile("[0-9A-Fa-f]{32}")

# What an attacker tries first. Each costs the controller as much time as the sample: some 20 ms for each hash.
USUAL_PASSWORDS = (
    *("admin", "raspberry", "nodered", "node-red", "1234", "123456", "12345678", "qwerty", "changeme"),
    SAMPLE_PASSWORD,
)
# The lowest cost that Node-RED's own tools have used (node-red-admin hash-pw), and that of its template.
LEAST_COST = 8

WELL_KNOWN_SECRETS = frozenset(_SECRETS.split())
PROTECTIVE = frozenset(_PROTECTIVE.split())


@dataclass(frozen=True)
class Finding:
    """Something bad: where, what it does, what to do about it, and whether it opens Node-RED or locks people out."""

    setting: str
    problem: str
    remedy: str
    grave: bool
    kind: str
    """`misspelled`, `login-type`, `default`, `sample`, `usual`, `plaintext`, `md5`, `weak`, `no-password`, `old-login`,
    `not-tried`, `secret-off` or `secret-known`."""


@dataclass
class _Iterations:
    """What may still be spent on finding known passwords."""

    left: int = MOST_ITERATIONS

    def can_try(self, hashed: str, passwords: int = 1) -> bool:
        """Whether enough is left to compare so many passwords with this hash."""
        cost = _bcrypt.cost(hashed)
        return cost <= _bcrypt.HIGHEST_COST and passwords * 2**cost <= self.left

    def is_hash_of(self, password: str, hashed: str) -> bool:
        """Whether it is; False where too little is left to find out."""
        if not self.can_try(hashed):
            return False
        self.left -= int(2 ** _bcrypt.cost(hashed))
        return _bcrypt.verify(password, hashed)


@dataclass
class _Judge:
    """How strictly passwords are judged."""

    strict: bool
    iterations: _Iterations = field(default_factory=_Iterations)


def is_usual(password: str, username: str) -> bool:
    """Whether attackers try this password first, in upper or lower case: a usual one, or the user name itself."""
    return password.casefold() in {*USUAL_PASSWORDS, username.casefold()}


def findings(
    text: str, *, filename: str = "settings.js", replaced: Collection[str] = (), strict: bool = False
) -> list[Finding]:
    """What is known to be bad in the text. SettingsError if it cannot be read with certainty.

    `replaced` are the settings that are about to get another value, so their present values are not judged. With
    `strict`, passwords that attackers try first and hashes of a low cost are found, too. None of these is grave: they
    are a choice of the user, and no reason to reject the file.
    """
    settings = known(text, filename=filename)
    judge = _Judge(strict)
    found = list(_misspelled(settings, replaced))
    if "adminAuth" not in replaced:
        found += _admin_auth(settings.get("adminAuth"), judge)
    for name in ("httpNodeAuth", "httpStaticAuth"):
        if name not in replaced:
            found += _basic_auth(name, settings.get(name), judge)
    for name in ("httpAdminAuth", "httpAuth"):
        found += _old_auth(name, settings)
    found += _credential_secret(settings)
    return found


def computed(text: str, *, filename: str = "settings.js") -> list[str]:
    """The settings with passwords that code computes, so that `findings` does not judge them. SettingsError likewise.

    What this collection writes is code as well, and has its password in another setting.
    """
    settings = known(text, filename=filename)
    found = [name for name in _WITH_PASSWORDS if UNDEFINED in _passwords(settings.get(name))]
    return [name for name in found if _OUR_CODE not in str(value(text, name, filename=filename))]


def _passwords(auth: object) -> list[object]:
    """What a setting has as passwords; UNDEFINED for what is not known."""
    if not isinstance(auth, dict):
        return [auth] if auth is UNDEFINED else []
    users = auth.get("users", [])
    listed = users if isinstance(users, list) else [users]
    return [auth.get("pass"), *(one.get("password") if isinstance(one, dict) else one for one in listed)]


def unknown(text: str, *, filename: str = "settings.js") -> list[str]:
    """The settings that no release knows and that are not like a known one. SettingsError as `findings`."""
    found = [name for name in known(text, filename=filename) if name not in KNOWN_SETTINGS]
    return [_shown(name) for name in found[:MOST_UNKNOWN] if len(name) > LONGEST_SHOWN or nearest_known(name) is None]


def _misspelled(settings: dict[str, object], replaced: Collection[str]) -> Iterator[Finding]:
    unknown = (name for name in settings if name not in KNOWN_SETTINGS and len(name) <= LONGEST_SHOWN)
    for name in itertools.islice(unknown, MOST_UNKNOWN):
        meant = nearest_known(name)
        if meant is None:
            continue
        missing = meant not in settings and meant not in replaced
        yield Finding(
            _shown(name),
            f"Node-RED does not know this setting and ignores it; probably {meant} is meant.",
            f"Rename it to {meant}." if missing else f"Remove it: {meant} is the setting that has an effect.",
            missing and meant in PROTECTIVE and _alike(name, meant),
            "misspelled",
        )


def _alike(name: str, meant: str) -> bool:
    return difflib.SequenceMatcher(None, name.lower(), meant.lower()).ratio() >= ALIKE


def _admin_auth(auth: object, judge: _Judge) -> Iterator[Finding]:
    if not isinstance(auth, dict):
        return
    if "type" not in auth and "tokens" not in auth:
        yield Finding(
            "adminAuth.type", "It is missing, so no login works.", 'Set it to "credentials".', True, "login-type"
        )
    elif isinstance(auth.get("type"), str) and auth["type"] not in ("credentials", "strategy"):
        yield Finding(
            "adminAuth.type",
            f"{_shown(repr(auth['type']))} is not a kind of login, so no login works.",
            'Set it to "credentials", or to "strategy".',
            True,
            "login-type",
        )
    users = auth.get("users")
    listed = [users] if isinstance(users, dict) else users if isinstance(users, list) else []
    for user in listed[:MOST_USERS]:
        if isinstance(user, dict):
            name = _shown(user["username"]) if isinstance(user.get("username"), str) else ""
            whose = f"The password of {name or 'a user'}"
            remedy = f"Give {name or 'the user'} a password of their own (nodered_login_users)."
            username = user.get("username")
            yield from _password("adminAuth.users", username, user.get("password"), whose, remedy, judge)
    default = auth.get("default")
    permissions = default.get("permissions") if isinstance(default, dict) else None
    scopes = permissions if isinstance(permissions, list) else [permissions]
    if any(isinstance(scope, str) and scope in CHANGES_FLOWS for scope in scopes):
        yield Finding(
            "adminAuth.default",
            f"Without a login, anyone can do {_shown(repr(permissions))}: change flows, and with them run any program.",
            "Remove adminAuth.default, or give it no more than 'read'.",
            True,
            "default",
        )


def _password(
    setting: str, username: object, password: object, whose: str, remedy: str, judge: _Judge
) -> Iterator[Finding]:
    if not isinstance(password, str):
        return
    if not _bcrypt.is_bcrypt(password):
        kind = "md5" if _MD5.fullmatch(password) else "plaintext"
        yield Finding(setting, f"{whose} is not a bcrypt hash, so no login works with it.", remedy, True, kind)
        return
    # The sample comes first, with a finding of its own.
    usual = {*USUAL_PASSWORDS, username if isinstance(username, str) else ""} - {SAMPLE_PASSWORD, ""}
    if judge.strict and not judge.iterations.can_try(password, 1 + len(usual)):
        problem = f"{whose} was not compared with known ones, as that would take too long."
        yield Finding(setting, problem, remedy, False, "not-tried")
    elif judge.iterations.is_hash_of(SAMPLE_PASSWORD, password):
        sample = f'{whose} is "{SAMPLE_PASSWORD}", the sample of Node-RED\'s template.'
        yield Finding(setting, sample, remedy, True, "sample")
    elif judge.strict and any(judge.iterations.is_hash_of(one, password) for one in usual):
        yield Finding(setting, f"{whose} is one of those that attackers try first.", remedy, False, "usual")
    if judge.strict and _bcrypt.cost(password) < LEAST_COST:
        weak = f"The bcrypt hash of {_lower_first(whose)} has the cost {_bcrypt.cost(password)}."
        yield Finding(setting, weak, remedy, False, "weak")


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _shown(text: str) -> str:
    """A text of the file as a finding shows it."""
    return printable_line(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + " ...")


def _basic_auth(name: str, auth: object, judge: _Judge) -> Iterator[Finding]:
    if not isinstance(auth, dict):
        return
    remedy = (
        "Set another password (nodered_http_auth_password), give it a bcrypt hash (node-red admin hash-pw), "
        "or remove it."
    )
    if "pass" not in auth:
        yield Finding(name, "It has no pass, so Node-RED exits when it starts.", remedy, True, "no-password")
        return
    password = auth["pass"]
    if isinstance(password, str) and len(password) == MD5_LENGTH:
        yield Finding(name, "Its password is an MD5 sum, which can be cracked in seconds.", remedy, True, "md5")
        return
    yield from _password(name, auth.get("user"), password, "Its password", remedy, judge)


def _old_auth(name: str, settings: dict[str, object]) -> Iterator[Finding]:
    if not settings.get(name, False) and not _computed(settings, name):
        return
    clash = " It also disables the editor's own login (adminAuth)." if "adminAuth" in settings else ""
    yield Finding(
        name,
        f"It is a login of old releases, often with an MD5 sum, and leaves the websocket of the editor open.{clash}",
        f"Remove {name}; adminAuth (role login) and httpNodeAuth replace it.",
        True,
        "old-login",
    )


def _computed(settings: dict[str, object], name: str) -> bool:
    return name in settings and settings[name] is UNDEFINED


def _credential_secret(settings: dict[str, object]) -> Iterator[Finding]:
    secret = settings.get("credentialSecret")
    if secret is False:
        kind, problem = "secret-off", "It is false, so the credentials of flows are stored unencrypted."
    elif isinstance(secret, str) and secret in WELL_KNOWN_SECRETS:
        kind, problem = "secret-known", "It is well known, so anyone who can read the credentials file can decrypt it."
    else:
        return
    yield Finding(
        "credentialSecret",
        problem,
        "Choose another one, then enter the credentials in the editor again: Node-RED cannot convert them.",
        False,
        kind,
    )
