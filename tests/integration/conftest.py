# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real machines over real SSH: a fleet of containers with systemd and Node-RED, and the playbooks that people run."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
import yaml
from selenium import webdriver

from .browser import chromium
from .fleet import FLEET_NAME, Fleet, Pi
from .recording import Recording

# A file is run by one worker as a whole, so those that take longest come first, in the order of their measured times.
LONGEST_FIRST = (
    *("test_hostile_pi", "test_faults", "test_several", "test_tls", "test_sessions", "test_hardening", "test_login"),
    *("test_launchers", "test_firewall", "test_restore", "test_power_cut", "test_rotate", "test_secure"),
    *("test_examples", "test_secrets", "test_upgrade", "test_old_release", "test_rotate_certificates"),
    *("test_read_only", "test_http_auth", "test_verify_from", "test_boards", "test_start", "test_port"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        return LONGEST_FIRST.index(item.path.stem) if item.path.stem in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    """Every variant, up once for the whole session."""
    fleet = Fleet.fresh(FLEET_NAME, ["pi31", "pi41", "pi50", "pi41-alex"])
    yield fleet
    fleet.down()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("home")) as browser:
        yield browser


@pytest.fixture
def passwords(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "passwords"


@pytest.fixture
def variables(passwords, tmp_path):
    return {
        "nodered_login_password_dir": str(passwords),
        "nodered_http_auth_password_dir": str(tmp_path / "http-auth"),
        "nodered_login_totp_dir": str(tmp_path / "totp"),
        "nodered_restart_timeout": 60,
    }


@pytest.fixture
def recording(tmp_path: pathlib.Path) -> Recording:
    return Recording(tmp_path / "events")


@pytest.fixture
def play(fleet, tmp_path):
    """Run tasks on one machine, as a site playbook would."""

    def run(pi, *tasks, **variables):
        path = tmp_path / "tasks.yml"
        path.write_text(
            yaml.safe_dump([{"hosts": pi.name, "become": True, "gather_facts": False, "tasks": list(tasks)}])
        )
        return fleet.play(path, variables=variables or None)

    return run


def _fresh(fleet: Fleet, name: str) -> Pi:
    pi = fleet.pis[name]
    pi.reset()
    return pi


@pytest.fixture
def pi31(fleet: Fleet) -> Pi:
    return _fresh(fleet, "pi31")


@pytest.fixture
def pi41(fleet: Fleet) -> Pi:
    return _fresh(fleet, "pi41")


@pytest.fixture
def pi50(fleet: Fleet) -> Pi:
    return _fresh(fleet, "pi50")


@pytest.fixture
def alex(fleet: Fleet) -> Pi:
    return _fresh(fleet, "pi41-alex")


@pytest.fixture
def pi(pi41: Pi) -> Iterator[Pi]:
    """A machine whose firewall a test may change."""
    yield pi41
    pi41.forget_firewall()
