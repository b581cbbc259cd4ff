# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import time
import types

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _systemd
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import Socket, Unit, Word

# As systemd 252 prints it for the unit of the official installer.
SHOWN = """\
Id=nodered.service
LoadState=loaded
ActiveState=active
MainPID=53
FragmentPath=/lib/systemd/system/nodered.service
DropInPaths=/etc/systemd/system/nodered.service.d/10-a.conf /etc/systemd/system/nodered.service.d/20-b.conf
Environment=XDG_RUNTIME_DIR=/run/user/0 "OPTIONS=two words"
EnvironmentFiles=/home/pi/.node-red/environment (ignore_errors=yes)
EnvironmentFiles=/etc/default/node-red (ignore_errors=no)
ExecStart={ path=/usr/bin/env ; argv[]=/usr/bin/env node-red-pi $NODE_OPTIONS -- $NODE_RED_OPTIONS ; ignore_errors=no }
TriggeredBy=nodered.socket

Id=node-red.service
LoadState=not-found
ActiveState=inactive
MainPID=0
"""


@pytest.fixture
def unit():
    return Unit("nodered.service", _systemd.parse_show(SHOWN)[0])


def test_systemctl_show_is_read_block_by_block():
    first, second = _systemd.parse_show(SHOWN)
    assert (first["Id"], second["LoadState"]) == (["nodered.service"], ["not-found"])
    assert len(first["EnvironmentFiles"]) == 2


def test_a_unit_tells_its_files_in_the_order_in_which_they_are_read(unit):
    assert unit.files == [
        "/lib/systemd/system/nodered.service",
        "/etc/systemd/system/nodered.service.d/10-a.conf",
        "/etc/systemd/system/nodered.service.d/20-b.conf",
    ]
    assert unit.socket == "nodered.socket"
    assert unit.main_pid == 53


def test_a_service_that_systemd_cannot_start_is_refused_with_the_remedy(monkeypatch):
    monkeypatch.setattr(_systemd, "run", lambda _arguments: types.SimpleNamespace(stdout=SHOWN, returncode=0))
    assert _systemd.existing("nodered").main_pid == 53
    masked = types.SimpleNamespace(stdout="Id=nodered.service\nLoadState=masked\n", returncode=0)
    monkeypatch.setattr(_systemd, "run", lambda _arguments: masked)
    with pytest.raises(Failure, match=r"nodered.service does not exist \(masked\)[.]\nLeave it out[.]"):
        _systemd.existing("nodered", "Leave it out.")


# As systemd 252 prints it for BeagleBone's unit.
SOCKET = """\
Id=nodered.socket
LoadState=loaded
ActiveState=active
UnitFileState=enabled
FragmentPath=/lib/systemd/system/nodered.socket
DropInPaths=
Listen=[::]:1880 (Stream)
"""


def socket_unit(text=SOCKET):
    return Socket("nodered.socket", _systemd.parse_show(text)[0])


def test_a_socket_unit_tells_on_what_systemd_listens():
    assert (socket_unit().streams, socket_unit().address) == (["[::]:1880"], ("::", 1880))


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:1880 (Stream)", ("127.0.0.1", 1880)),
        ("[::1]:80 (Stream)", ("::1", 80)),
        ("[fe80::1%eth0]:1880 (Stream)", ("fe80::1", 1880)),
        ("/run/nodered.sock (Stream)", None),
        ("[::]:1880 (Datagram)", None),
        ("@abstract (Stream)", None),
    ],
)
def test_only_a_tcp_socket_has_a_port(listen, address):
    assert socket_unit(SOCKET.replace("[::]:1880 (Stream)", listen)).address == address


def test_the_first_socket_is_the_one_that_counts():
    both = SOCKET.replace("Listen=", "Listen=127.0.0.1:1885 (Stream)\nListen=")
    assert socket_unit(both).streams == ["127.0.0.1:1885", "[::]:1880"]
    assert socket_unit(both).address == ("127.0.0.1", 1885)


@pytest.mark.parametrize(
    ("state", "file_state", "in_use"),
    [
        ("active", "enabled", True),
        ("active", "disabled", True),
        # Where somebody has stopped the service, and with it the socket, and started the service alone.
        ("inactive", "enabled", True),
        ("inactive", "enabled-runtime", True),
        ("inactive", "disabled", False),
        ("failed", "static", False),
    ],
)
def test_a_socket_unit_is_in_use_that_listens_or_will_after_a_boot(unit, monkeypatch, state, file_state, in_use):
    class Answer:
        returncode = 0
        stdout = SOCKET.replace("=active", "=" + state).replace("=enabled", "=" + file_state)

    monkeypatch.setattr(_systemd, "run", lambda arguments, timeout=60: Answer)
    assert (_systemd.socket_of(unit) is not None) == in_use


def test_a_service_without_a_socket_unit_costs_no_question(monkeypatch):
    monkeypatch.setattr(_systemd, "run", lambda arguments, timeout=60: pytest.fail("nothing to ask"))
    assert _systemd.socket_of(Unit("nodered.service", {"TriggeredBy": ["nodered.timer"]})) is None


def test_the_file_whose_stream_is_in_effect_is_the_last_that_has_one(tmp_path):
    for name, text in {"unit": "ListenStream=1880", "a": "ListenStream=1885", "b": "Backlog=9\nListenStream="}.items():
        (tmp_path / name).write_text(f"[Socket]\n{text}\n")
    found = socket_unit(
        SOCKET.replace("FragmentPath=/lib/systemd/system/nodered.socket", f"FragmentPath={tmp_path}/unit").replace(
            "DropInPaths=", f"DropInPaths={tmp_path}/a {tmp_path}/b {tmp_path}/gone"
        )
    )
    assert found.file == f"{tmp_path}/a"


def test_without_dbus_the_command_is_taken_from_the_text(unit, monkeypatch):
    def no_busctl(arguments, timeout=60):
        raise Failure("busctl is not installed on this machine.")

    monkeypatch.setattr(_systemd, "run", no_busctl)
    command = _systemd.command(unit)
    assert command.words == ["/usr/bin/env", "node-red-pi", "$NODE_OPTIONS", "--", "$NODE_RED_OPTIONS"]
    assert command.environment == ["XDG_RUNTIME_DIR=/run/user/0", "OPTIONS=two words"]
    assert command.environment_files == ["/home/pi/.node-red/environment", "/etc/default/node-red"]


@pytest.mark.parametrize("name", ["nodered", "node-red.service", "nodered@pi", "x_1.y"])
def test_a_service_name_gets_its_suffix_once(name):
    assert _systemd.full_name(name).endswith(".service")
    assert not _systemd.full_name(name).endswith(".service.service")


@pytest.mark.parametrize("name", ["", "../x", "a b", "-p", "a/b", "a\nb"])
def test_what_systemd_would_not_take_as_a_name_is_refused(name):
    with pytest.raises(Failure):
        _systemd.full_name(name)


def test_an_unbraced_variable_becomes_as_many_words_as_it_holds():
    words = _systemd.expand(["/usr/bin/env", "node-red-pi", "$A", "--", "$B"], {"A": "-x  --y", "B": ""})
    assert words == [Word("/usr/bin/env"), Word("node-red-pi"), Word("-x", "A"), Word("--y", "A"), Word("--")]


def test_quotes_in_an_unbraced_variable_group_words():
    words = _systemd.expand(["x", "$A"], {"A": "-D 'a=b c' \"d\"e"})
    assert [word.text for word in words] == ["x", "-D", "a=b c", "de"]


def test_a_braced_variable_is_never_split():
    assert _systemd.expand(["x", "p=${A}"], {"A": "1 2"}) == [Word("x"), Word("p=1 2", "A")]
    assert _systemd.expand(["x", "${NONE}"], {}) == [Word("x"), Word("", "NONE")]


@pytest.mark.parametrize("words", [["$A"] * 20000, ["${A}"] * 20000, ["${A}" * 20000], ["$A", "${A}" * 60]])
def test_a_command_line_that_no_memory_holds_is_rejected(words):
    with pytest.raises(Failure, match="more than 65536 characters"):
        _systemd.expand(["x", *words], {"A": "a " * 50000})


def test_a_long_variable_takes_no_time():
    begun = time.process_time()
    assert _systemd.split_value("x" * 2**20) == ["x" * 2**20]
    assert time.process_time() - begun < 4


def test_a_variable_inside_a_word_and_a_doubled_dollar_are_not_expanded():
    assert [word.text for word in _systemd.expand(["x", "a$A", "$$A"], {"A": "1"})] == ["x", "a$A", "$A"]
