# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client certificate for one run, which only a probe of this process can read."""

from __future__ import annotations

import os
import ssl

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._authority import candidate, given
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._certificate_names import constraints
from ansible_collections.pifleet.nodered.plugins.plugin_utils._certificates._client_files import (
    PROOF,
    ClientFolder,
    pair_of_a_run,
    unseen,
)
from ansible_collections.pifleet.nodered.plugins.plugin_utils._core import _kept_files
from ansible_collections.pifleet.nodered.tests.open_files import open_files

AUTHORITY = given(*candidate(constraints(["pi1"]), "opens it"), "opens it")
PAIR = pair_of_a_run(AUTHORITY, 30)


def test_an_interrupted_rotation_of_the_verification_is_not_left_with_halves_of_two_pairs(monkeypatch, tmp_path):
    files = ClientFolder(tmp_path)
    files.make(PROOF, AUTHORITY, days=90, passphrase="")
    assert not files.is_due(PROOF, AUTHORITY.pem, 30)
    write = _kept_files.write

    def killed(path, *arguments):
        write(path, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(_kept_files, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        files.make(PROOF, AUTHORITY, days=90, passphrase="")
    assert files.is_due(PROOF, AUTHORITY.pem, 30)


@pytest.mark.parametrize("in_memory", [True, False], ids=["Linux", "another system"])
def test_it_can_be_used_and_is_gone_then(monkeypatch, tmp_path, in_memory):
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create")
    before = set(open_files())
    with unseen(PAIR._asdict(), str(tmp_path)) as options:
        assert set(options) == {"client_cert", "client_key"}
        ssl.create_default_context().load_cert_chain(options["client_cert"], options["client_key"], password="")
        files = [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()]
        assert files == ([] if in_memory else [0o600])
    assert list(tmp_path.iterdir()) == []
    assert set(open_files()) <= before, "what others close meanwhile does not matter"
    assert not os.path.exists(options["client_key"])


def test_it_is_gone_after_an_error(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(KeyError), unseen(PAIR._asdict(), str(tmp_path)):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pair", [None, {}])
def test_without_a_pair_there_are_no_options(tmp_path, pair):
    with unseen(pair, str(tmp_path)) as options:
        assert options == {}
