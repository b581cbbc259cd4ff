# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which restore point is meant, what was edited since, and what a restore changes."""

from __future__ import annotations

import base64
import copy
import hashlib

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._restore import _restore_plan, _restore_points
from ansible_collections.pifleet.nodered.plugins.plugin_utils._restore._restore_points import RestoreError
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._plan.builders import (
    EMPTY,
    SETTINGS_FILE,
    instance,
)

COMPANION = "/home/pi/.node-red/pifleet-sessions.js"
DROP_IN = "/etc/systemd/system/nodered.service.d/50-pifleet-sessions.conf"
HASH = "$2b$08$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
SECURED = EMPTY.replace("}\n", f'    adminAuth: {{users: [{{username: "ada", password: "{HASH}"}}]}},\n}}\n')
MOVED = SECURED.replace("1880", "1885")
OURS = {COMPANION: "exports.inFile = 1;\n", DROP_IN: "[Service]\n"}


def checksum(text):
    return hashlib.sha256(text.encode()).hexdigest()


def state(text):
    if text is None:
        return {"form": "absent", "checksum": "", "target": ""}
    return {"form": "file", "checksum": checksum(text), "target": ""}


def entries(before, after=None):
    """The files of a point, or those that are there now."""
    kinds = {SETTINGS_FILE: "settings", COMPANION: "companion", DROP_IN: "drop-in"}
    return [
        {
            "kind": kind,
            "path": path,
            "before": state(before.get(path)),
            "after": state(after.get(path)) if after is not None else None,
        }
        for path, kind in kinds.items()
    ]


def host(*states, now=None, edited=None, first=1):
    """What a host lists whose runs went from one state to the next: settings, and whether our files are there."""
    files = [{SETTINGS_FILE: text, **(OURS if ours else {})} for text, ours in states]
    points = [
        {
            "number": number,
            "date": f"2026-11-29T00:00:0{number}Z",
            "summary": ["settings: adminAuth"],
            "edited": (edited or {}).get(number, []),
            "entries": entries(before, after),
        }
        for number, (before, after) in enumerate(zip(files, files[1:], strict=False), first)
    ]
    present = {**files[-1], **(now or {})}
    texts = {text for one in [*files, present] for text in one.values() if text is not None}
    return {
        "points": points,
        "now": entries(present),
        "texts": {checksum(text): base64.b64encode(text.encode()).decode() for text in texts},
    }


TWO_RUNS = host((EMPTY, False), (SECURED, True), (MOVED, True))


def planned(data, wanted, text=MOVED, *, force=False):
    found = _restore_points.listed(data)
    point = _restore_points.chosen(found, wanted)
    return _restore_plan.planned(found, point, instance=instance(), text=text, settings=SETTINGS_FILE, force=force)


@pytest.mark.parametrize(("wanted", "number"), [("last", 2), ("original", 1), ("1", 1), ("2", 2)])
def test_a_point_is_named_by_number_or_as_last_or_original(wanted, number):
    assert _restore_points.chosen(_restore_points.listed(TWO_RUNS), wanted).number == number


@pytest.mark.parametrize("wanted", ["3", "0", "newest", "", "-1", "²", "list"])
def test_another_name_is_rejected_with_what_there_is(wanted):
    with pytest.raises(RestoreError, match="list, last, original|one of: 1, 2"):
        _restore_points.chosen(_restore_points.listed(TWO_RUNS), wanted)


def test_without_a_point_that_is_the_error():
    with pytest.raises(RestoreError, match="no restore point"):
        _restore_points.chosen(_restore_points.listed({"points": [], "now": [], "texts": {}}), "last")


def test_the_last_point_changes_the_settings_alone():
    restore = planned(TWO_RUNS, "last")
    assert (restore.text, restore.changed, restore.lines) == (SECURED, ["uiPort"], [])
    assert (restore.plan.restore, restore.plan.needs_restart) == (2, True)


def test_the_original_goes_without_companions_and_drop_ins_and_ends_all_logins():
    restore = planned(TWO_RUNS, "original")
    assert restore.text == EMPTY
    assert restore.changed == ["adminAuth", "uiPort"]
    assert restore.lines == [f"remove {COMPANION}", f"remove {DROP_IN}"]


def test_what_is_there_already_needs_nothing_whatever_was_edited_before():
    data = host((EMPTY, False), (SECURED, True), now={SETTINGS_FILE: EMPTY, **dict.fromkeys(OURS)})
    restore = planned(data, "original", EMPTY)
    assert not restore.plan.changes


def test_the_state_before_the_first_run_must_have_been_kept():
    data = host((SECURED, True), (MOVED, True))
    with pytest.raises(RestoreError, match="was not kept"):
        planned(data, "original")
    assert planned(data, "1").text == SECURED
    later = host((SECURED, True), (MOVED, True), first=4)
    with pytest.raises(RestoreError, match="no restore point 1"):
        planned(later, "original")


@pytest.mark.parametrize("path", [SETTINGS_FILE, COMPANION, DROP_IN])
def test_an_edit_since_is_rejected_with_a_diff_unless_that_is_forced(path):
    data = host((EMPTY, False), (SECURED, True), (MOVED, True), now={path: "module.exports = {uiPort: 1999}\n"})
    with pytest.raises(RestoreError, match="was edited since the run of 2026-11-29T00:00:02Z") as error:
        planned(data, "last")
    assert "+module.exports = {uiPort: 1999}" in str(error.value)
    assert planned(data, "last", force=True).plan.restore == 2


def test_a_file_that_was_removed_since_is_an_edit():
    data = host((EMPTY, False), (SECURED, True), (MOVED, True), now={DROP_IN: None})
    with pytest.raises(RestoreError, match=r"(?s)50-pifleet-sessions.conf was edited.*-\[Service\]"):
        planned(data, "last")


def test_an_edit_between_two_runs_is_lost_by_the_older_point_only():
    data = host((EMPTY, False), (SECURED, True), (MOVED, True), edited={2: [SETTINGS_FILE]})
    assert planned(data, "last").plan.restore == 2
    with pytest.raises(RestoreError, match="between the runs of 2026-11-29T00:00:01Z and 2026-11-29T00:00:02Z"):
        planned(data, "1")


def test_an_edit_whose_text_is_not_kept_any_more_is_rejected_too():
    data = host((EMPTY, False), (SECURED, True), now={COMPANION: "other"})
    del data["texts"][checksum("other")]
    with pytest.raises(RestoreError, match="not kept any more"):
        planned(data, "last", SECURED)


def test_no_difference_shows_a_secret():
    edited = SECURED.replace(HASH, HASH[:-1] + "9").replace(
        "}\n", "    credentialSecret: 'hunter2', // token hunter3\n}\n"
    )
    data = host(
        (EMPTY, False),
        (SECURED, True),
        now={SETTINGS_FILE: edited, DROP_IN: "[Service]\nEnvironment=MQTT_PASSWORD=hunter4\n"},
    )
    with pytest.raises(RestoreError) as error:
        planned(data, "last", edited)
    restore = planned(data, "last", edited, force=True)
    shown = str(error.value) + str(_restore_plan.diffs(SETTINGS_FILE, edited, restore))
    assert "credentialSecret" in shown
    for secret in (HASH[7:], "hunter"):
        assert secret not in shown


def test_a_settings_file_that_is_no_javascript_shows_nothing_and_can_be_restored():
    broken = "module.exports = {{ adminAuth: 'hunter2'\n"
    data = host((EMPTY, False), (SECURED, True), now={SETTINGS_FILE: broken})
    with pytest.raises(RestoreError) as error:
        planned(data, "last", broken)
    assert "hunter2" not in str(error.value)
    assert planned(data, "last", broken, force=True).changed == ["adminAuth", "storageModule"]


def test_a_settings_file_that_has_moved_is_rejected():
    data = copy.deepcopy(TWO_RUNS)
    data["points"][1]["entries"][0]["path"] = "/home/pi/other.js"
    with pytest.raises(RestoreError, match="another one in restore point 2"):
        planned(data, "last", force=True)


@pytest.mark.parametrize(
    ("before", "repairs", "sessions"),
    [
        ("link", {"link": [{"before": "a file"}], "file": []}, "link"),
        ("link", {"link": [], "file": [{"before": "a link to /run/x"}]}, ""),
        ("file", {"link": [], "file": [{"before": "a link to /run/x"}]}, "file"),
        ("file", {"link": [], "file": [{"before": "a file of root"}]}, ""),
    ],
)
def test_the_sessions_file_of_old_releases_becomes_what_it_was(before, repairs, sessions):
    data = copy.deepcopy(TWO_RUNS)
    entry = {"kind": "sessions", "path": "/x", "before": {"form": before, "checksum": "", "target": ""}, "after": None}
    data["points"][1]["entries"].append(entry)
    found = _restore_points.listed(data)
    of_host = instance()
    of_host["sessions"]["repairs"] = {**repairs, "absent": []}
    restore = _restore_plan.planned(
        found, found.points[1], instance=of_host, text=MOVED, settings=SETTINGS_FILE, force=False
    )
    assert restore.plan.sessions == sessions


def damaged(change):
    data = copy.deepcopy(TWO_RUNS)
    change(data)
    return data


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        damaged(lambda data: data.update(points={})),
        damaged(lambda data: data["points"].append("x")),
        damaged(lambda data: data["points"][0].update(number="1")),
        damaged(lambda data: data["points"][0].update(number=True)),
        damaged(lambda data: data["points"][0]["entries"][0]["before"].update(form="device")),
        damaged(lambda data: data["texts"].update({checksum("a"): base64.b64encode(b"b").decode()})),
        damaged(lambda data: data["texts"].update({checksum("a"): 1})),
    ],
)
def test_what_no_host_lists_is_rejected(data):
    with pytest.raises(RestoreError, match="malformed. Run again"):
        _restore_points.listed(data)


def test_texts_of_the_host_cannot_control_a_terminal():
    data = damaged(lambda data: data["points"][0].update(date="\x1b[2J", summary=["\x1b]0;x\x07"], edited=["/a\nb"]))
    assert not any(ord(character) < 32 for line in _restore_points.listed(data).lines() for character in line)


def test_the_list_begins_with_the_newest_point_and_names_the_original():
    assert _restore_points.listed(TWO_RUNS).lines() == [
        "2  2026-11-29T00:00:02Z  before: settings: adminAuth",
        "1  2026-11-29T00:00:01Z  before: settings: adminAuth (original)",
    ]


def with_certificate(before, now):
    """TWO_RUNS on a host whose link to the certificate led there before the second run, and leads there now."""
    data = copy.deepcopy(TWO_RUNS)
    for entries_, target in ((data["points"][1]["entries"], before), (data["now"], now)):
        link = {"form": "link", "checksum": "", "target": target} if target else state(None)
        entries_.append({"kind": "certificate", "path": "/tls/current", "before": link, "after": None})
    return data


@pytest.mark.parametrize("text", [MOVED, SECURED])
def test_another_certificate_stays_and_that_is_reported(text):
    data = with_certificate("a", "b")
    data["points"][1]["entries"][0]["before"] = state(text)
    restore = planned(data, "last")
    assert restore.notes == [_restore_plan.CERTIFICATE_STAYS] and restore.certificate_differs
    assert restore.changes == (text == SECURED)


@pytest.mark.parametrize(("before", "now"), [("a", "a"), ("", "b")])
def test_a_certificate_that_is_the_same_or_the_first_needs_no_report(before, now):
    restore = planned(with_certificate(before, now), "last")
    assert restore.notes == [] and not restore.certificate_differs


def test_what_is_open_is_reported():
    title = "Pages of flows require a password"
    failed = {"id": "node_pages_closed", "status": "fail", "title": title, "found": "open: no password is required"}
    found = "/ui/socket.io by polling: open: no password is required; /ui/socket.io by websocket: 502"
    dashboards = {"id": "dashboards_closed", "status": "fail", "title": "Dashboards", "found": found}
    other = {"id": "old_tls_refused", "status": "fail", "title": "Old TLS is refused", "found": "TLS 1.1 is accepted"}
    lines = _restore_plan.open_lines(instance(), [failed, dashboards, {**failed, "status": "pass"}, other])
    assert lines == [
        "open: pages of flows (no password is required)",
        f"open: dashboards ({found.replace('open: ', '')})",
        "not confirmed: Old TLS is refused (TLS 1.1 is accepted)",
        "open: passwords and flows are sent without TLS",
    ]
    assert _restore_plan.open_lines(instance(scheme="https"), []) == ["the requests from outside found nothing open"]


def with_firewall(*rules, edited=False, noted=False):
    """TWO_RUNS on a host whose ufw had these rules before the first run, before the second, and now."""
    data = copy.deepcopy(TWO_RUNS)
    for entries_, rule in zip([*(one["entries"] for one in data["points"]), data["now"]], rules, strict=True):
        text = None if rule is None else f"### tuple ### {rule}\n-A x\n" if rule else "# none\n"
        entries_.append({"kind": "firewall", "path": "/etc/ufw/user.rules", "before": state(text), "after": None})
        if text is not None:
            data["texts"][checksum(text)] = base64.b64encode(text.encode()).decode()
    data["firewall_edited"] = edited
    data["points"][1]["edited"] = ["/etc/ufw/user.rules"] if noted else []
    return data


def restored(data, wanted, text=MOVED, **given):
    found = _restore_points.listed(data)
    return _restore_plan.planned(
        found,
        _restore_points.chosen(found, wanted),
        instance=instance(),
        text=text,
        settings=SETTINGS_FILE,
        **{"force": False, **given},
    )


def test_a_firewall_that_differs_is_restored_and_its_rules_are_shown():
    restore = restored(with_firewall("allow tcp 1", "allow tcp 2", "allow tcp 3"), "last")
    assert restore.firewall and restore.plan.restore == 2
    assert restore.lines[-2:] == ["firewall: - allow tcp 3", "firewall: + allow tcp 2"]


TUPLE = "allow tcp 8881 0.0.0.0/0 any 0.0.0.0/0 in comment=7069666c6565742e6e6f6465726564204e6f64652d524544"
SHOWN = "allow from any to any port 8881 proto tcp"
TUPLE6 = TUPLE.replace("0.0.0.0/0", "::/0")


def with_rules(*rules):
    """`with_firewall` with rules of IPv4 and of IPv6."""
    data = with_firewall(*(of_ipv4 for of_ipv4, _of_ipv6 in rules))
    for entries_, (_of_ipv4, rule) in zip(
        [*(one["entries"] for one in data["points"]), data["now"]], rules, strict=True
    ):
        text = f"### tuple ### {rule}\n" if rule else "# none\n"
        entries_.append({"kind": "firewall", "path": "/etc/ufw/user6.rules", "before": state(text), "after": None})
        data["texts"][checksum(text)] = base64.b64encode(text.encode()).decode()
    return data


@pytest.mark.parametrize(
    ("before", "now", "lines"),
    [
        (("", ""), (TUPLE, TUPLE6), [f"- {SHOWN}"]),
        ((TUPLE, TUPLE6), ("", ""), [f"+ {SHOWN}"]),
        (
            (TUPLE, TUPLE6),
            (TUPLE, ""),
            ["- allow from any to any port 8881 proto tcp (IPv4)", f"+ {SHOWN}"],
        ),
        (("", TUPLE6), ("", ""), [f"+ {SHOWN} (IPv6)"]),
        (("allow tcp ?", ""), ("", ""), ["+ allow tcp ?"]),
        (
            ("deny tcp 25 0.0.0.0/0 any 0.0.0.0/0 out comment=20", ""),
            ("", ""),
            ["+ deny tcp 25 0.0.0.0/0 any 0.0.0.0/0 out (IPv4)"],
        ),
        ((TUPLE + "20", TUPLE6), (TUPLE, TUPLE6), ["settings of ufw"]),
    ],
)
def test_rules_are_shown_as_ufw_takes_them(before, now, lines):
    restore = restored(with_rules(("", ""), before, now), "last")
    assert [line for line in restore.lines if "firewall" in line] == [f"firewall: {line}" for line in lines]


def test_a_firewall_that_was_disabled_is_reported_as_open():
    disabled = with_firewall("allow tcp 1", "allow tcp 2", "allow tcp 3")
    assert restored(disabled, "last").notes == [_restore_plan.UFW_INACTIVE]
    enabled = with_firewall("allow tcp 1", "allow tcp 2\nENABLED=yes", "allow tcp 3")
    assert restored(enabled, "last").notes == []


def test_a_firewall_that_is_the_same_is_left_alone():
    restore = restored(with_firewall("allow tcp 1", "allow tcp 2", "allow tcp 2", edited=True), "last")
    assert not restore.firewall and restore.notes == []


def test_a_firewall_alone_can_be_restored():
    data = with_firewall("allow tcp 1", "allow tcp 2", "allow tcp 3")
    data["points"][1]["entries"][0]["before"] = state(MOVED)
    restore = restored(data, "last")
    assert (restore.firewall, restore.changes, restore.plan.restore) == (True, True, 0)


@pytest.mark.parametrize("rules", [(None, None, "x"), ("x", None, "y")])
def test_a_firewall_that_was_not_there_stays_and_that_is_reported(rules):
    restore = restored(with_firewall(*rules), "last")
    assert not restore.firewall
    assert restore.notes == ["the firewall stays as it is: ufw was not there when the restore point was made"]


def test_a_firewall_that_must_stay_is_reported_with_the_reason():
    restore = restored(with_firewall("1", "2", "3", edited=True), "last", firewall_stays="nodered_ufw_manage is false")
    assert not restore.firewall
    assert restore.notes == ["the firewall stays as it is: nodered_ufw_manage is false"]


@pytest.mark.parametrize(("point", "edit"), [("last", {"edited": True}), ("1", {"noted": True})])
def test_an_edit_of_the_firewall_is_rejected_unless_that_is_forced(point, edit):
    data = with_firewall("allow tcp 1", "allow tcp 2", "allow tcp 3", **edit)
    with pytest.raises(RestoreError, match=r"(?s)ufw was edited since the run of .*- allow tcp 3"):
        restored(data, point)
    assert restored(data, point, force=True).firewall


def test_an_edit_of_the_firewall_before_the_point_loses_nothing():
    assert restored(with_firewall("allow tcp 1", "allow tcp 2", "allow tcp 3", noted=True), "last").firewall
