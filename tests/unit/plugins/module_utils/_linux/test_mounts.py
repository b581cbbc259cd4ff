# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file systems are read-only and which forget, from what Linux says of them in its own files."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _mounts, _systemd

PI = """\
20 1 179:2 / / ro,noatime shared:1 - ext4 /dev/mmcblk0p2 ro
21 20 0:5 / /dev rw,relatime shared:2 - devtmpfs devtmpfs rw,size=1k
22 20 179:1 / /boot/firmware rw,relatime shared:3 - vfat /dev/mmcblk0p1 rw,fmask=0022
23 20 0:24 / /tmp rw,nosuid shared:4 - tmpfs tmpfs rw
"""
DATA = "30 20 179:3 / /home/p\\040i rw,noatime - ext4 /dev/mmcblk0p3 rw\n"
BIND = "31 20 179:3 /etc /etc/systemd ro,relatime - ext4 /dev/mmcblk0p3 rw\n"
CONTAINER = """\
499 555 0:108 / / rw,noatime master:151 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A,\
upperdir=/var/lib/docker/overlay2/c/diff,workdir=/var/lib/docker/overlay2/c/work
506 499 0:118 / /run rw,nosuid - tmpfs tmpfs rw
"""
# With overlayroot, as raspi-config has it since Debian 12.
OVERLAYROOT = """\
24 29 179:2 / /media/root-ro ro,relatime shared:2 - ext4 /dev/mmcblk0p2 ro
25 29 0:23 / /media/root-rw rw,relatime shared:3 - tmpfs tmpfs-root rw
29 1 0:24 / / rw,relatime shared:1 - overlay overlayroot rw,lowerdir=/media/root-ro,upperdir=/media/root-rw/overlay,\
workdir=/media/root-rw/overlay-workdir/_
"""
# With raspi-config's own script, as it was before; its two lower mounts cannot be seen.
BOOT_OVERLAY = """\
29 1 0:24 / / rw,noatime shared:1 - overlay overlay rw,lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A table from these texts, with a kernel that has said this."""

    def look(mounts, fstab="", kernel="", messages="", errors=None):
        monkeypatch.setattr(
            _systemd, "run", lambda arguments, timeout=60: subprocess.CompletedProcess(arguments, 0, messages, "")
        )
        files = {"proc/self/mountinfo": mounts, "etc/fstab": fstab, "proc/cmdline": kernel}
        if errors is not None:
            files["sys/fs/ext4/mmcblk0p2/errors_count"] = errors
        files["sys/devices/mmcblk0p2/uevent"] = ""
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        (tmp_path / "sys/dev/block").mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys/dev/block/179:2").symlink_to("../../devices/mmcblk0p2")
        return _mounts.table(str(tmp_path))

    return look


def test_the_innermost_mount_holds_a_path(machine):
    table = machine(PI + DATA)
    assert table.holding("/home/p i/.node-red").point == "/home/p i"
    assert table.holding("/home/other").point == "/"
    assert table.holding("/home/p in").point == "/"


def test_of_two_mounts_at_one_point_the_later_one_counts(machine):
    table = machine(PI + "40 20 0:30 / / rw - tmpfs tmpfs rw\n")
    assert table.holding("/etc").kind == "tmpfs"


def test_each_read_only_mount_is_named_once(machine):
    table = machine(PI + DATA)
    paths = ["/etc/systemd/system", "/var/lib/x", "/home/p i/.node-red", "/tmp/x"]
    assert [mount.point for mount in table.read_only(paths)] == ["/"]


@pytest.mark.parametrize(
    "line",
    ["1 0 8:1 / / ro,noatime - ext4 a rw", "1 0 8:1 / / rw,noatime - ext4 a ro,errors=remount-ro"],
    ids=["the mount", "the file system"],
)
def test_mount_and_file_system_can_be_read_only(machine, line):
    assert machine(line).holding("/etc").read_only


def test_a_read_only_bind_mount_is_told_from_a_read_only_file_system(machine):
    table = machine(PI + DATA + BIND)
    assert table.holding("/etc/systemd/system").only_here
    assert not table.holding("/etc").only_here


@pytest.mark.parametrize(
    "fstab, kernel, expected",
    [
        ("# /dev/sda / ext4 rw\nPARTUUID=1-02  /  ext4  defaults,noatime,ro  0  1\n", "", True),
        ("PARTUUID=1-02 / ext4 ro,noatime,rw 0 1\n", "", False),
        ("PARTUUID=1-02 / ext4 defaults 0 1\n", "root=/dev/mmcblk0p2 ro quiet", False),
        ("proc /proc proc defaults 0 0\n", "root=/dev/mmcblk0p2 ro quiet", True),
        ("proc /proc proc defaults 0 0\n", "root=/dev/mmcblk0p2 rootwait", False),
    ],
)
def test_fstab_says_what_is_read_only_after_the_next_boot_and_the_kernel_where_it_is_silent(
    machine, fstab, kernel, expected
):
    table = machine(PI, fstab, kernel)
    assert table.read_only_at_boot(table.holding("/etc")) is expected


def test_a_mount_that_fstab_does_not_name_has_nothing_of_the_kernels_options(machine):
    table = machine(PI + DATA, kernel="ro")
    assert not table.read_only_at_boot(table.holding("/home/p i"))


def why(table):
    return table.why_read_only(table.holding("/etc"))


def test_read_only_on_purpose(machine):
    assert why(machine(PI, "/dev/mmcblk0p2 / ext4 ro 0 1\n")) == _mounts.FSTAB


def test_read_only_since_somebody_remounted_it(machine):
    assert why(machine(PI, "/dev/mmcblk0p2 / ext4 defaults 0 1\n", errors="0\n")) == _mounts.RUNTIME


@pytest.mark.parametrize(
    "message",
    [
        "[  9.1] EXT4-fs (mmcblk0p2): Remounting filesystem read-only",
        "[  9.1] BTRFS info (device mmcblk0p2 state EA): forced readonly",
        "[  9.1] FAT-fs (mmcblk0p2): Filesystem has been set read-only",
    ],
)
@pytest.mark.parametrize("fstab", ["", "/dev/mmcblk0p2 / ext4 ro 0 1\n"], ids=["else writable", "read-only anyway"])
def test_read_only_since_the_kernel_met_an_error(machine, message, fstab):
    assert why(machine(PI, fstab, messages=message + "\n")) == _mounts.ERROR


def test_the_error_of_another_device_does_not_count(machine):
    messages = (
        "EXT4-fs (mmcblk0p21): Remounting filesystem read-only\nEXT4-fs (sda1): Remounting filesystem read-only\n"
    )
    assert why(machine(PI, messages=messages)) == _mounts.RUNTIME


def test_an_error_that_the_file_system_remembers_counts_where_nobody_asked_for_read_only(machine):
    assert why(machine(PI, errors="3\n")) == _mounts.ERROR


def test_a_recent_kernel_shows_that_it_protects_a_file_system(machine):
    assert why(machine(PI.replace("mmcblk0p2 ro", "mmcblk0p2 ro,emergency_ro"))) == _mounts.ERROR


@pytest.mark.parametrize(
    "mounts, kernel",
    [(OVERLAYROOT, ""), (OVERLAYROOT, "overlayroot=tmpfs quiet"), (BOOT_OVERLAY, "console=tty1 boot=overlay quiet")],
    ids=["by its upper folder", "overlayroot", "boot=overlay"],
)
def test_the_overlay_mode_of_raspberry_pi_os_forgets(machine, mounts, kernel):
    assert [mount.point for mount in machine(mounts, kernel=kernel).forgetful(["/etc", "/home/pi"])] == ["/"]


@pytest.mark.parametrize(
    "mounts, kernel",
    [
        (CONTAINER, ""),
        (PI, "boot=overlay"),
        (BOOT_OVERLAY, "overlayroot=disabled"),
        (BOOT_OVERLAY, "overlayroot=device:dev=/dev/sda1"),
        (PI, "overlayroot=tmpfs"),
    ],
    ids=["container", "asked for but not so", "switched off", "on a disk", "in the chroot of overlayroot"],
)
def test_what_is_on_a_disk_does_not_forget(machine, mounts, kernel):
    assert not machine(mounts, kernel=kernel).forgetful(["/etc", "/home/pi"])


def test_an_overlay_over_the_user_directory_alone_forgets_too(machine):
    over = "50 499 0:120 / /home/pi rw - overlay overlay rw,lowerdir=/home/pi,upperdir=/run/u,workdir=/run/w\n"
    table = machine(CONTAINER + over)
    assert [mount.point for mount in table.forgetful(["/etc", "/home/pi/.node-red"])] == ["/home/pi"]


def test_lines_that_are_no_mounts_are_passed_over(machine):
    assert machine("nonsense\n\n1 2 3\n").holding("/etc") == _mounts.Mount("/", "", "", (), ())
