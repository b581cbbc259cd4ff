# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report of an audit costs; `make benchmark` runs it, and --hosts has it measure another number.

Every host fails every check, and an earlier report is compared with. Printed are the computing time of each step and
the size of each file. The exit code is 1 if the whole takes more computing time than it should, or the page more bytes.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
import time

from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _catalogue, _write
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._report import fleets

# For 200 hosts: seconds of computing time, and bytes of the page.
MOST_SECONDS = 30.0
LARGEST_PAGE = 3_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=200)
    hosts = parser.parse_args().hosts
    checks = len(_catalogue.CHECKS)
    begun = time.process_time()
    report, catalogue = fleets.large_fleet(hosts, checks)
    print(f"{hosts} hosts, {checks} checks\n\n{'step':24} {'seconds':>8}")
    print(f"{'make the findings safe':24} {time.process_time() - begun:8.2f}")
    with tempfile.TemporaryDirectory() as folder:
        for step in ("write", "compare and write again"):
            started = time.process_time()
            written = _write.write(pathlib.Path(folder), report, catalogue)
            print(f"{step:24} {time.process_time() - started:8.2f}")
        seconds = time.process_time() - begun
        sizes = {path.name: path.stat().st_size for path in written.files}
    print(f"{'together':24} {seconds:8.2f}\n\n{'file':24} {'KB':>8}")
    for name, size in sizes.items():
        print(f"{name:24} {size / 1000:8.0f}")
    return int(seconds > MOST_SECONDS or sizes["index.html"] > LARGEST_PAGE)


if __name__ == "__main__":
    sys.exit(main())
