# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import subprocess

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates import _certificate_make
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority import candidate
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority_change import (
    BOTH,
    MOVED,
    ONE,
    STAY,
    Change,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_names import constraints
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan import _https_function, tls
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import DropIn, Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings import _settings_js
from ansible_collections.pifleet.nodered.tests.certificates import Authority, Issued, now
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    EMPTY,
    INSTANCE,
    TLS_DEFAULTS,
    found,
    override,
    settings_with,
)

ADDRESS = "192.168.1.20"
INVENTORY = {"own": ["pi1", ADDRESS], "others": ["pi2"], "all": ["pi1", ADDRESS, "pi2"], "authority_names": []}
NAMES = [ADDRESS, "pi1", "localhost", "127.0.0.1", "raspberrypi", "raspberrypi.local"]
FOLDER = "/etc/nodered-tls/nodered"
WANTED = {
    "nodered_address": ADDRESS,
    "nodered_tls_authority_dir": "/inventory/.nodered-authority",
    **TLS_DEFAULTS,
}
PUBLIC = Authority("Public")
PASSPHRASE = "opens it"
PRIVATE = candidate(constraints(INVENTORY["all"]), PASSPHRASE)
OTHER_PRIVATE = candidate(constraints(INVENTORY["all"]), PASSPHRASE)


def selfsigned(names=None, days=397, since=0):
    made = now() - datetime.timedelta(days=since)
    return _certificate_make.self_signed_pair(names or NAMES, called="pi1", now=made, days=days).certificate


def issued(by=PRIVATE, since=0):
    """What a private authority issues for the host; a single label is not permitted."""
    private = _certificate_make.Authority.opened(by.certificate, by.key.encode(), PASSPHRASE)
    names = [name for name in NAMES if name != "raspberrypi"]
    made = now() - datetime.timedelta(days=since)
    return private.host_pair(names, called="pi1", now=made, days=397).certificate


GOOD = selfsigned()


def wanted(**variables):
    return WANTED | {f"nodered_{name}": value for name, value in variables.items()}


def authority(before=PRIVATE.certificate, new=None, due=(), problem="", proof=None, change=None):
    kept = {"before": before, "new": new._asdict() if new else None, "due": list(due)}
    change = change or Change(STAY, ONE, new.certificate if new else before, "")
    kept |= {"change": change._asdict(), "made_before": 0}
    return {**kept, "problem": problem, "proof": proof._asdict() if proof else None}


def read(**different):
    nothing = {"missing": [], "ca": "", "client_authority": "", "files": {}, "system_authorities": ""}
    nothing |= {"ephemeral": "", "loses_people": False}
    return {"now": now().timestamp(), "cannot_judge": "", "inventory": INVENTORY, **nothing, **different}


def placed(certificate=GOOD, **different):
    return {**INSTANCE["tls"], "certificate": certificate, "problem": "", **different}


def about(text=EMPTY, *, controller=None, **different):
    different = {"clock": int(now().timestamp()), **different}
    return found(text, controller=controller or read(), **different)


def in_use(certificate=GOOD, *, text=None, controller=None, tls=None, **different):
    """A Node-RED that uses this certificate since an earlier run."""
    text = text or _settings_js.edit(EMPTY, set=planned(about(**_releases(different))).set).text
    different = {"url": f"https://{ADDRESS}:1880/", "https": "function", **different}
    return about(text, controller=controller, tls=placed(certificate, **(tls or {})), **different)


def _releases(different):
    return {name: different[name] for name in ("version", "node_version") if name in different}


def planned(state=None, **variables):
    return tls.plan(state or about(), wanted(**variables))


AUTHORITY = {"tls_source": "authority", "tls_authority_passphrase": PASSPHRASE}
ISSUES = read(authority=authority())
CLIENTS = {**AUTHORITY, "tls_client_authority": "authority"}


def text(pair=None):
    pair = pair or PUBLIC.issue(ADDRESS)
    return {"tls_source": "content", "tls_certificate": pair.certificate, "tls_key": pair.key}


FILES = {"tls_source": "files", "tls_certificate": "/etc/pi.pem", "tls_key": "/etc/pi.key"}


def files(certificate=None, placed=False, followed=False, **different):
    certificate = certificate or PUBLIC.issue(ADDRESS).certificate
    on_host = {"certificate": certificate, "placed": placed, "followed": followed}
    return read(files=on_host, ca=PUBLIC.certificate, **different)


# The first run.


def test_without_variables_each_host_gets_a_self_signed_certificate():
    plan = planned()
    assert plan.errors == []
    assert list(plan.set) == ["https", "httpsRefreshInterval"]
    assert plan.certificate["pair"] == {"made_by": "selfsigned", "names": NAMES, "called": "pi1", "days": 397}
    assert plan.certificate["authority"] == {}
    assert plan.notes == ["New certificate: there is none yet."]
    assert plan.certificate["lines"] == ["new certificate"]
    assert plan.restart == "", "the settings change, which needs a restart anyway"
    assert plan.details == {"managed": True, "proxied": False}


def test_an_unchanged_run_plans_nothing():
    state = in_use()
    plan = planned(state)
    assert not plan.changes
    assert _settings_js.edit(state.text, set=plan.set).changed == ()
    assert (plan.notes, plan.warnings, plan.remove) == ([], [], [])


def test_a_plan_survives_being_kept_as_data():
    plan = planned(about(version="0.20.8"))
    assert Plan.loaded(dataclasses.asdict(plan)) == plan


# When a certificate is made anew, and when that needs a restart.


@pytest.mark.parametrize(
    "certificate, tls, reason, restart",
    [
        (GOOD, {}, "", False),
        (selfsigned(days=40, since=15), {}, "is valid for", False),
        (selfsigned(days=20, since=30), {}, "expired on", True),
        (selfsigned(names=["pi1", "10.0.0.1"]), {}, f"is not made for {ADDRESS}", True),
        (GOOD, {"problem": "the key does not belong to the certificate"}, "the key does not belong", False),
        (GOOD, {"follows": True}, "is copied from files", False),
        (None, {}, "there is none yet", True),
    ],
    ids=["good", "due", "expired", "another name", "damaged", "copied before", "missing"],
)
def test_a_renewed_certificate_goes_live_without_a_restart_unless_the_old_one_is_unusable(
    certificate, tls, reason, restart
):
    plan = planned(in_use(certificate, tls=tls))
    assert plan.errors == []
    assert bool(plan.certificate) == bool(reason)
    assert reason in "".join(plan.notes)
    assert not any(word in "".join(plan.notes) for word in ("Have it", "..")), "the user has to do nothing"
    assert ("can no longer be relied on" in plan.restart) == restart


@pytest.mark.parametrize("release", [{"version": "1.0.6"}, {"node_version": "10.24.1"}], ids=str)
def test_an_old_release_is_restarted_for_each_renewal(release):
    due = planned(in_use(selfsigned(days=40, since=15), **release))
    assert due.restart == "This Node-RED reads its certificate only when it starts."
    assert planned(in_use(**release)).restart == ""


def test_a_node_red_that_does_not_respond_is_restarted_with_the_new_certificate():
    due = selfsigned(days=40, since=15)
    assert planned(in_use(due, url=None)).restart
    assert planned(in_use(url=None)).restart == "", "what runs is decided by others if nothing changes here"


def test_a_name_that_the_host_reports_counts_only_if_it_is_private_and_its_own():
    plan = planned(about(hostname="pi2", addresses=["8.8.8.8", "10.0.0.7"]), tls_names=["nodered.example.org"])
    names = plan.certificate["pair"]["names"]
    assert names == [ADDRESS, "nodered.example.org", "pi1", "localhost", "127.0.0.1", "10.0.0.7"]


def test_a_name_that_no_certificate_can_hold_is_an_error():
    assert "nodered_address or nodered_tls_names" in planned(tls_names=["fe80::1%eth0"]).errors[0]


@pytest.mark.parametrize("replaced, trusted", [(3600, True), (3700, False)])
def test_a_run_soon_after_a_renewal_trusts_what_node_red_may_still_use(replaced, trusted):
    before = selfsigned()
    plan = planned(in_use(tls={"earlier": before, "replaced": replaced}))
    assert plan.checks["authorities"] == (f"{before}\n{GOOD}" if trusted else GOOD)
    assert not plan.changes


# The private authority.


def test_the_authority_issues_certificates_for_what_it_may_certify():
    plan = planned(about(controller=ISSUES, hostname="kiosk"), **AUTHORITY)
    assert plan.certificate["pair"]["names"] == [ADDRESS, "pi1", "localhost", "127.0.0.1", "kiosk.local"]
    kept = {"folder": "/inventory/.nodered-authority", "before": PRIVATE.certificate, "new": None, "days": 397}
    assert plan.certificate["authority"] == {
        **kept,
        "change": Change(STAY, ONE, PRIVATE.certificate, "")._asdict(),
        "made_before": 0,
        "passphrase": PASSPHRASE,
        "key": "",
        "clients": {},
        "client_passphrase": "",
        "renew_days": 30,
    }
    assert plan.checks["authorities"] == PRIVATE.certificate
    assert any("authority.pem (on the controller)" in note for note in plan.notes)


def test_an_issued_certificate_is_kept_while_it_is_good():
    state = in_use(issued(), controller=ISSUES)
    assert not planned(state, **AUTHORITY).changes


def test_another_certificate_is_replaced_by_an_issued_one_with_a_restart():
    plan = planned(in_use(controller=ISSUES), **AUTHORITY)
    assert "no authority that is trusted" in plan.notes[0]
    assert plan.restart


def test_a_new_authority_is_known_before_it_is_written():
    new = read(authority=authority(before="", new=PRIVATE, due=["ada", "proof"]))
    variables = {**CLIENTS, "tls_client_users": ["ada"], "tls_client_passphrase": "for ada"}
    plan = planned(in_use(controller=new), **variables)
    assert plan.certificate["authority"]["new"] == PRIVATE._asdict()
    clients = "/inventory/.nodered-authority/clients"
    assert plan.certificate["authority"]["clients"] == {"ada": clients, "proof": clients}
    assert plan.notes[0] == "New certificate: its authority is new."
    assert "clients on the controller: ada.p12." in plan.notes[-1]
    assert plan.certificate["client_authority"] == PRIVATE.certificate.rstrip()
    assert plan.certificate["lines"] == [
        "new private authority in /inventory/.nodered-authority",
        "new client certificates: ada, proof",
        "new certificate",
        "new authority of clients",
    ]
    digest = hashlib.sha256(PRIVATE.certificate.rstrip().encode()).hexdigest()[:16]
    assert f"{FOLDER}/client-authority-{digest}.pem" in plan.set["https"]["$js"]
    later = planned(
        in_use(
            issued(),
            text=_settings_js.edit(EMPTY, set=plan.set).text,
            controller=ISSUES,
            tls={"client_authorities": [f"client-authority-{digest}.pem"]},
        ),
        **variables,
    )
    assert later.set == plan.set
    assert not later.changes


def test_a_replaced_authority_replaces_the_certificate_and_is_not_warned_of():
    state = in_use(issued(), controller=read(authority=authority(new=OTHER_PRIVATE)))
    plan = planned(state, **AUTHORITY)
    assert plan.notes[0] == "New certificate: its authority is new."
    assert plan.restart
    assert plan.checks["authorities"] == OTHER_PRIVATE.certificate
    assert plan.warnings == []


def test_an_authority_that_this_controller_has_lost_is_warned_of_before_another_one_is_made():
    made = read(authority=authority(before="", new=OTHER_PRIVATE))
    (warning,) = planned(in_use(issued(), controller=made), **AUTHORITY).warnings
    assert warning.startswith("The certificate of pi1 was issued by another authority (Node-RED fleet ")
    assert "which is not in /inventory/.nodered-authority. If that folder is on another controller, copy" in warning
    assert planned(in_use(controller=made), **AUTHORITY).warnings == []
    assert planned(about(controller=made), **AUTHORITY).warnings == []


def test_an_authority_without_constraints_is_reported():
    plan = planned(about(controller=read(authority=authority(before=PUBLIC.certificate))), **AUTHORITY)
    assert "no name constraints" in plan.warnings[0]
    assert plan.errors == []


def test_a_name_that_the_authority_may_not_certify_is_an_error():
    plan = planned(about(controller=ISSUES), **AUTHORITY, tls_names=["www.mybank.com"])
    assert "is not allowed to make a certificate for www.mybank.com" in plan.errors[0]


def test_an_authority_that_cannot_be_opened_is_an_error_and_nothing_else_is_planned():
    plan = planned(about(controller=read(authority=authority(problem="It cannot be opened."))), **AUTHORITY)
    assert plan.errors == ["It cannot be opened."]
    assert not plan.changes and plan.set == {}


def test_due_client_certificates_alone_send_nothing_to_the_host():
    plan = planned(in_use(controller=read(authority=authority(due=["ada"]))), **_ada())
    assert plan.certificate["pair"] == {}
    assert plan.certificate["client_authority"] == ""
    assert list(plan.certificate["authority"]["clients"]) == ["ada"]
    assert not plan.needs_restart


def _ada():
    return {
        "tls_client_users": ["ada"],
        "tls_client_passphrase": "for ada",
        "tls_authority_passphrase": PASSPHRASE,
    }


# A pair from elsewhere.


def test_a_pair_in_a_variable_is_sent_once():
    variables = text()
    state = about(controller=read(ca=PUBLIC.certificate))
    plan = planned(state, **variables)
    assert plan.errors == []
    assert plan.certificate["pair"] == {"certificate": variables["tls_certificate"], "key": variables["tls_key"]}
    assert plan.checks["authorities"] == PUBLIC.certificate
    again = in_use(variables["tls_certificate"], controller=read(ca=PUBLIC.certificate))
    assert not planned(again, **variables).changes


@pytest.mark.parametrize("tls", [{"problem": "it is damaged"}, {"follows": True}], ids=str)
def test_a_pair_is_sent_again_if_the_one_there_is_damaged_or_copied_from_files(tls):
    variables = text()
    plan = planned(in_use(variables["tls_certificate"], tls=tls, controller=read(ca=PUBLIC.certificate)), **variables)
    assert plan.certificate["pair"]
    assert plan.restart == ""


def test_a_pair_that_differs_needs_a_restart_only_if_the_one_in_use_is_unusable():
    ca = read(ca=PUBLIC.certificate)
    assert planned(in_use(PUBLIC.issue(ADDRESS).certificate, controller=ca), **text()).restart == ""
    assert planned(in_use(PUBLIC.issue("10.9.9.9").certificate, controller=ca), **text()).restart
    assert planned(in_use(controller=ca), **text()).restart


@pytest.mark.parametrize(
    "pair, said",
    [
        (Issued(PUBLIC.issue(ADDRESS).certificate, PUBLIC.issue(ADDRESS).key), "does not belong"),
        (PUBLIC.issue(ADDRESS, until=-1, since=-9), "expired on"),
        (PUBLIC.issue("10.9.9.9"), f"is not made for {ADDRESS}"),
        (Issued("nothing", PUBLIC.issue(ADDRESS).key), "not a complete certificate"),
        (Authority("Another").issue(ADDRESS), "nodered_tls_ca"),
    ],
    ids=["another key", "expired", "another name", "damaged", "another authority"],
)
def test_a_bad_pair_is_an_error_that_shows_no_key(pair, said):
    plan = planned(about(controller=read(ca=PUBLIC.certificate)), **text(pair))
    assert said in plan.errors[0]
    assert "PRIVATE" not in str(plan.errors)
    assert plan.certificate == {}


def test_a_pair_of_a_public_authority_is_judged_by_those_of_the_system():
    plan = planned(about(controller=read(system_authorities=PUBLIC.certificate)), **text())
    assert plan.errors == []
    assert plan.checks["authorities"] == "", "the verification trusts the system as well"


def test_a_self_signed_pair_from_elsewhere_is_trusted_with_the_one_before():
    pair = _certificate_make.self_signed_pair([ADDRESS], called="pi1", now=now(), days=90)
    plan = planned(in_use(), tls_source="content", tls_certificate=pair.certificate, tls_key=pair.key)
    assert plan.errors == []
    assert plan.checks["authorities"] == f"{GOOD}\n{pair.certificate}"


def test_files_of_the_host_are_copied_if_they_differ():
    plan = planned(about(controller=files()), **FILES)
    certificate = plan.certificate["pair"]["checked"]
    assert plan.errors == []
    assert plan.certificate["pair"] == {
        "certificate_file": "/etc/pi.pem",
        "key_file": "/etc/pi.key",
        "checked": certificate,
    }
    copied = in_use(certificate, controller=files(certificate, placed=True, followed=True), tls={"follows": True})
    assert not planned(copied, **FILES).changes


def test_files_whose_renewals_are_not_followed_are_followed_without_a_restart():
    certificate = PUBLIC.issue(ADDRESS).certificate
    plan = planned(in_use(certificate, version="1.0.6", controller=files(certificate, placed=True)), **FILES)
    assert plan.certificate["lines"] == ["where renewed certificates come from"]
    assert plan.restart == ""


def test_what_the_host_reports_of_its_files_is_an_error():
    plan = planned(about(controller=read(files={"problem": "/etc/pi.pem cannot be read."})), **FILES)
    assert plan.errors == ["/etc/pi.pem cannot be read."]


def test_a_bad_certificate_in_a_file_is_named():
    plan = planned(about(controller=files(PUBLIC.issue("10.9.9.9").certificate)), **FILES)
    assert f"/etc/pi.pem is not made for {ADDRESS}" in plan.errors[0]


# An authority that is given as text, and controllers that lose their files.

GIVEN = {"tls_authority_certificate": PRIVATE.certificate, "tls_authority_key": PRIVATE.key}
EPHEMERAL = {"ephemeral": "the variable awx_job_id is set", "loses_people": True}


def test_an_authority_that_is_given_issues_and_names_no_folder():
    plan = planned(about(controller=ISSUES), **AUTHORITY, **GIVEN)
    assert plan.certificate["authority"]["key"] == PRIVATE.key
    assert plan.certificate["pair"]["made_by"] == "authority"
    assert any(
        "Install the certificate in nodered_tls_authority_certificate in each browser" in one for one in plan.notes
    )
    assert not planned(in_use(issued(), controller=ISSUES), **AUTHORITY, **GIVEN).changes
    assert PRIVATE.key not in repr(plan.checks) + repr(plan.notes)


def test_an_authority_that_is_given_without_constraints_is_reported_with_its_variable():
    controller = read(authority=authority(before=PUBLIC.certificate))
    warning = planned(about(controller=controller), **AUTHORITY, **GIVEN).warnings[0]
    assert "in nodered_tls_authority_certificate has no name constraints" in warning
    assert "Give another one to replace it" in warning
    assert "nodered_tls_authority_replace" not in warning


def test_the_pair_of_a_run_is_used_in_place_of_files():
    pair = _certificate_make.Pair("certificate", "key")
    plan = planned(about(controller=read(authority=authority(proof=pair))), **CLIENTS, **GIVEN)
    assert plan.checks["client_pair"] == {"certificate": "certificate", "key": "key"}
    assert "client_cert" not in plan.checks


def test_client_files_go_where_the_user_chooses_and_the_one_of_the_verification_stays():
    variables = {**CLIENTS, **_ada(), "tls_client_dir": "/srv/clients"}
    plan = planned(in_use(controller=read(authority=authority(due=["ada", "proof"]))), **variables)
    kept = {"ada": "/srv/clients", "proof": "/inventory/.nodered-authority/clients"}
    assert plan.certificate["authority"]["clients"] == kept
    assert "New client certificates in /srv/clients on the controller: ada.p12." in plan.notes


def test_a_new_authority_that_would_be_lost_is_rejected_with_the_remedy():
    controller = read(authority=authority(before="", new=PRIVATE), **EPHEMERAL)
    plan = planned(about(controller=controller), **AUTHORITY)
    (error,) = plan.errors
    assert error.startswith(
        "The new private authority in /inventory/.nodered-authority on the controller would be lost"
    )
    assert "the variable awx_job_id is set" in error
    assert "give them as nodered_tls_authority_certificate and nodered_tls_authority_key" in error
    assert plan.certificate == plan.set == {}


def test_client_certificates_that_would_be_lost_are_rejected_with_the_remedy():
    controller = read(authority=authority(due=["ada"]), **EPHEMERAL)
    (error,) = planned(in_use(controller=controller), **_ada()).errors
    assert error.startswith(
        "The client certificates of ada, in /inventory/.nodered-authority/clients on the controller,"
    )
    assert "nodered_tls_client_dir" in error
    assert "nodered_tls_client_users" in error


def test_what_an_ephemeral_controller_does_not_lose_is_planned_as_ever():
    for due, loses in (((), True), (("ada",), False)):
        controller = read(authority=authority(due=due), **{**EPHEMERAL, "loses_people": loses})
        assert planned(in_use(issued(), controller=controller), **{**AUTHORITY, **_ada()}).errors == []
    assert planned(about(controller=read(**EPHEMERAL))).errors == [], "a self-signed certificate is on the host only"


# Clients with certificates.


def test_clients_need_a_certificate_of_a_file():
    controller = read(client_authority=PUBLIC.certificate.rstrip())
    options = {"tls_client_authority": "/ca.pem", "tls_client_certificate": "/me.pem", "tls_client_key": "/me.key"}
    plan = planned(in_use(controller=controller), **options)
    assert plan.errors == []
    assert "requestCert: true" in plan.set["https"]["$js"]
    assert plan.certificate["client_authority"] == PUBLIC.certificate.rstrip()
    assert plan.certificate["pair"] == {}, "another authority of clients needs no new certificate"
    assert (plan.checks["client_cert"], plan.checks["client_key"]) == ("/me.pem", "/me.key")


def test_the_verification_uses_the_certificate_that_the_private_authority_makes_for_it():
    plan = planned(about(controller=ISSUES), **CLIENTS)
    clients = "/inventory/.nodered-authority/clients"
    assert (plan.checks["client_cert"], plan.checks["client_key"]) == (
        f"{clients}/proof.pem",
        f"{clients}/proof.key",
    )


def test_an_authority_of_clients_that_is_none_is_an_error():
    options = {"tls_client_authority": "/ca.pem", "tls_client_certificate": "/me.pem", "tls_client_key": "/me.key"}
    for pem in (GOOD, "nothing"):
        assert "the clients' authority" in planned(about(controller=read(client_authority=pem)), **options).errors[0]


@pytest.mark.parametrize("days, rejected", [(-91, True), (-89, False), (29, False), (31, True)])
def test_a_clock_that_would_reject_every_client_is_an_error(days, rejected):
    clock = int(now().timestamp()) + days * 86400
    plan = planned(about(clock=clock, controller=ISSUES), **CLIENTS)
    assert ["timedatectl" in error for error in plan.errors] == ([True] if rejected else [])
    assert planned(about(clock=clock)).errors == []


# Behind a proxy.


def test_behind_a_proxy_node_red_listens_on_loopback_only():
    plan = planned(tls_proxy_url="https://pi.example.org/")
    assert plan.set == {"requireHttps": True, "uiHost": "127.0.0.1"}
    assert (plan.remove, plan.certificate) == ([], {})
    assert plan.checks == {"authorities": "", "min_tls": "1.2", "proxy_url": "https://pi.example.org/"}
    assert planned(in_use(), tls_proxy_url="https://pi.example.org/").remove == ["https", "httpsRefreshInterval"]


def test_behind_a_proxy_systemd_must_open_the_port_on_loopback():
    socket = {"socket": "nodered.socket", "socket_file": "/etc/systemd/system/nodered.socket", "socket_port": 1880}
    proxy = {"tls_proxy_url": "https://pi.example.org/"}
    error = planned(about(socket_streams=["[::]:1880"], **socket), **proxy).errors[0]
    assert '"ListenStream=127.0.0.1:1880" for nodered.socket (/etc/systemd/system/nodered.socket)' in error
    for stream in ("127.0.0.1:1880", "[::1]:1880"):
        assert planned(about(socket_streams=[stream], **socket), **proxy).errors == []


# What is left alone.


def test_custom_https_is_left_unchanged_until_told():
    own = about(settings_with('https: { key: "k", cert: "c" }'), https="object")
    plan = planned(own)
    assert (plan.set, plan.certificate) == ({}, {})
    assert "nodered_tls_replace: true" in plan.notes[0]
    assert plan.checks["authorities"] == ""
    assert "https" in planned(own, tls_replace=True).set
    assert "https" in planned(own, tls_replace="true").set, "as -e of ansible-playbook gives it"
    assert planned(own, tls_replace="false").set == {}


def test_custom_https_that_cannot_be_loaded_is_not_replaced_either():
    own = about(settings_with('https: { key: require("fs").readFileSync("/root/key.pem") }'), https=None)
    assert planned(own).set == {}
    assert "https" in planned(own, tls_replace=True).set
    assert "https" in planned(about(https=None)).set


def test_tls_of_another_service_with_a_longer_name_is_not_ours():
    other = settings_with('https: require("/etc/nodered-tls/nodered2/current")')
    assert planned(about(other, https="object")).set == {}


def test_source_none_leaves_everything_and_trusts_what_is_there():
    plan = planned(in_use(version="1.0.6"), tls_source="none")
    assert (plan.set, plan.certificate, plan.drop_ins, plan.notes) == ({}, {}, [], [])
    assert plan.checks["authorities"] == GOOD
    assert planned(tls_source="none").checks["authorities"] == ""


def test_a_proxy_or_custom_tls_is_verified_with_the_named_authority():
    ca = read(ca=PUBLIC.certificate)
    own = about(settings_with('https: { key: "k", cert: "c" }'), https="object", controller=ca)
    assert planned(own).checks["authorities"] == PUBLIC.certificate
    plan = planned(about(controller=ca), tls_proxy_url="https://pi.example.org/")
    assert plan.checks["authorities"] == PUBLIC.certificate


# The drop-in.


def test_only_an_old_release_gets_restart_always():
    assert planned().drop_ins == []
    old = planned(about(version="1.0.6"))
    assert old.drop_ins == [DropIn("nodered.service", "50-pifleet-tls", {"Service": [{"Restart": "always"}]})]
    present = {old.drop_ins[0].path: "[Service]\nRestart=always\n"}
    assert planned(about(version="1.0.6", drop_ins=present)).drop_ins == []
    assert planned(about(drop_ins=present)).drop_ins == [DropIn("nodered.service", "50-pifleet-tls")]


# Errors.


@pytest.mark.parametrize(
    "variables, said",
    [
        ({"tls_source": "letsencrypt"}, "nodered_tls_source must be one of selfsigned, authority, files"),
        ({"tls_min_version": "1.1"}, "nodered_tls_min_version must be 1.2 or 1.3, not 1.1"),
        ({"tls_days": 398}, "nodered_tls_days must be from 3 to 397, not 398"),
        ({"tls_days": "many"}, "nodered_tls_days must be from 3 to 397, not many"),
        ({"tls_days": 10, "tls_renew_days": 8}, "nodered_tls_renew_days must be less than nodered_tls_days (10)"),
        ({"tls_refresh_hours": 0}, "nodered_tls_refresh_hours must be more than 0"),
        ({"tls_refresh_hours": "NaN"}, "nodered_tls_refresh_hours must be more than 0"),
        ({"tls_source": "files"}, "nodered_tls_source files needs nodered_tls_certificate and nodered_tls_key"),
        ({"tls_source": "content", "tls_certificate": "x"}, "nodered_tls_source content needs"),
        ({**FILES, "tls_key": "pi.key"}, "must be absolute paths on the host"),
        ({"tls_authority_key": "PEM"}, "nodered_tls_authority_certificate and nodered_tls_authority_key must be"),
        ({"tls_authority_certificate": ["PEM"], "tls_authority_key": "PEM"}, "must be texts in PEM form"),
        ({"tls_client_dir": ["x"]}, "nodered_tls_client_dir must be text, not a list"),
        ({"controller_ephemeral": "perhaps"}, "nodered_controller_ephemeral must be true or false"),
        ({"tls_source": "authority"}, "nodered_tls_authority_passphrase must be a text"),
        ({"tls_source": "authority", "tls_authority_passphrase": 1234}, "nodered_tls_authority_passphrase must be"),
        ({"tls_client_users": ["ada"], "tls_authority_passphrase": "x"}, "nodered_tls_client_passphrase must be"),
        ({"tls_proxy_url": "http://pi.example.org"}, "nodered_tls_proxy_url must begin with https://"),
    ],
    ids=str,
)
def test_a_variable_that_is_wrong_is_an_error_with_its_name(variables, said):
    plan = planned(about(controller=read(authority=authority())), **variables)
    assert [error for error in plan.errors if said in error], plan.errors
    assert (plan.set, plan.certificate, plan.restart) == ({}, {}, "")


def test_all_errors_are_reported_at_once_and_no_secret_with_them():
    plan = planned(tls_days=1, tls_source="content", tls_key="PRIVATE KEY", tls_refresh_hours=0)
    assert [error.split()[0] for error in plan.errors] == [
        "nodered_tls_days",
        "nodered_tls_renew_days",
        "nodered_tls_refresh_hours",
        "nodered_tls_source",
    ]
    assert "PRIVATE" not in str(plan.errors)


@pytest.mark.parametrize(
    "name, variables",
    [
        ("nodered_tls_ca", {"tls_ca": "/nowhere"}),
        ("nodered_tls_client_authority", {"tls_client_authority": "/nowhere"}),
        ("nodered_tls_client_key", {"tls_client_authority": "/ca.pem"}),
    ],
)
def test_a_file_that_is_missing_on_the_controller_is_an_error(name, variables):
    plan = planned(about(controller=read(missing=[name])), **variables)
    assert name in plan.errors[0]


def test_tls_1_3_needs_a_node_that_has_it():
    error = planned(about(node_version="10.24.1"), tls_min_version="1.3").errors[0]
    assert "needs Node.js 12; pi1 has 10.24.1" in error
    assert planned(tls_min_version=1.3).errors == []


@pytest.mark.parametrize("setting", ["https", "https.key", "httpsRefreshInterval", "requireHttps"])
def test_an_option_that_overrides_the_setting_is_an_error(setting):
    overridden = about(overrides=[override(setting)])
    assert f"sets {setting} and overrides" in planned(overridden).errors[0]
    assert planned(overridden, tls_proxy_url="https://pi.example.org/").errors
    assert planned(overridden, tls_source="none").errors == []


def test_where_nothing_can_be_judged_nothing_is_planned():
    blind = about(controller=read(cannot_judge="The library cryptography is missing."))
    assert planned(blind).errors == ["The library cryptography is missing."]
    assert planned(blind, tls_source="none").errors == []


# The text of https.


@pytest.mark.parametrize("node_red, node", [("1.1.0", "12.22.12"), ("4.1.15", "20.20.2"), ("5.0.7", None)])
def test_a_function_is_called_again_for_a_renewed_pair(node_red, node):
    settings = planned(about(version=node_red, node_version=node)).set
    assert settings["https"]["$js"].startswith("function () {")
    assert 'minVersion: "TLSv1.2"' in settings["https"]["$js"]
    assert settings["httpsRefreshInterval"] == 1.0


@pytest.mark.parametrize("node_red, node", [("1.0.6", "12.22.12"), ("1.3.7", "10.24.1"), ("0.20.8", "8.17.0")])
def test_an_object_is_set_if_a_function_would_not_be_called_again(node_red, node):
    settings = planned(about(version=node_red, node_version=node)).set
    assert settings["https"]["$js"].startswith("(function () {")
    assert settings["https"]["$js"].endswith("})()")
    assert "httpsRefreshInterval" not in settings


def test_a_node_that_ignores_min_version_is_told_in_its_own_way():
    old = planned(about(version="1.0.6", node_version="8.17.0")).set["https"]["$js"]
    assert "minVersion" not in old
    assert "SSL_OP_NO_TLSv1_1\n" in old


CALLED = """
const https = eval("(" + process.argv[1] + ")");
const options = typeof https === "function" ? https() : https;
console.log(JSON.stringify({ names: Object.keys(options), certificate: options.cert.toString() }));
"""


@pytest.mark.parametrize("version", ["4.1.15", "1.0.6"])
def test_node_gets_the_pair_or_an_exception_but_never_nothing(version, tmp_path):
    authority_path = tmp_path / "client-authority-0123.pem"
    authority_path.write_text(PUBLIC.certificate)
    good, other = PUBLIC.issue(ADDRESS), PUBLIC.issue(ADDRESS)
    (tmp_path / "pair").mkdir()
    (tmp_path / "current").symlink_to("pair")
    (tmp_path / "pair" / "certificate.pem").write_text(good.certificate)
    (tmp_path / "pair" / "key.pem").write_text(good.key)
    instance = {**INSTANCE, "version": version, "tls": placed(folder=str(tmp_path / "current"))}
    text = _https_function.https(instance, min_version="1.3", client_authority=str(authority_path))

    def called():
        return subprocess.run(["node", "-e", CALLED, text], capture_output=True, text=True, timeout=60, check=False)

    options = json.loads(called().stdout)
    assert options["names"] == ["key", "cert", "ca", "requestCert", "rejectUnauthorized", "minVersion"]
    assert options["certificate"] == good.certificate
    (tmp_path / "pair" / "key.pem").write_text(other.key)
    assert "key values mismatch" in called().stderr
    (tmp_path / "pair" / "key.pem").unlink()
    assert "ENOENT" in called().stderr


# A rotation.

NEW_PRIVATE = candidate(constraints(INVENTORY["all"]), PASSPHRASE)
DAY = 24 * 3600


def rotating(change=None, *, due=(), ephemeral="", **rotation):
    """What is read in a run that replaces what is older than a day, or that changes the authority."""
    rotation = {"made_before": now().timestamp() - DAY, **rotation} if rotation else {}
    kept = authority(change=change, due=due)
    return read(authority=kept, rotation=rotation, ephemeral=ephemeral)


@pytest.mark.parametrize("source", ["selfsigned", "authority"])
@pytest.mark.parametrize("age, due", [(0, False), (2, True)], ids=["new", "older than a day"])
def test_a_rotation_replaces_a_certificate_that_is_not_new_without_a_restart(source, age, due):
    present = selfsigned(since=age) if source == "selfsigned" else issued(since=age)
    plan = planned(in_use(present, controller=rotating(certificates=True)), **AUTHORITY | {"tls_source": source})
    assert plan.errors == []
    assert (plan.certificate.get("lines", []), plan.restart) == (["new certificate"] if due else [], "")
    assert ("the present one is to be replaced" in "".join(plan.notes)) == due
    state = in_use(present, controller=rotating(clients=True))
    assert not planned(state, **AUTHORITY | {"tls_source": source}).certificate, "only what is named"


@pytest.mark.parametrize("source", [FILES, text()], ids=["files", "content"])
def test_a_rotation_leaves_a_certificate_of_the_user(source):
    pair = PUBLIC.issue(ADDRESS, since=-30)
    given = text(pair) if source is not FILES else FILES
    controller = files(pair.certificate, placed=True, followed=True)
    state = in_use(pair.certificate, controller=controller | {"rotation": rotating(certificates=True)["rotation"]})
    plan = planned(state, **given)
    assert (plan.errors, plan.certificate) == ([], {})


OLD, NEXT = PRIVATE.certificate, NEW_PRIVATE.certificate
BEGINS = Change("begin", BOTH, OLD, NEXT, NEW_PRIVATE.key)
IS_BOTH = Change(STAY, BOTH, OLD, NEXT)
MOVES = Change("move", MOVED, NEXT, OLD)
IS_MOVED = Change(STAY, MOVED, NEXT, OLD)
FINISHES = Change("finish", ONE, NEXT, "")


def clients_of(plan):
    """The file with the authorities of clients, as the settings name it, and whether it is sent."""
    sent = plan.certificate.get("client_authority", "")
    return plan.set["https"]["$js"].partition("client-authority-")[2][:16], sent


def test_hosts_trust_clients_of_both_authorities_before_the_new_one_issues_anything():
    before, _sent = clients_of(planned(in_use(issued(), controller=ISSUES), **CLIENTS))
    plan = planned(in_use(issued(), controller=rotating(BEGINS)), **CLIENTS)
    named, sent = clients_of(plan)
    assert named != before
    assert (OLD.strip() in sent, NEXT.strip() in sent) == (True, True)
    assert plan.certificate["pair"] == {}, "the certificate stays"
    assert plan.certificate["authority"]["change"] == BEGINS._asdict()
    assert (OLD in plan.checks["authorities"], NEXT in plan.checks["authorities"]) == (True, True)
    assert plan.certificate["lines"][0] == "new private authority, trusted beside the present one"


def test_the_new_authority_issues_certificates_without_a_restart():
    named, _sent = clients_of(planned(in_use(issued(), controller=rotating(IS_BOTH)), **CLIENTS))
    both = {"client_authorities": [f"client-authority-{named}.pem"]}
    plan = planned(in_use(issued(), controller=rotating(MOVES, due=["ada"]), tls=both), **CLIENTS)
    assert clients_of(plan) == (named, ""), "the settings stay, so Node-RED reads the new certificate while it runs"
    assert plan.restart == ""
    assert plan.certificate["pair"]["made_by"] == "authority"
    assert plan.certificate["authority"]["clients"] == {"ada": "/inventory/.nodered-authority/clients"}
    assert plan.notes[0] == "New certificate: its authority is new."
    assert (OLD in plan.checks["authorities"], NEXT in plan.checks["authorities"]) == (True, True)


@pytest.mark.parametrize("change", [IS_MOVED, FINISHES], ids=["moved", "finished"])
def test_a_certificate_of_the_new_authority_stays(change):
    plan = planned(in_use(issued(NEW_PRIVATE), controller=rotating(change)), **AUTHORITY)
    assert not plan.certificate.get("pair")
    assert planned(in_use(issued(), controller=rotating(change)), **AUTHORITY).certificate["pair"]


def test_in_the_end_only_the_new_authority_is_trusted():
    plan = planned(in_use(issued(NEW_PRIVATE), controller=rotating(FINISHES)), **CLIENTS)
    _named, sent = clients_of(plan)
    assert sent == NEXT.strip()
    assert plan.checks["authorities"] == NEXT
    assert plan.certificate["lines"][0] == "the old private authority is no longer trusted"


@pytest.mark.parametrize("change, follows", [(IS_BOTH, OLD), (IS_MOVED, NEXT)], ids=["both", "moved"])
def test_secure_between_two_steps_keeps_what_is_there(change, follows):
    private = {OLD: PRIVATE, NEXT: NEW_PRIVATE}[follows]
    controller = read(authority=authority(change=change))
    first = planned(in_use(issued(private), controller=controller), **CLIENTS)
    named, _sent = clients_of(first)
    state = in_use(
        issued(private),
        text=_settings_js.edit(EMPTY, set=first.set).text,
        controller=controller,
        tls={"client_authorities": [f"client-authority-{named}.pem"]},
    )
    plan = planned(state, **CLIENTS)
    assert not plan.changes
    assert _settings_js.edit(state.text, set=plan.set).changed == ()


def test_a_job_cannot_change_the_authority_in_a_folder():
    plan = planned(in_use(issued(), controller=rotating(BEGINS, ephemeral="awx_job_id is set")), **AUTHORITY)
    assert "The change of the private authority in /inventory/.nodered-authority" in plan.errors[0]
    assert "nodered_tls_authority_trusted" in plan.errors[0]


def test_the_other_authority_has_to_be_one():
    other = Change(STAY, BOTH, OLD, PUBLIC.issue(ADDRESS).certificate)
    assert "is not an authority" in planned(in_use(issued(), controller=rotating(other)), **AUTHORITY).errors[0]


def test_another_authority_needs_one_that_is_given_as_text():
    assert "is for an authority that is given as text" in planned(tls_authority_trusted=NEXT).errors[0]


def test_a_rotation_whose_variables_cannot_be_used_is_an_error():
    assert planned(about(controller=read(rotation_problem="is in the future"))).errors == ["is in the future"]


def test_a_rotation_gives_no_certificate_to_a_host_that_has_none():
    controller = rotating(MOVES, certificates=True, authority=True)
    plan = planned(about(controller=controller), **CLIENTS)
    assert (plan.errors, plan.changes, plan.set, plan.notes) == ([], False, {}, [])
    assert plan.details["rotation"]["left"] == "there is none yet. Run pifleet.nodered.secure"
    assert plan.details["rotation"]["issuer"] == "", "it waits for nothing"
    assert planned(about(controller=rotating()), **CLIENTS).changes


def test_the_summary_knows_what_was_planned():
    controller = rotating(MOVES, certificates=True, authority=True)
    kept = planned(in_use(issued(), controller=controller), **CLIENTS).details["rotation"]
    assert kept["authority"] == {"phase": MOVED, "issuer": NEXT, "beside": OLD}
    assert (kept["certificate"], kept["left"], kept["issuer"], kept["refresh"]) == (True, "", NEXT, 3600)
    mine = planned(in_use(controller=rotating(certificates=True)), tls_source="none").details["rotation"]
    assert (mine["left"], mine["authority"]) == ("this collection has not made it", {})
    assert mine["folder"] == "" != kept["folder"]
