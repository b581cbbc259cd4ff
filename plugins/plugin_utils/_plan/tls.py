# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan the role `tls`: HTTPS, where its certificate comes from, and when that is replaced. Private; knows no Ansible.

What `_gather/tls.py` reads for it, in `found.controller`:

- `cannot_judge`: why certificates can neither be judged nor made here; then there is nothing else;
- `now`: the controller's clock, in seconds since 1970;
- `inventory`: the host's own names (`own`), those of the other hosts (`others`), all names (`all`), and what the
  inventory adds to those that an authority may certify (`authority_names`);
- `authority`: the private authority, if it is needed: its certificate now (`before`), a new one if it has to be made
  (`new`), what a rotation does (`change`, see `_authority_change.Change`), why it cannot be opened (`problem`), the
  clients whose certificates are due (`due`), those with a certificate that was made before a time being among them
  (`made_before`), and the pair with which the verification of this run visits Node-RED (`proof`), None if files keep
  that;
- `rotation`: what this run replaces, as `_tls_rotation.Rotation`; missing if it is no rotation, or if its variables
  cannot be used (`rotation_problem`);
- `ephemeral`: what shows that files of the controller are lost when this run ends, empty if they are kept;
  `loses_people`: whether that goes for client certificates of people;
- `missing`: the variables that name a file on the controller, and there is none;
- `ca`, `client_authority`: the text of the files in `nodered_tls_ca` and `nodered_tls_client_authority`, empty without;
- `system_authorities`: PEM text of the authorities of the controller's system, if they are needed;
- `files`: what `certificate_info` returned for the pair of the source `files`, or the `problem`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from .._certificates._authority import BESIDE, GIVEN
from .._core._arguments import ArgumentError, names, shown, text, truth
from . import _https_function
from ._base import DropIn, Found, Plan, Wanted, overridden
from ._tls_aim import SOURCES, Aim
from ._tls_certificates import Certificates
from .port import socket_file

LONGEST_DAYS = 397
# A timer of Node.js counts milliseconds in 31 bits.
MOST_REFRESH_HOURS = 596
DROP_IN = "50-pifleet-tls"
_KINDS: dict[Callable[..., object], tuple[str, ...]] = {
    text: ("nodered_address", "nodered_tls_authority_dir"),
    names: ("nodered_tls_names", "nodered_tls_authority_names", "nodered_tls_client_users"),
    truth: ("nodered_tls_replace", "nodered_tls_authority_replace"),
}
# Where they are set.
_OPTIONAL_KINDS = ((text, "nodered_tls_client_dir"), (text, BESIDE), (truth, "nodered_controller_ephemeral"))
# They are dated 90 days back.
CLIENT_DAYS_IN_THE_PAST = 90
# Whether it holds, and the error if not.
_Condition = tuple[bool, str]


def plan(found: Found, wanted: Wanted) -> Plan:
    """Have Node-RED use HTTPS with a certificate that can be relied on, or only listen for a proxy on the same host."""
    aim = Aim.of(found, wanted)
    errors = [*_variable_errors(found, aim), *_file_errors(found, aim), *_host_errors(found, aim)]
    if not errors and (aim.managed or aim.needs_authority) and found.controller["cannot_judge"]:
        errors = [found.controller["cannot_judge"]]
    result = Plan(errors=errors, details={"managed": aim.managed, "proxied": aim.proxied})
    if errors:
        return result
    certificates = Certificates(found, aim)
    result.errors = certificates.errors()
    if result.errors:
        return result
    rotation = certificates.rotation()
    result.details |= {"rotation": rotation} if rotation else {}
    if rotation and certificates.is_missing:
        # That is for the playbook secure.
        return result
    result.set, result.remove = _settings(found, aim, certificates.client_authority_path)
    result.drop_ins = _drop_ins(found, aim)
    result.certificate = certificates.due()
    result.restart = certificates.restart()
    result.warnings = certificates.warnings()
    result.notes = _notes(found, aim, certificates)
    result.checks = _checks(aim, certificates)
    return result


def _variable_errors(found: Found, aim: Aim) -> list[str]:
    """What is wrong with the variables alone."""
    conditions = [
        *_conditions_of_source(found, aim),
        *_conditions_of_times(aim),
        *_conditions_of_pair(aim),
        *_conditions_of_secrets(aim),
        _condition_of_proxy(aim),
    ]
    rotation = [found.controller["rotation_problem"]] if "rotation_problem" in found.controller else []
    return [*_kind_errors(aim), *rotation, *(message for holds, message in conditions if not holds)]


def _conditions_of_source(found: Found, aim: Aim) -> list[_Condition]:
    """Where the certificate comes from, and the versions of TLS."""
    version = shown(aim.wanted["nodered_tls_min_version"])
    return [
        (
            aim.source in SOURCES,
            f"nodered_tls_source must be one of {', '.join(SOURCES)}, not {shown(aim.wanted['nodered_tls_source'])}.",
        ),
        (
            aim.min_version in ("1.2", "1.3"),
            f"nodered_tls_min_version must be 1.2 or 1.3, not {version}; older versions are broken.",
        ),
        (
            not aim.managed or aim.min_version != "1.3" or _https_function.has_min_version(found.instance),
            f"nodered_tls_min_version 1.3 needs Node.js 12; {found.host} has {found.instance['node_version']}. "
            "Set it to 1.2, or update Node.js.",
        ),
    ]


def _conditions_of_times(aim: Aim) -> list[_Condition]:
    days, renew_days = shown(aim.wanted["nodered_tls_days"]), shown(aim.wanted["nodered_tls_renew_days"])
    refresh = shown(aim.wanted["nodered_tls_refresh_hours"])
    return [
        (
            3 <= aim.days <= LONGEST_DAYS,
            f"nodered_tls_days must be from 3 to {LONGEST_DAYS}, not {days}: browsers reject "
            "certificates that are valid for longer.",
        ),
        (
            0 <= aim.renew_days < aim.days - 2,
            f"nodered_tls_renew_days must be less than nodered_tls_days ({days}) minus 2, not {renew_days}.",
        ),
        (
            0 < aim.number("nodered_tls_refresh_hours") <= MOST_REFRESH_HOURS,
            f"nodered_tls_refresh_hours must be more than 0 and at most {MOST_REFRESH_HOURS}, not {refresh}.",
        ),
    ]


def _conditions_of_pair(aim: Aim) -> list[_Condition]:
    """The certificate and key of the administrator."""
    pair = [aim.text(name) for name in ("nodered_tls_certificate", "nodered_tls_key")]
    return [
        (
            aim.source not in ("files", "content") or all(pair),
            f"nodered_tls_source {aim.source} needs nodered_tls_certificate and nodered_tls_key, as text.",
        ),
        (
            aim.source != "files" or not all(pair) or all(map(_is_path, pair)),
            "nodered_tls_certificate and nodered_tls_key must be absolute paths on the host if nodered_tls_source is "
            "files.",
        ),
    ]


def _conditions_of_secrets(aim: Aim) -> list[_Condition]:
    """The private authority and the passphrases."""
    return [
        (
            not aim.given or all(aim.text(name) for name in GIVEN),
            f"{GIVEN[0]} and {GIVEN[1]} must be texts in PEM form, and both be set. Take them from a vault.",
        ),
        (
            aim.given or aim.wanted.get(BESIDE) is None,
            f"{BESIDE} is for an authority that is given as text, in {GIVEN[0]} and {GIVEN[1]}. Set these as well, or "
            f"remove {BESIDE}.",
        ),
        (
            not aim.needs_authority or aim.given or bool(aim.text("nodered_tls_authority_passphrase")),
            "nodered_tls_authority_passphrase must be a text: the key of the private authority is kept encrypted with "
            "it. Take it from a vault.",
        ),
        (
            not aim.users or bool(aim.text("nodered_tls_client_passphrase")),
            "nodered_tls_client_passphrase must be a text: the client certificates of nodered_tls_client_users are "
            "protected with it. Take it from a vault.",
        ),
    ]


def _condition_of_proxy(aim: Aim) -> _Condition:
    return (
        not aim.proxied or _is_https_url(aim.text("nodered_tls_proxy_url")),
        "nodered_tls_proxy_url must begin with https:// and name a host, not "
        f"{shown(aim.wanted.get('nodered_tls_proxy_url'))}.",
    )


def _kind_errors(aim: Aim) -> Iterator[str]:
    """The argument spec accepts `a,b` as a list, and changes no value."""
    checked = [(require, name) for require, variables in _KINDS.items() for name in variables]
    checked += [(require, name) for require, name in _OPTIONAL_KINDS if aim.wanted.get(name) is not None]
    for require, name in checked:
        try:
            require(aim.wanted[name], name)
        except ArgumentError as error:
            yield from error.problems


def _is_path(path: str) -> bool:
    return path.startswith("/") and path.isprintable()


def _is_https_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        return False


def _file_errors(found: Found, aim: Aim) -> list[str]:
    """Which files on the controller are missing."""
    missing = set(found.controller.get("missing", ()))
    errors = []
    if "nodered_tls_ca" in missing:
        errors.append(
            f"nodered_tls_ca {shown(aim.wanted['nodered_tls_ca'])} is not a readable file on the controller. "
            "Correct the path, or remove the variable to trust the authorities of the controller's system."
        )
    if not aim.mutual or aim.private_clients:
        return errors
    if "nodered_tls_client_authority" in missing:
        errors.append(
            "nodered_tls_client_authority must be a readable file on the controller, or the word authority; "
            f"{shown(aim.wanted['nodered_tls_client_authority'])} is neither."
        )
    if missing & {"nodered_tls_client_certificate", "nodered_tls_client_key"}:
        errors.append(
            "nodered_tls_client_certificate and nodered_tls_client_key must be readable files on the controller: "
            "without a client certificate of nodered_tls_client_authority nothing could be verified."
        )
    return errors


def _host_errors(found: Found, aim: Aim) -> list[str]:
    """What is wrong on the host."""
    errors = []
    if aim.managed or aim.proxied:
        errors += overridden(found, "TLS", "https", "httpsRefreshInterval", "requireHttps")
    if aim.proxied:
        errors += _exposed_behind_proxy(found)
    if aim.mutual:
        errors += _clock_errors(found, aim)
    return errors


def _exposed_behind_proxy(found: Found) -> list[str]:
    instance = found.instance
    stream = (instance["socket_streams"] or [""])[0]
    if instance["socket_port"] is None or re.match(r"127[.]|\[::1\]", stream):
        return []
    return [
        f"Behind nodered_tls_proxy_url Node-RED must listen on 127.0.0.1 only, but on {found.host} systemd opens its "
        f'port, on {stream}, and uiHost has no effect. Set "ListenStream=" and '
        f'"ListenStream=127.0.0.1:{instance["socket_port"]}" for {instance["socket"]} ({socket_file(instance)}), then '
        "run again."
    ]


def _clock_errors(found: Found, aim: Aim) -> list[str]:
    """Client certificates are dated 90 days back, and have nodered_tls_renew_days left at least."""
    host, controller = found.instance["clock"], found.controller.get("now", found.instance["clock"])
    if -CLIENT_DAYS_IN_THE_PAST < (host - controller) / 86400 < max(aim.renew_days, 1):
        return []
    return [
        f"The clock of {found.host} reports {_minute(host)} UTC and that of the controller {_minute(controller)}. "
        "Node-RED judges client certificates by the clock of its host, so with nodered_tls_client_authority it would "
        "reject every client. Set that clock (timedatectl set-ntp true), then run again."
    ]


def _minute(seconds: float) -> str:
    return f"{_time(seconds):%Y-%m-%d %H:%M}"


def _time(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


def _settings(found: Found, aim: Aim, client_authority: str) -> tuple[dict[str, object], list[str]]:
    """What to set and to remove."""
    if aim.proxied:
        return {"requireHttps": True, "uiHost": "127.0.0.1"}, ["https", "httpsRefreshInterval"] if aim.ours else []
    if not aim.managed:
        return {}, []
    function = _https_function.https(
        found.instance, min_version=aim.min_version, client_authority=client_authority if aim.mutual else ""
    )
    settings: dict[str, object] = {"https": {"$js": function}}
    if _https_function.is_live(found.instance):
        settings["httpsRefreshInterval"] = aim.number("nodered_tls_refresh_hours")
    return settings, []


def _drop_ins(found: Found, aim: Aim) -> list[DropIn]:
    """Have systemd start an old release again that could not use its certificate.

    A release below 3.0 ends with status 0 if its settings file throws, as `https` does there if it is not a function.
    """
    if aim.source == "none" and not aim.proxied:
        return []
    needed = aim.managed and not _https_function.is_live(found.instance)
    unit = found.instance["service"] + ".service"
    wanted = DropIn(unit, DROP_IN, {"Service": [{"Restart": "always"}]} if needed else {})
    return [] if wanted.matches(found.drop_in_text(DROP_IN)) else [wanted]


def _notes(found: Found, aim: Aim, certificates: Certificates) -> list[str]:
    notes = []
    if aim.foreign and not aim.managed and not aim.proxied and aim.source != "none":
        notes.append(
            f"Custom https setting found in {found.instance['settings_file']}; left unchanged. Set "
            "nodered_tls_replace: true to replace it."
        )
    if certificates.reason:
        notes.append(f"New certificate: {certificates.reason}.")
    if aim.issued and (not aim.ours or certificates.new_authority):
        where = f"the certificate in {GIVEN[0]}" if aim.given else f"{aim.folder}/authority.pem (on the controller)"
        notes.append(
            f"Install {where} in each browser and phone once, so that they trust every Node-RED of this fleet. If it "
            "replaces an earlier one, remove that one there."
        )
    people = certificates.due_people
    if people:
        files = ", ".join(f"{name}.p12" for name in people)
        notes.append(f"New client certificates in {aim.client_folder(people[0])} on the controller: {files}.")
    return notes


def _checks(aim: Aim, certificates: Certificates) -> dict[str, Any]:
    checks: dict[str, Any] = {"authorities": certificates.trusted(), "min_tls": aim.min_version}
    if aim.mutual and certificates.proof:
        checks["client_pair"] = certificates.proof
    elif aim.mutual:
        checks["client_cert"], checks["client_key"] = aim.client_files
    if aim.proxied:
        checks["proxy_url"] = str(aim.wanted["nodered_tls_proxy_url"])
    return checks
