# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""index.html is one file that shows what hosts say as text, and stays small. tests/integration has it in a browser."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import re
from collections import Counter

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _changes, _html
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._report import fleets
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._report.fleets import finding, host

LARGEST = 3_000_000
LETTERS = {"c": "critical", "h": "high", "m": "medium", "l": "low", "n": "info"}


class Page(html.parser.HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] in ("script", "style") and self.cdata_elem:
            self.scripts.append(data)
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def render(report, changes=None, checks=fleets.CHECKS) -> str:
    return _html.render(report, checks, changes)


def rows(text: str) -> dict[str, list[str]]:
    """The classes of the cells of each row of the matrix."""
    body = text[text.index("<tbody>") : text.index("</tbody>")]
    found = re.findall(r"<tr [^>]*><th [^>]*><a [^>]*>(.*?)</a></th>(.*?)</tr>", body, re.DOTALL)
    return {name: re.findall(r'<td class="(\w+)"', cells) for name, cells in found}


def test_the_matrix_has_a_row_for_each_host_and_a_column_for_each_check():
    assert rows(render(fleets.mixed_fleet())) == {
        "pi2": ["count", "c", "h", "s", "l", "p"],
        "pi10": ["count", "p", "p", "m", "p", "n"],
        "pi11": ["count", "message"],
        "pi1": ["count", "p", "p", "p", "p", "p"],
    }


def test_a_cell_tells_its_kind_in_words_and_counts_findings():
    text = render(fleets.mixed_fleet())
    assert '<td class="h"><i>high</i><b>2</b></td>' in text
    assert '<td class="c"><i>critical</i></td>' in text
    assert '<td class="s"><i>not checked</i></td>' in text


def test_a_check_without_a_result_is_not_known_and_one_that_no_host_has_is_no_column():
    report = fleets.fleet(host("pi1", passed=["editor-open"]), host("pi2"))
    assert rows(render(report)) == {"pi1": ["count", "p"], "pi2": ["count", "u"]}


def test_a_check_that_the_catalogue_does_not_have_is_a_column():
    text = render(fleets.fleet(host(findings=[finding("later-check", title="Something later")])))
    assert rows(text) == {"pi1": ["count", "c"]}
    assert "Later check" in text and "Something later" in text


def test_hosts_are_in_the_order_of_their_worst_findings():
    def one(name, *severities, **values):
        return host(name, findings=[finding(f"check-{severity}", severity) for severity in severities], **values)

    report = fleets.fleet(
        one("fine"),
        one("away", status="unreachable"),
        one("low", "low"),
        one("high", "high"),
        one("critical", "critical"),
        one("both", "critical", "high"),
    )
    assert list(rows(render(report))) == ["both", "critical", "high", "low", "away", "fine"]


def test_the_summary_counts_hosts_and_findings():
    page = Page(render(fleets.mixed_fleet()))
    assert "4 hosts: 3 audited, 1 unreachable. 6 findings on 2 hosts." in page.text
    assert "1 Critical on 1 host" in page.text and "2 Medium on 2 hosts" in page.text


def test_the_details_have_evidence_versions_and_what_was_left_out():
    text = Page(render(fleets.mixed_fleet())).text
    for part in ("User ada: cost 4.", "Node-RED : 2.2.3", "expires in 12 days", "Expires: There is no TLS."):
        assert part.replace(" :", "") in text.replace(" :", "")


@pytest.mark.parametrize(
    ("days", "told"),
    [(-2, "expired 2 days ago"), (-1, "expired 1 day ago"), (0, "expires in 0 days"), (1, "expires in 1 day")],
)
def test_the_days_of_a_certificate_are_told(days, told):
    assert f"<dd>{told}</dd>" in render(fleets.fleet(host(certificate_days=days)))


def test_what_most_hosts_share_is_told_once_and_what_one_has_alone_with_that_one():
    alone = finding(remedy="Ask ada.")
    report = fleets.fleet(*(host(f"pi{one}", findings=[finding()]) for one in range(5)), host("pi9", findings=[alone]))
    text = Page(render(report)).text
    assert text.count("Run the role login.") == 1 and text.count("Ask ada.") == 1
    assert text.count(fleets.WHY) == 1


def test_what_to_do_is_headed_by_what_most_hosts_have_found_or_by_the_check():
    def heads(*titles):
        report = fleets.fleet(*(host(f"pi{one}", findings=[finding(title=title)]) for one, title in enumerate(titles)))
        return re.findall(r"<h3><b .*?</b> (.*?)</h3>\s*<p class=\"hint\">(.*?)</p>", render(report))

    assert heads("Open", "Open", "Closed") == [("Open", "Wanted: The editor requires a login.")]
    assert heads("Open", "Closed") == [("Login: Editor open", "Wanted: The editor requires a login.")]


def test_without_a_remedy_that_most_hosts_share_each_has_its_own():
    report = fleets.fleet(*(host(f"pi{one}", findings=[finding(remedy=f"Ask {one}.")]) for one in range(3)))
    text = Page(render(report)).text
    assert "differs from host to host" in text
    assert all(f"Ask {one}." in text for one in range(3))


def test_changes_are_shown_with_links_to_hosts_that_are_there():
    before = fleets.fleet(host("pi1", passed=["editor-open"]), host("pi2", findings=[finding()]), host("pi9"))
    now = fleets.fleet(host("pi1", findings=[finding()]), host("pi2", passed=["editor-open"]), host("pi3"))
    text = render(now, _changes.between(before, now))
    page = Page(text)
    assert "Since the report of 2026-03-01 12:00 UTC:" in page.text
    for part in ("New findings 1 critical pi1 Anyone", "No longer found 1 critical pi2 Anyone", "New hosts 1 pi3"):
        assert part in page.text
    assert "Hosts that are not in this report 1 pi9" in page.text
    assert '<span class="name">pi9</span>' in text and '<a href="#h0">pi1</a>' in text


def test_many_changes_are_cut():
    now = fleets.fleet(*(host(f"pi{one}", findings=[finding()]) for one in range(250)))
    before = fleets.fleet(*(host(f"pi{one}", passed=["editor-open"]) for one in range(250)))
    assert "150 more in report.json" in render(now, _changes.between(before, now))


@pytest.mark.parametrize(
    ("changes", "told"),
    [(None, "There is no earlier report"), (_changes.Changes(fleets.GENERATED), "Nothing has changed since")],
)
def test_without_changes_the_page_says_so(changes, told):
    assert told in Page(render(fleets.mixed_fleet(), changes)).text


def test_a_report_without_hosts_or_findings_is_a_page():
    assert "0 hosts: 0 audited. No findings." in Page(render(fleets.fleet())).text
    assert "no check has found anything" in Page(render(fleets.fleet(host(passed=["readme"])))).text


def test_links_lead_to_what_is_on_the_page_and_nowhere_else():
    page = Page(render(fleets.mixed_fleet(), _changes.between(fleets.fleet(host("pi1")), fleets.mixed_fleet())))
    ids = Counter(values["id"] for _tag, values in page.elements if "id" in values)
    assert max(ids.values()) == 1
    targets = {values["href"] for _tag, values in page.elements if "href" in values}
    assert targets and targets <= {f"#{one}" for one in ids}
    assert not [tag for tag, values in page.elements if {"src", "srcset", "action", "style"} & set(values)]
    assert {tag for tag, _values in page.elements}.isdisjoint({"link", "img", "iframe", "object", "form", "base"})


def test_only_the_style_and_the_script_of_the_page_are_allowed():
    text = render(fleets.mixed_fleet())
    page = Page(text)
    policy = next(values["content"] for _tag, values in page.elements if "http-equiv" in values)
    style, script = re.search("<style>(.*?)</style>.*<script>(.*)</script>", text, re.DOTALL).groups()
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in (style, script)]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert page.scripts == [style, script]


def shape(page: Page) -> list[tuple[str, list[str]]]:
    """All elements, with the names of their attributes."""
    return [(tag, sorted(values)) for tag, values in page.elements]


@pytest.mark.parametrize("text", fleets.HOSTILE.values(), ids=fleets.HOSTILE)
def test_what_a_hostile_host_says_stays_text(text):
    hostile, harmless = (
        fleets.fleet(fleets.hostile_host(one), host("away", status="failed", message=one)) for one in (text, "harmless")
    )
    changes = [_changes.between(report, fleets.fleet(host("pi1"))) for report in (hostile, harmless)]
    pages = [Page(render(report, one)) for report, one in zip((hostile, harmless), changes, strict=True)]
    assert shape(pages[0]) == shape(pages[1])
    assert pages[0].scripts == pages[1].scripts
    assert " ".join(hostile.hosts[0].host.split()) in pages[0].text


@pytest.mark.parametrize("checks", [32, 42])
def test_two_hundred_hosts_that_fail_all_checks_are_less_than_three_megabytes(checks):
    report, catalogue = fleets.large_fleet(200, checks)
    text = render(report, None, catalogue)
    assert len(text.encode()) < LARGEST
    assert "more findings of this host" not in text or checks > 32
    assert "and 150 more, see the matrix" in text


def test_two_hundred_hosts_that_say_too_much_are_less_than_three_megabytes():
    much = [finding(f"check-{one}", title="<" * 300, evidence="&" * 2000, why="'" * 2000) for one in range(60)]
    text = render(fleets.fleet(*(host(f"pi{one}", findings=much, message=">" * 2000) for one in range(200))))
    assert len(text.encode()) < LARGEST
    assert "more findings of this host are in report.json" in text


def test_a_host_that_says_too_much_takes_nothing_from_the_others():
    much = [finding(f"check-{one}", evidence="&" * 2000) for one in range(500)]
    others = [host(f"pi{one}", findings=[finding(evidence=f"Evidence {one}.")]) for one in range(199)]
    text = render(fleets.fleet(host("loud", findings=much), *others))
    assert all(f"Evidence {one}." in text for one in range(199))
