# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a rotation of certificates on a host, with a server that presents one."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates import _certificate_make
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority import AuthorityFolder, candidate
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority_change import (
    BEGIN,
    BOTH,
    MOVE,
    MOVED,
    UNCONCERNED,
    Authorities,
    change,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_names import constraints
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._base import Plan
from ansible_collections.pifleet.nodered.plugins.plugin_utils._plan._run_state import State
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run import _rotated_certificates
from ansible_collections.pifleet.nodered.plugins.plugin_utils._run._rotated_certificates import RotatedCertificates
from ansible_collections.pifleet.nodered.tests.certificates import now
from ansible_collections.pifleet.nodered.tests.unit.plugins.module_utils._probe.probing import probe
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import EMPTY, INSTANCE, instance

HOST = "127.0.0.1"
SECRET = "opens it"
OLD, NEW = (candidate(constraints([HOST]), SECRET) for _each in range(2))


def issued(by):
    authority = _certificate_make.Authority.opened(by.certificate, by.key.encode(), SECRET)
    return authority.host_pair([HOST], called="pi1", now=now(), days=397)


BEFORE, AFTER = issued(OLD), issued(NEW)


@pytest.fixture
def port(tmp_path):
    """That of a server that presents BEFORE, and AFTER once its file has been replaced."""
    file = tmp_path / "server.pem"
    file.write_text(BEFORE.certificate + BEFORE.key)
    listening = socket.create_server((HOST, 0))
    threading.Thread(target=answer, args=(listening, file), daemon=True).start()
    yield listening.getsockname()[1]
    listening.close()


def answer(listening, file):
    while True:
        try:
            connection, _address = listening.accept()
        except OSError:
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        try:
            context.wrap_socket(connection, server_side=True).close()
        except OSError:
            connection.close()


class Step:
    """What is used of the action."""

    host = "pi1"
    variables = {"nodered_rotate_fleet": ["pi1", "pi2"]}
    asked = 0

    def __init__(self, place="controller", later=lambda: None):
        self.place, self.later = place, later

    def probed(self, options):
        self.asked += 1
        if self.asked == 2:
            self.later()
        if self.place == "host":
            return [{"id": "certificate_trusted", "status": "skip"}]
        given = {name: value for name, value in options.items() if name not in ("local_url", "run_on")}
        return probe(**{**given, "only": ["answers", *given["only"]]}, timeout=5)


def about(port, certificate, rotation, *, replaced=5):
    tls = {**INSTANCE["tls"], "certificate": certificate, "replaced": replaced}
    now = instance(port=port, scheme="https", url=f"https://{HOST}:{port}/", tls=tls)
    plans = {"tls": Plan(details={"rotation": rotation} if rotation else {})}
    variables = {"nodered_address": HOST}
    return State(now, EMPTY, "", EMPTY, plans, variables=variables, origin={"place": "controller", "note": ""})


def rotation(authority=None, **different):
    kept = {"certificate": True, "made": True, "left": "", "made_before": 1, "issuer": "", "refresh": 3600}
    return {**kept, "authority": authority or {}, "both": bool(authority), "folder": "", **different}


@pytest.fixture
def folder(tmp_path):
    """One in which the new authority issues certificates."""
    folder = AuthorityFolder(tmp_path / "authority")
    authorities = Authorities(folder)
    with folder.locked():
        folder.put(OLD)
        for step in (BEGIN, MOVE):
            authorities.take(change(authorities.present(), step, NEW))
    return folder


def ended(step, state):
    """What is reported if there is no problem."""
    certificates = RotatedCertificates(step, state)
    assert certificates.problems() == []
    return certificates.lines()


def moved(folder):
    authority = {"phase": MOVED, "issuer": NEW.certificate, "beside": OLD.certificate}
    return rotation(authority, issuer=NEW.certificate, folder=str(folder.path))


def test_without_a_rotation_of_certificates_nothing_is_asked_and_reported(port):
    step = Step()
    assert ended(step, about(port, BEFORE.certificate, {})) == []
    state = about(port, BEFORE.certificate, {})
    state.plans = {}
    assert ended(step, state) == []
    assert step.asked == 0


def test_a_host_that_presents_the_new_certificate_has_moved(port, folder, tmp_path):
    (tmp_path / "server.pem").write_text(AFTER.certificate + AFTER.key)
    lines = ended(Step(), about(port, AFTER.certificate, moved(folder)))
    assert lines[0].startswith("certificate new, expires ")
    assert lines[0].endswith(", in use; authority both")
    assert "not done yet on pi2." in lines[1]
    assert Authorities(folder).reached() == {"pi1": MOVED}


def test_the_last_host_of_a_run_reports_how_far_the_fleet_is(port, folder, tmp_path):
    (tmp_path / "server.pem").write_text(AFTER.certificate + AFTER.key)
    state, step = about(port, AFTER.certificate, moved(folder)), Step()
    step.variables = {**Step.variables, "ansible_play_hosts": ["pi1", "pi2"]}
    assert len(ended(step, state)) == 1
    step.variables["ansible_play_hosts"] = ["pi1"]
    assert "not done yet on pi2." in ended(step, state)[1]


def test_a_host_that_presents_the_old_one_until_it_reads_the_new_one_has_not_moved(port, folder):
    step = Step()
    lines = ended(step, about(port, AFTER.certificate, moved(folder)))
    assert "in use from" in lines[0]
    assert "not done yet on pi1, pi2." in lines[1]
    assert Authorities(folder).reached() == {}
    assert step.asked == 1, "an hour is left to the next run"


def test_a_short_time_is_waited_for(port, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(_rotated_certificates, "BETWEEN", 0.1)
    step = Step(later=lambda: (tmp_path / "server.pem").write_text(AFTER.certificate + AFTER.key))
    lines = ended(step, about(port, AFTER.certificate, {**moved(folder), "refresh": 20}))
    assert step.asked == 2
    assert ", in use;" in lines[0]


def test_an_old_certificate_that_is_presented_for_too_long_is_an_error(port, folder):
    state = about(port, AFTER.certificate, moved(folder), replaced=3700)
    (problem,) = RotatedCertificates(Step(), state).problems()
    assert problem.startswith("Node-RED presents another certificate than that in /etc/nodered-tls/")
    assert Authorities(folder).reached() == {}


def test_where_only_the_host_itself_is_asked_the_certificate_is_not_seen(port, folder):
    lines = ended(Step("host"), about(port, AFTER.certificate, moved(folder)))
    assert "not seen from outside; authority both" in lines[0]
    assert Authorities(folder).reached() == {"pi1": MOVED}


def test_a_host_without_certificates_of_the_authority_is_not_waited_for(port, folder, tmp_path):
    lines = ended(Step(), about(port, BEFORE.certificate, rotation(folder=str(folder.path))))
    assert lines[1] == "authority: not used on this host"
    assert Authorities(folder).reached() == {"pi1": UNCONCERNED}
    nowhere = tmp_path / "nowhere"
    assert len(ended(Step(), about(port, BEFORE.certificate, rotation(folder=str(nowhere))))) == 1
    assert not nowhere.exists()


def test_a_certificate_of_the_user_is_not_asked_for(port, folder):
    step = Step()
    authority = {"phase": BOTH, "issuer": OLD.certificate, "beside": NEW.certificate}
    given = rotation(authority, left="there is none yet", folder=str(folder.path))
    lines = ended(step, about(port, None, given))
    assert lines[0] == "certificate left unchanged: there is none yet; authority both"
    assert step.asked == 0
    assert Authorities(folder).reached() == {}, "another run has gone on meanwhile"
