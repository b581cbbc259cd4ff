# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parsed text of a settings file costs."""

from __future__ import annotations

import gc
import weakref

from ansible_collections.pifleet.nodered.plugins.plugin_utils._js._tree import Source


def test_a_source_is_freed_once_nobody_needs_it() -> None:
    source = weakref.ref(Source("module.exports = {};\n"))
    gc.collect()
    assert source() is None
