# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: run a program with a limit on its time and on its output.

A program that the service user can replace may print without end, never end, or leave a process that keeps its output
open.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import time
from typing import Callable, Iterator, Mapping, NamedTuple, Optional, Sequence, Tuple

# More than any tool prints that this collection runs.
OUTPUT_LIMIT = 8 * 1024 * 1024
# How long the output of a program that has ended is waited for: a process that it left may keep the pipes open.
LINGER_SECONDS = 0.2
_PIECE = 65536


class TooMuch(Exception):
    """The program printed more than the limit, and was killed."""

    def __init__(self, problem: str, stdout: bytes) -> None:
        super().__init__(problem)
        self.stdout = stdout
        """What it printed until then."""


class Output(NamedTuple):
    returncode: int
    stdout: bytes
    stderr: bytes


def run(
    arguments: Sequence[str],
    seconds: float,
    *,
    environment: Optional[Mapping[str, str]] = None,
    limit: int = OUTPUT_LIMIT,
    become: Optional[Callable[[], None]] = None,
) -> Output:
    """Run the program in `/` without input; its exit status and output.

    `limit` (bytes) counts for standard output and standard error together. `become` runs in the new process first.
    Raises OSError when the program cannot be started, subprocess.TimeoutExpired after `seconds`, and TooMuch.
    """
    return finish(start(arguments, environment=environment, become=become), seconds, limit=limit)


def start(
    arguments: Sequence[str],
    *,
    environment: Optional[Mapping[str, str]] = None,
    become: Optional[Callable[[], None]] = None,
) -> "subprocess.Popen[bytes]":
    """Start the program, as `run` does. Let `finish` or `end` follow. Raises OSError when it cannot be started."""
    with no_value_error():
        return subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if environment is None else dict(environment),
            cwd="/",
            start_new_session=True,
            preexec_fn=become,
        )


@contextlib.contextmanager
def no_value_error() -> Iterator[None]:
    """Raise OSError where Python itself rejects a word or a variable: a NUL, or what is no Unicode.

    The service user can write both into an environment file. The message repeats neither.
    """
    try:
        yield
    except ValueError:
        raise OSError(
            errno.EINVAL, "a variable or an argument of the program has characters that none can have"
        ) from None


def finish(program: "subprocess.Popen[bytes]", seconds: float, *, limit: int = OUTPUT_LIMIT) -> Output:
    """Wait for the end of the program; its exit status and output. Raises the same as `run`, `seconds` from now."""
    deadline = time.monotonic() + seconds
    try:
        stdout, stderr = _collected(program, deadline, limit)
        returncode = program.wait(max(LINGER_SECONDS, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise subprocess.TimeoutExpired(program.args, seconds) from None
    finally:
        end(program)
    return Output(returncode, stdout, stderr)


def _collected(program: "subprocess.Popen[bytes]", deadline: float, limit: int) -> Tuple[bytes, bytes]:
    """Standard output and standard error, until the program ends. `deadline` is a time of time.monotonic()."""
    texts = (bytearray(), bytearray())
    with selectors.DefaultSelector() as events:
        for stream, text in ((program.stdout, texts[0]), (program.stderr, texts[1])):
            if stream is not None:
                events.register(stream, selectors.EVENT_READ, text)
        while events.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(program.args, 0)
            ready = events.select(min(left, LINGER_SECONDS))
            if not ready and program.poll() is not None:
                break
            for key, _mask in ready:
                piece = os.read(key.fd, _PIECE)
                if not piece:
                    events.unregister(key.fileobj)
                key.data.extend(piece)
            if sum(map(len, texts)) > limit:
                raise TooMuch("%r printed more than %d bytes." % (program.args, limit), bytes(texts[0]))
    return bytes(texts[0]), bytes(texts[1])


def end(program: "subprocess.Popen[bytes]") -> None:
    """Kill the program and what it has started in its session, wait for it, and close its pipes.

    The program must have been started with `start_new_session`.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(program.pid, signal.SIGKILL)
    # A process that hangs in the kernel (a network file system) does not even end then.
    with contextlib.suppress(subprocess.TimeoutExpired):
        program.wait(5)
    for stream in (program.stdin, program.stdout, program.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
