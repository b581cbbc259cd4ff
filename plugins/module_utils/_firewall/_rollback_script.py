# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the shell script that puts the old firewall back, and the service that runs it."""

from __future__ import annotations

import shlex
from typing import Mapping

from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _unit_files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._unit_files import Directive

# The shell must not have the script open: while a file is open that was deleted, nothing becomes read-only there. One
# that cannot be read to its end is not begun.
_COMMAND = 'steps=$(cat {script}) && eval "$steps"'
_DESCRIPTION = "Restore the firewall from before a change that was not confirmed"

_ABOUT = """\
#!/bin/sh
# Restores ufw as it was before a change that was not confirmed. Written by pifleet.nodered; it removes itself.
"""

_STEPS = r"""
cd "$folder" || exit 1
mkdir -p -m 0700 "$run"

# Try so many times, and rest in between.
persist() {
    tries=$1
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 5
    done
}

# --- read-only file systems, as in _remount ---

locked() {
    (flock -w 60 9 && "$@") 9>"$lock"
}

mode() {
    if [ -w "$1" ]; then echo rw; else echo ro; fi
}

# Other programs must not read the lists below, nor keep the lock.
remount() {
    if [ "$2" = / ] && command -v "rpi-$3" >/dev/null; then
        "rpi-$3" </dev/null 9>&-
    fi
    [ "$(mode "$2")" = "$3" ] || mount -o "$1,$3" "$2" </dev/null 9>&-
}

open_all() {
    while read -r how point; do
        [ "$(mode "$point")" = ro ] || continue
        # First, as what is noted becomes read-only again, whatever happens.
        echo "$how $point" >>"$held"
        remount "$how" "$point" rw || return 1
    done <mounts
}

# While there is a note, no run makes anything read-only, and none has to be waited for. A reboot removes it.
make_writable() {
    [ -s mounts ] || return 0
    if [ -e "$held" ]; then
        open_all
    else
        locked open_all
    fi
}

close_all() {
    busy=no
    while read -r how point; do
        [ "$(mode "$point")" = ro ] || remount "$how" "$point" ro || busy=yes
    done <"$held"
    [ "$busy" = no ] && rm -f "$held"
}

end() {
    if [ -e "$held" ] && ! persist 6 locked close_all; then
        echo "A file system is still writable, because it is busy. Stop the process that uses it, then:"
        sed 's/ /,ro /; s/^/mount -o /' "$held"
        rm -f "$held"
    fi
    exit "$1"
}

# --- the rollback ---

give_up() {
    echo "The old firewall could not be restored: the present rules stay. The next boot tries again; see $folder."
    end 1
}

# What renames it first decides: this, or the confirmation. "returning" is there already where the power failed.
take() {
    if [ -d returning ] || ! [ -d armed ]; then
        return 0
    fi
    mv armed returning 2>/dev/null || { make_writable && mv armed returning; }
}

why() {
    if [ -s returning/reason ]; then
        cat returning/reason
    elif [ -e "$mark" ]; then
        echo "the new rules were not confirmed in time."
    else
        echo "the machine was restarted before the new rules were confirmed."
    fi
}

copy_back() {
    for path in $paths; do
        cp -p "returning/${path##*/}" "$path.pifleet" && mv -f "$path.pifleet" "$path" || return 1
    done
}

is_active() {
    iptables -w -n -L ufw-user-input >/dev/null 2>&1
}

# In one step for each kind of address. If it fails, the present rules stay. ufw itself ("ufw reload", too) stops the
# firewall first, and starts it with the other rules then.
load() {
    for program in iptables ip6tables; do
        if [ -s "returning/$program" ]; then
            "$program-restore" -w -n <"returning/$program" || return 1
        fi
    done
}

# What was active stays active, whatever fails.
put_back_active() {
    loaded=yes
    if is_active; then load || loaded=no; fi
    # Also when that failed: the next boot loads what these files hold.
    copy_back || return 1
    [ "$loaded" = yes ] || return 1
    is_active || ufw --force enable
}

put_back_inactive() {
    # ufw ends at once where the power has failed while it wrote its files, so these may have to come first.
    ufw --force disable || { copy_back && ufw --force disable; } || return 1
    copy_back || return 1
    while read -r program policy; do
        "$program" -w $policy
    done <returning/policies
}

put_back() {
    make_writable || return 1
    if [ -e returning/policies ]; then put_back_inactive; else put_back_active; fi || return 1
    sync
}

go_back() {
    reason=$(why)
    echo "Restoring the old firewall: $reason"
    persist 12 put_back || return 1
    { echo "$(date -u +%Y-%m-%dT%H:%M:%SZ): $reason" && cat returning/owner; } >undone
    # At one stroke: where the power fails, half of the copies would lead nowhere.
    mv returning over || return 1
    echo "The old firewall is back."
}

remove_itself() {
    systemctl stop "$clocks"
    rm -rf over
    rm -f "$service" "$wanted" "$mark" mounts way-back
    systemctl daemon-reload
}

persist 12 take || give_up
if [ -d returning ]; then
    go_back || give_up
fi
persist 12 make_writable
remove_itself
end 0
"""


def unit(script: str, tag: str) -> str:
    """The service that runs the script, at the next boot or when it is started."""
    return _unit_files.text(
        {
            "Unit": [
                Directive("Description", [_DESCRIPTION]),
                Directive("After", ["ufw.service", "local-fs.target"]),
                Directive("RequiresMountsFor", [script]),
            ],
            "Service": [
                Directive("Type", ["oneshot"]),
                Directive("ExecStart", ["/bin/sh", "-c", _COMMAND.format(script=shlex.quote(script))]),
                Directive("SyslogIdentifier", [tag]),
            ],
            "Install": [Directive("WantedBy", ["multi-user.target"])],
        }
    )


def script(names: Mapping[str, str]) -> str:
    """The script, where these names stand for paths on this machine."""
    return _ABOUT + "".join("%s=%s\n" % (name, shlex.quote(value)) for name, value in names.items()) + _STEPS
