# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: put a certificate and its key where Node-RED reads them, as a pair or not at all.

A machine keeps this as a program as well: there systemd runs it when the files that it copies are renewed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import secrets
import shutil
import ssl
import subprocess
import sys
import time
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _commands
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._files._files import Attributes
from ansible_collections.pifleet.nodered.plugins.module_utils._instance._renewal import why_no_renewal
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity

CURRENT = "current"
CERTIFICATE = "certificate.pem"
KEY = "key.pem"
# A renewal writes two files; until both are there they do not match.
HALF_WRITTEN_SECONDS = 60
TRY_OUT_SECONDS = 30
# Bytes. A chain of certificates has 10 KB.
LARGEST = 1024 * 1024

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
        "the key is protected by a passphrase, which cannot be given when Node-RED starts",
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
        return _identity.group_id(self.group)

    @property
    def identity(self) -> Identity:
        return _identity.of(self.user, self.group, self.supplementary_groups)


def from_files(certificate_file: str, key_file: str) -> Pair:
    """The pair in these files. Raises Failure where one cannot be read or they do not belong together."""
    pair = Pair(_source(certificate_file), _source(key_file))
    if b"ENCRYPTED" in pair.key:
        # OpenSSL would first do as many rounds as the file says, for hours perhaps.
        problem, remedy = explained("passphrase")
        raise Failure("%s: %s." % (key_file, problem), remedy)
    with _in_memory(pair.certificate) as certificate, _in_memory(pair.key) as key:
        mismatch = _mismatch(certificate, key)
    if mismatch:
        problem, remedy = mismatch
        raise Failure("%s with %s: %s." % (certificate_file, key_file, problem), remedy)
    return pair


def _source(path: str) -> bytes:
    """The file at this path, which root chose.

    Where another user can change where the path leads, that user could have root read any key and then read the copy.
    So the file is read as that user.
    """
    user = None
    try:
        user = _owner(path)
        return _files.data(path, user, LARGEST)
    except OSError as error:
        reader = " by user %s, who can change where this path leads" % user.name if user else ""
        raise Failure(
            "%s cannot be read%s: %s." % (path, reader, error.strerror),
            "Correct the path; it is that of a PEM file on the machine that runs Node-RED. Files that only root can "
            "read must be in folders that only root can write, links included.",
        ) from None


def _owner(path: str) -> Optional[Identity]:
    """The user that can change where this path leads; None where only root can."""
    try:
        return _identity.owner(path)
    except Failure as failure:
        raise Failure(
            failure.problem,
            "Put the files into a folder that belongs to one user, and that only this user can write (chmod go-w).",
        ) from None


@contextlib.contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """The path of a file with this content that is on no disk: OpenSSL reads files only."""
    descriptor = os.memfd_create("pifleet", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as stream:
            stream.write(data)
        yield "/proc/self/fd/%d" % descriptor
    finally:
        os.close(descriptor)


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
        return Pair(*(_files.data(os.path.join(folder, CURRENT, name), limit=LARGEST) for name in (CERTIFICATE, KEY)))
    except (OSError, Failure):
        return None


class Earlier(NamedTuple):
    """The certificate before, which Node-RED uses until it reads the new one."""

    certificate: bytes
    replaced: int
    """Seconds since it was replaced."""


def earlier(folder: str) -> Optional[Earlier]:
    """The certificate that was there before; None if there is none, or it is damaged."""
    try:
        current = os.path.join(folder, CURRENT)
        others = [os.path.join(folder, name) for name in versions(folder) if name != os.readlink(current)]
        newest = max(others, key=os.path.getmtime)
        data = _files.data(os.path.join(newest, CERTIFICATE), limit=LARGEST)
        return Earlier(data, int(time.time() - os.lstat(current).st_mtime))
    except (OSError, ValueError, Failure):
        return None


def why_unusable(folder: str, reader: Reader) -> str:
    """Why the pair in this folder is of no use to Node-RED's user; empty where it is good."""
    problem = reader.identity.run(_mismatch, *(os.path.join(folder, CURRENT, name) for name in (CERTIFICATE, KEY)))
    return str(problem[0]) if problem else ""


def place(folder: str, pair: Pair, reader: Reader) -> None:
    """Make this the pair in `folder/current`, once Node-RED's own user and node could use it; else Failure."""
    _make_folder(os.path.dirname(folder), 0o755, 0)
    _make_folder(folder, 0o750, reader.gid)
    name = "%s-%s" % (time.strftime("%Y-%m-%d"), secrets.token_hex(4))
    version = os.path.join(folder, name)
    try:
        _make_folder(version, 0o750, reader.gid)
        readable = Attributes(0, reader.gid, 0o640, {})
        _files.replace(os.path.join(version, CERTIFICATE), pair.certificate, readable)
        _files.replace(os.path.join(version, KEY), pair.key, readable)
        _files.sync_folder(version)
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
    identity = reader.identity
    if identity.uid == 0 and not _identity.only_root_can_change(reader.node):
        raise Failure(
            "Node-RED runs as root, and users other than root can change %s." % reader.node,
            "Let only root write this file and the folders on the way, or give Node-RED a user of its own.",
        )
    try:
        node = _commands.run(
            [reader.node, "-e", TRY_OUT, version],
            TRY_OUT_SECONDS,
            environment={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
            become=identity.become,
        )
    except (OSError, subprocess.SubprocessError, _commands.TooMuch) as error:
        raise Failure(
            "The pair cannot be tried out with %s as user %s: %s." % (reader.node, reader.user, error),
            "Check that this user may run it.",
        ) from None
    if node.returncode != 0:
        problem, remedy = explained(node.stderr.decode("utf-8", "replace"))
        raise Failure("Node-RED could not use this certificate: %s." % problem, remedy)


def _swap(folder: str, name: str) -> Optional[str]:
    """Let `current` lead there, in one step; where it led before."""
    current = os.path.join(folder, CURRENT)
    before = os.readlink(current) if os.path.islink(current) else None
    _files.make_link(current, name)
    return before


def versions(folder: str) -> List[str]:
    return [name for name in os.listdir(folder) if re.match(r"^\d{4}-\d\d-\d\d-[0-9a-f]{8}$", name)]


def _make_folder(path: str, mode: int, gid: int) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
        _files.sync_folder(os.path.dirname(path))
    os.chown(path, 0, gid)
    os.chmod(path, mode)


def follow(folder: str, certificate_file: str, key_file: str, reader: Reader, patience: float) -> bool:
    """Place what is in these files if it is another pair than Node-RED has; whether it was. Waits for a half.

    Raises Failure if it is not a renewal of the pair that Node-RED has, because it was not checked.
    """
    pair = _whole_pair(certificate_file, key_file, patience)
    before = placed(folder)
    if pair == before:
        return False
    if before:
        _require_renewal(before, pair, certificate_file)
    place(folder, pair, reader)
    return True


def _whole_pair(certificate_file: str, key_file: str, patience: float) -> Pair:
    """The pair in these files; for `patience` seconds, one half of it may be older than the other."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return from_files(certificate_file, key_file)
        except Failure:
            if time.monotonic() > deadline:
                raise
            time.sleep(2)


def _require_renewal(before: Pair, after: Pair, certificate_file: str) -> None:
    reason = why_no_renewal(before.certificate, after.certificate)
    if reason:
        raise Failure(
            "%s is no renewal of the certificate that Node-RED has: %s." % (certificate_file, reason),
            "If it is the one to use, run the role tls again: it checks the certificate on the controller.",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Give Node-RED the renewed certificate.")
    for name in ("folder", "certificate", "key", "user", "group", "node"):
        parser.add_argument("--" + name, required=True)
    given = parser.parse_args()
    reader = Reader(given.user, given.group, given.node)
    try:
        changed = follow(given.folder, given.certificate, given.key, reader, HALF_WRITTEN_SECONDS)
    except Failure as error:
        raise SystemExit("Node-RED keeps its old certificate. %s" % error) from None
    result = "Node-RED has the renewed certificate." if changed else "There is no other certificate than before."
    sys.stdout.write(result + "\n")


if __name__ == "__main__":
    main()
