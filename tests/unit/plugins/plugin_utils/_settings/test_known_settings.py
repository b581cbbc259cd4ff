# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Misspelled settings are noticed."""

from __future__ import annotations

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._known_settings import (
    KNOWN_SETTINGS,
    nearest_known,
)


@pytest.mark.parametrize(
    "name",
    ["uiPort", "adminAuth", "https", "ui", "dashboard", "storageModule", "readOnly", "httpAdminAuth"],
)
def test_settings_of_any_release_are_known(name: str) -> None:
    assert name in KNOWN_SETTINGS


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("adminauth", "adminAuth"),
        ("UIPORT", "uiPort"),
        ("httpsNodeAuth", "httpNodeAuth"),
        ("disableEdtor", "disableEditor"),
        ("contextStore", "contextStorage"),
        ("somethingElse", None),
        ("x", None),
    ],
)
def test_the_nearest_known_name_is_offered(name: str, meant: str | None) -> None:
    assert nearest_known(name) == meant
