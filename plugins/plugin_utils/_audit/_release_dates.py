# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the major releases of Node-RED and Node.js get their last fixes. Private; data only.

Sources: https://nodered.org/about/releases/ (updated on 2026-06-09) and https://github.com/nodejs/Release. Projects
move these dates. To update them before each release of the collection, compare both tables with these pages (for
Node.js: schedule.json), and set DATED to the day on which you did.
"""

from __future__ import annotations

DATED = "2026-11-29"

# Major release: the last day, in UTC; empty if it was not announced.
NODE_RED = {
    1: "2022-06-30",
    2: "2023-06-30",
    3: "2025-06-30",
    4: "2026-12-31",
    5: "",
}
NODE = {
    8: "2019-12-31",
    9: "2018-06-30",
    10: "2021-04-30",
    11: "2019-06-01",
    12: "2022-04-30",
    13: "2020-06-01",
    14: "2023-04-30",
    15: "2021-06-01",
    16: "2023-09-11",
    17: "2022-06-01",
    18: "2025-04-30",
    19: "2023-06-01",
    20: "2026-04-30",
    21: "2024-06-01",
    22: "2027-04-30",
    23: "2025-06-01",
    24: "2028-04-30",
    25: "2026-06-01",
}
