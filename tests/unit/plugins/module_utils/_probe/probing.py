# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe as tests call it."""

from __future__ import annotations

from ansible_collections.pifleet.nodered.plugins.module_utils._probe import _probe
from ansible_collections.pifleet.nodered.plugins.module_utils._probe._target import Target


def probe(url, **given):
    return _probe.probe(Target(url, **given))
