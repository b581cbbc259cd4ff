# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: put a certificate and its key where Node-RED reads them, as a pair or not at all.

It imports nothing of the collection, for the same text is left on the machine: there systemd runs it when the files
that it copies are renewed.
"""

from __future__ import annotations

import argparse
import contextlib
import grp
import os
import pwd
import re
import secrets
import shutil
import ssl
import subprocess
import sys
import time
from typing import Callable, List, NamedTuple, Optional, Sequence, Tuple

CURRENT = "current"
CERTIFICATE = "certificate.pem"
KEY = "key.pem"
# A renewal writes two files; until both are there they do not match.
HALF_WRITTEN_SECONDS = 60
TRY_OUT_SECONDS = 60

# What https in settings.js does, so that nothing is left to find out at Node-RED's next start.
TRY_OUT = """
const fs = require("fs"), folder = process.argv[1];
const read = function (name) { return fs.readFileSync(folder + "/" + name); };
try {
    require("tls").createSecureContext({ key: read("key.pem"), cert: read("certificate.pem") });
} catch (error) {
    // The message alone: a stack shows lines of node's own source.
    console.error(error.message);
    process.exitCode = 1;
}
"""

EXPLANATIONS = (
    (
        r"key values mismatch|KEY_VALUES_MISMATCH",
        "the key does not belong to the certificate",
        "Give the key with which this certificate was made; the server's own certificate comes first in its file.",
    ),
    (
        r"key too small|KEY_TOO_SMALL|md too weak|MD_TOO_WEAK",
        "the certificate or its key is too weak",
        "Have one made with a P-256 key, or RSA with at least 2048 bits, and SHA-256.",
    ),
    (
        r"passphrase|password|bad decrypt|BAD_DECRYPT|interrupted or cancelled|bad password read",
        "the key is protected by a passphrase, which nobody could give at Node-RED's start",
        "Give the key without a passphrase; only root and the service's group can read where it is kept.",
    ),
    (
        r"EACCES|Permission denied",
        "the user that Node-RED runs as cannot read the pair",
        "Give that user's group access to every folder on the way.",
    ),
    (
        r"PEM|no start line|bad end line|asn1|ASN1|DECODER|not enough data|bad base64",
        "the certificate or the key is damaged or not in PEM form",
        "Give complete PEM files (-----BEGIN ... to -----END ...); one may have been half-written.",
    ),
)


class PairError(Exception):
    """Why a pair cannot be used, and what to do. Holds nothing of the key."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem + "\n" + remedy)
        self.problem = problem
        self.remedy = remedy


class Pair(NamedTuple):
    certificate: bytes
    key: bytes


class Reader(NamedTuple):
    """Who reads the pair: Node-RED's user and groups, and its node."""

    user: str
    group: str
    node: str
    supplementary_groups: Sequence[str] = ()

    @property
    def gid(self) -> int:
        return _group_id(self.group)

    def become(self) -> Callable[[], None]:
        """What turns a new process into this user."""
        account = pwd.getpwnam(self.user)
        groups = os.getgrouplist(self.user, self.gid) + [_group_id(name) for name in self.supplementary_groups]
        if os.geteuid() != 0:
            return lambda: None

        def change() -> None:
            os.setgroups(groups)
            os.setgid(self.gid)
            os.setuid(account.pw_uid)

        return change


def _group_id(name: str) -> int:
    return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid


def from_files(certificate_file: str, key_file: str) -> Pair:
    """The pair in these files. Raises PairError where one cannot be read or they do not belong together."""
    pair = Pair(_content(certificate_file), _content(key_file))
    problem = _mismatch(certificate_file, key_file)
    if problem:
        raise PairError("%s with %s: %s." % ((certificate_file, key_file) + problem[:1]), problem[1])
    return pair


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise PairError(
            "%s cannot be read: %s." % (path, error.strerror),
            "Correct the path; it is that of a PEM file on the machine that runs Node-RED.",
        ) from None


def _mismatch(certificate_file: str, key_file: str) -> Optional[Tuple[str, str]]:
    """Why these files are no pair, and what to do; None where they are one."""
    try:
        # An empty password: without one, OpenSSL would ask for that of an encrypted key on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate_file, key_file, password="")
    except (OSError, ValueError) as error:
        return explained(str(error))
    return None


def explained(message: str) -> Tuple[str, str]:
    """What OpenSSL's or node's message means, and what to do."""
    for pattern, problem, remedy in EXPLANATIONS:
        if re.search(pattern, message):
            return problem, remedy
    first_line = message.strip().partition("\n")[0]
    return "it cannot be used (%s)" % first_line[:200], "Look at both with: openssl x509, openssl pkey."


def placed(folder: str) -> Optional[Pair]:
    """The pair that Node-RED reads now; None where there is none."""
    try:
        return Pair(*(_content(os.path.join(folder, CURRENT, name)) for name in (CERTIFICATE, KEY)))
    except PairError:
        return None


def why_unusable(folder: str, reader: Reader) -> str:
    """Why the pair in this folder is of no use to Node-RED's user; empty where it is good."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            reader.become()()
            problem = _mismatch(*(os.path.join(folder, CURRENT, name) for name in (CERTIFICATE, KEY)))
            os.write(writable, (problem[0] if problem else "").encode())
        finally:
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable, "rb") as stream:
        problem_text = stream.read().decode()
    os.waitpid(child, 0)
    return problem_text


def place(folder: str, pair: Pair, reader: Reader) -> None:
    """Make this the pair in `folder/current`, once Node-RED's own user and node could use it; else PairError."""
    _make_folder(os.path.dirname(folder), 0o755, 0)
    _make_folder(folder, 0o750, reader.gid)
    name = "%s-%s" % (time.strftime("%Y-%m-%d"), secrets.token_hex(4))
    version = os.path.join(folder, name)
    try:
        _make_folder(version, 0o750, reader.gid)
        write_file(os.path.join(version, CERTIFICATE), pair.certificate, reader.gid)
        write_file(os.path.join(version, KEY), pair.key, reader.gid)
        _sync(version)
        _try_out(version, reader)
    except BaseException:
        shutil.rmtree(version, ignore_errors=True)
        raise
    before = _swap(folder, name)
    for old in versions(folder):
        # The one before stays: Node-RED may be reading it.
        if old not in (name, before):
            shutil.rmtree(os.path.join(folder, old), ignore_errors=True)


def _try_out(version: str, reader: Reader) -> None:
    try:
        node = subprocess.run(
            [reader.node, "-e", TRY_OUT, version],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd="/",
            env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            timeout=TRY_OUT_SECONDS,
            check=False,
            preexec_fn=reader.become(),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PairError(
            "The pair cannot be tried out with %s as user %s: %s." % (reader.node, reader.user, error),
            "Check that this user may run it.",
        ) from None
    if node.returncode != 0:
        problem, remedy = explained(node.stderr.decode("utf-8", "replace"))
        raise PairError("Node-RED could not serve with this certificate: %s." % problem, remedy)


def _swap(folder: str, name: str) -> Optional[str]:
    """Let `current` lead there, in one step; where it led before."""
    current = os.path.join(folder, CURRENT)
    before = os.readlink(current) if os.path.islink(current) else None
    temporary = os.path.join(folder, ".current-" + secrets.token_hex(4))
    os.symlink(name, temporary)
    os.rename(temporary, current)
    _sync(folder)
    return before


def versions(folder: str) -> List[str]:
    return [name for name in os.listdir(folder) if re.match(r"^\d{4}-\d\d-\d\d-[0-9a-f]{8}$", name)]


def _make_folder(path: str, mode: int, gid: int) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
        _sync(os.path.dirname(path))
    os.chown(path, 0, gid)
    os.chmod(path, mode)


def write_file(path: str, data: bytes, gid: int) -> None:
    """A file that root owns and the group may read, safely on the disk, whole or not at all."""
    temporary = "%s.%s" % (path, secrets.token_hex(4))
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchown(descriptor, 0, gid)
            os.fchmod(descriptor, 0o640)
            os.fsync(descriptor)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def follow(folder: str, certificate_file: str, key_file: str, reader: Reader, patience: float) -> bool:
    """Place what is in these files if it is another pair than Node-RED has; whether it was. Waits for a half."""
    deadline = time.monotonic() + patience
    while True:
        try:
            pair = from_files(certificate_file, key_file)
            if pair == placed(folder):
                return False
            # A new key beside the old certificate is a half, too; that they do not belong together shows here.
            place(folder, pair, reader)
            return True
        except PairError:
            if time.monotonic() > deadline:
                raise
            time.sleep(2)


def main() -> None:
    parser = argparse.ArgumentParser(description="Give Node-RED the renewed certificate.")
    for name in ("folder", "certificate", "key", "user", "group", "node"):
        parser.add_argument("--" + name, required=True)
    given = parser.parse_args()
    reader = Reader(given.user, given.group, given.node)
    try:
        changed = follow(given.folder, given.certificate, given.key, reader, HALF_WRITTEN_SECONDS)
    except PairError as error:
        raise SystemExit("Node-RED keeps its old certificate. %s" % error) from None
    told = "Node-RED has the renewed certificate." if changed else "There is no other certificate than before."
    sys.stdout.write(told + "\n")


if __name__ == "__main__":
    main()
