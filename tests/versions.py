# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test with each ansible-core, Python and age of libraries that is promised, and write the table for the documentation.

`make versions`, or `make versions VERSIONS="2.17-3.11-lowest 2.21-3.13-newest-sanity"`. The table of a run with all
is a part of `docs/compatibility.md`; that of some is only printed. A Python that this machine lacks comes from a Debian
that has it, in a container.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from ..containers.pi import images
from . import generated

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = CHECKOUT / "build" / "versions"
LOWEST = CHECKOUT / "tests" / "requirements-lowest.txt"
# Packages of plugin_utils that do not import ansible-core. A unit test checks it.
WITHOUT_CORE = ("_audit", "_certificates", "_firewall", "_js", "_passwords", "_plan", "_report", "_settings")
# What runs on the controller, and so depends on libraries. The rest runs on the Pi, without any.
CONTROLLER = [f"tests/unit/plugins/{folder}" for folder in ("action", "filter", "lookup", "plugin_utils")]
CORE_ALONE = [*CONTROLLER, *(f"--ignore=tests/unit/plugins/plugin_utils/{package}" for package in WITHOUT_CORE)]
EVERYTHING = ["tests/unit/plugins"]
# How long hostile text takes is no question of versions.
LEFT_OUT = "--ignore=tests/unit/plugins/plugin_utils/_settings/test_hostile_text.py"
# Each with the Pythons that it supports on a controller.
CORES: Mapping[str, tuple[str, Sequence[str]]] = {
    "2.17": ("~=2.17.0", ["3.10", "3.11", "3.12"]),
    "2.18": ("~=2.18.0", ["3.11", "3.12", "3.13"]),
    "2.19": ("~=2.19.0", ["3.11", "3.12", "3.13"]),
    "2.20": ("~=2.20.0", ["3.12", "3.13", "3.14"]),
    "2.21": ("~=2.21.0", ["3.12", "3.13", "3.14"]),
    "2.22": ("~=2.22.0rc1", ["3.13", "3.14"]),
}
# The pylint of this one needs a package from outside of PyPI, which is not reached everywhere.
SANITY_OPTIONS = {"2.22": ["--skip-test", "pylint"]}
TOOLS = ("hypothesis", "jsonschema", "prometheus-client", "pytest", "pytest-xdist")
DEBIANS = {"3.11": "bookworm", "3.13": "trixie", "3.14": "forky"}
PACKAGES = ["ca-certificates", "e2fsprogs", "git", "nodejs", "openssh-client", "openssl", "procps"]
HEADER = ["ansible-core", "Python", "libraries", "unit tests", "sanity"]
INTRODUCTION = """\
## ansible-core, Python and libraries

`make versions` wrote this table on {date}. It runs the unit tests of what imports ansible-core, with the lowest
libraries of `meta/requirements.txt` and with the newest. What runs on the controller without ansible-core is tested
once with each Python and each age of libraries, and what runs on the Pi once with each Python: these rows have more
tests.

"""
LACKING = "This machine had no Python {}, and no Debian has it: not tested.\n"


@dataclasses.dataclass(frozen=True)
class Row:
    core: str
    python: str
    libraries: str
    tests: str
    sanity: str = ""

    @property
    def passed(self) -> bool:
        return not re.search("fail|error", self.tests + self.sanity)


def main(names: Sequence[str]) -> int:
    combinations = list(names) or list(all_combinations())
    rows = []
    for name in combinations:
        rows.append(tested(*name.split("-")))
        print(" | ".join(dataclasses.astuple(rows[-1])), flush=True)
        if not rows[-1].passed:
            print((FOLDER / f"{name.removesuffix('-sanity')}.log").read_text())
    if not names:
        generated.write("versions", part(rows, datetime.datetime.now(tz=datetime.timezone.utc).date()))
    return 0 if all(row.passed for row in rows) else 1


def all_combinations() -> Iterator[str]:
    """Core, Python and libraries. Sanity once for each core, with the first Python."""
    for core, (_requirement, pythons) in CORES.items():
        usable = [python for python in pythons if python in DEBIANS or interpreter(python)]
        for python in usable:
            yield f"{core}-{python}-lowest"
            yield f"{core}-{python}-newest{'-sanity' if python == usable[0] else ''}"


def part(rows: Sequence[Row], date: datetime.date) -> str:
    """What the documentation shows of a run with all combinations."""
    tried = {".".join(row.python.split(".")[:2]) for row in rows}
    lacking = sorted({python for _requirement, pythons in CORES.values() for python in pythons} - tried)
    table = generated.table([HEADER, *(list(dataclasses.astuple(row)) for row in rows)])
    note = "\n" + LACKING.format(" and ".join(lacking)) if lacking else ""
    return INTRODUCTION.format(date=date) + table + note


@dataclasses.dataclass(frozen=True)
class Environment:
    """A virtual environment in which one combination is tested. What its commands print is kept in a file."""

    folder: pathlib.Path
    prefix: Sequence[str]
    """What each command begins with, if it runs in a container."""

    @property
    def log(self) -> pathlib.Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    def run(self, *command: str | pathlib.Path) -> bool:
        """Whether the command succeeded. The programs of the environment come first."""
        path = f"PATH={self.folder / 'bin'}:{os.environ['PATH']}"
        with self.log.open("a") as log:
            done = subprocess.run(
                [*self.prefix, "env", path, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=CHECKOUT,
                check=False,
            )
        return done.returncode == 0

    def installed(self, python: str, requirements: str) -> bool:
        self.log.unlink(missing_ok=True)
        file = self.folder.with_name(f"{self.folder.name}.requirements")
        file.write_text(requirements)
        options = ["--quiet", "--no-compile", "--upgrade", "--prefer-binary"]
        return self.run(python, "-m", "venv", self.folder) and self.run(
            self.folder / "bin" / "pip", "install", *options, "-r", file
        )

    def sanity(self, options: Sequence[str]) -> str:
        """What the table has about ansible-test sanity with these options."""
        python = f"PYTHON={self.folder / 'bin' / 'python'}"
        return " ".join(["passed" if self.run("env", python, "tests/sanity/run", *options) else "failed", *options])

    def releases(self) -> list[str]:
        """Those of ansible-core and Python."""
        code = "import ansible.release as a, platform as p; print(a.__version__, p.python_version())"
        command = [*self.prefix, self.folder / "bin" / "python", "-c", code]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def tested(core: str, python: str, libraries: str, sanity: str = "") -> Row:
    """Install and test one combination."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    local = interpreter(python)
    environment = Environment(FOLDER / f"{core}-{python}-{libraries}", [] if local else container(python))
    if not environment.installed(local or f"python{python}", wanted(LOWEST.read_text(), core, libraries)):
        return Row(core, python, libraries, "failed to install")
    environment.run("pytest", "--numprocesses=2", LEFT_OUT, *tests_of(core, python, libraries))
    tests = outcome(environment.log.read_text())
    checked = ""
    if sanity:
        checked = environment.sanity(SANITY_OPTIONS.get(core, []))
    return Row(*environment.releases(), libraries, tests, checked)


def tests_of(core: str, python: str, libraries: str) -> Sequence[str]:
    """The arguments of pytest that choose the unit tests of a combination."""
    cores = [name for name, (_requirement, pythons) in CORES.items() if python in pythons]
    if libraries == "lowest":
        return CONTROLLER if core == cores[0] else CORE_ALONE
    return EVERYTHING if core == cores[-1] else CORE_ALONE


def wanted(lowest: str, core: str, libraries: str) -> str:
    """The requirements of a combination, from those of the lowest one. No version of a test tool is promised."""
    lines = [line for line in lowest.splitlines() if not line.startswith(("#", "ansible-core"))]
    free = [line for line in lines if libraries == "newest" or line.startswith(TOOLS)]
    lines = [re.sub("==[^;]*", "", line) if line in free else line for line in lines]
    newest = CORES[core][0]
    release = newest if libraries == "newest" or "rc" in newest else f"=={core}.0"
    return "\n".join([f"ansible-core{release}", *TOOLS, *lines]) + "\n"


def outcome(log: str) -> str:
    """The counts of pytest's last line, without the skipped tests and the warnings."""
    lines = re.findall(r"^(?:=+ )?(\d+ (?:passed|failed).*) in [\d.]+s", log, re.MULTILINE)
    counts = re.findall(r"\d+ (?:passed|failed|errors?)", lines[-1]) if lines else []
    return ", ".join(counts) or "error: no test ran"


def interpreter(python: str) -> str | None:
    """This machine's interpreter of that version, also if pyenv or uv has it; None without one."""
    home = pathlib.Path.home()
    found = [
        shutil.which(f"python{python}"),
        *sorted(home.glob(f".pyenv/versions/{python}.*/bin/python{python}")),
        *sorted(home.glob(f".local/share/uv/python/cpython-{python}.*/bin/python{python}")),
    ]
    for candidate in filter(None, found):
        # The first one can be a file of pyenv that only knows where the interpreter is not.
        if subprocess.run([candidate, "-c", "import ensurepip"], capture_output=True, check=False).returncode == 0:
            return str(candidate)
    return None


def container(python: str) -> list[str]:
    """What a command begins with that is to run in the container with this Python."""
    git = subprocess.run(
        ["git", "rev-parse", "--path-format=absolute", "--git-common-dir"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    images.CACHE.mkdir(parents=True, exist_ok=True)
    return [
        *("docker", "run", "--rm", "--init", "--network=host", "--cap-add=LINUX_IMMUTABLE", f"--workdir={CHECKOUT}"),
        *(f"--volume={folder}:{folder}" for folder in (CHECKOUT, images.CACHE)),
        f"--volume={git}:{git}:ro",
        "--volume=/etc/ssl/certs:/etc/ssl/certs:ro",
        "--env=PIP_CERT=/etc/ssl/certs/ca-certificates.crt",
        f"--env=PIP_CACHE_DIR={images.CACHE / 'pip'}",
        f"--env=XDG_CACHE_HOME={images.CACHE.parent}",
        *(f"--env={name}" for name in ("ANSIBLE_COLLECTIONS_PATH", "LC_ALL", "PIP_INDEX_URL", "HTTPS_PROXY")),
        image(python),
    ]


def image(python: str) -> str:
    """The Docker image with this Python, which is made from Debian's packages where it is missing."""
    debian = DEBIANS[python]
    packages = [f"python{python}-venv", *PACKAGES]
    name = f"pifleet/python-{python}:{images._hash(debian, packages, images.LEFT_OUT)}"
    with images.only_one(images.CACHE / f"python-{python}.lock"):
        if not images.image_exists(name):
            tar = FOLDER / f"{debian}.tar"
            tar.parent.mkdir(parents=True, exist_ok=True)
            images._run_logged(
                f"python-{python}",
                [
                    "mmdebstrap",
                    "--variant=minbase",
                    f"--include={','.join(packages)}",
                    *(f"--dpkgopt=path-exclude={pattern}" for pattern in images.LEFT_OUT),
                    # The list of a release that is not out yet is valid for a week only, and mirrors can lag.
                    '--aptopt=Acquire::Check-Valid-Until "false"',
                    f'--customize-hook=ln -sf python{python} "$1/usr/bin/python3"',
                    debian,
                    str(tar),
                    *images._apt_sources(debian)[:1],
                ],
                timeout=1200,
            )
            images.output("docker", "import", str(tar), name, timeout=300)
            tar.unlink()
    return name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
