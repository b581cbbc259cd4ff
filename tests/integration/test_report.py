# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a report in a real browser: what it shows, how it is used, and what hostile hosts can do to it.

It needs no machine. Pictures are left in build/browser/.
"""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.pifleet.nodered.plugins.plugin_utils._report import _write
from ansible_collections.pifleet.nodered.tests.unit.plugins.plugin_utils._report import fleets
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from .browser import complaints, emulate, is_wider_than_the_screen, picture, until

LARGEST_PAGE = 3_000_000


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    """The addresses of some reports."""
    folder = tmp_path_factory.mktemp("reports")
    large, catalogue = fleets.large_fleet()
    earlier = fleets.fleet(fleets.host("pi1", findings=[fleets.finding()]), fleets.host("pi2", passed=["editor-open"]))
    _write.write(folder / "mixed", earlier, fleets.CHECKS)
    _write.write(folder / "mixed", fleets.mixed_fleet(), fleets.CHECKS)
    _write.write(folder / "hostile", fleets.hostile_fleet(), fleets.CHECKS)
    _write.write(folder / "large", large, catalogue)
    return {path.name: (path / "index.html").as_uri() for path in folder.iterdir()}


@pytest.fixture
def screen(browser):
    """Set the size of the window, and what the style asks for; a wide and light screen after the test."""

    def run(**wanted) -> None:
        emulate(browser, **wanted)

    run()
    yield run
    run()


@pytest.fixture
def page(browser, pages, screen):
    """Open a report as if for the first time."""

    def run(name: str, anchor: str = ""):
        browser.get("about:blank")
        browser.get_log("browser")
        browser.get(pages[name] + anchor)
        return browser

    return run


def shown(browser, selector: str) -> list[str]:
    """The texts of the elements that can be seen."""
    found = browser.find_elements(By.CSS_SELECTOR, selector)
    return [one.text.strip() for one in found if one.is_displayed()]


def names(browser) -> list[str]:
    """The hosts in the matrix; the details must have the same."""
    rows = shown(browser, "tbody th")
    assert shown(browser, "#details h3") == rows
    return rows


def press(browser, *keys: str) -> None:
    for key in keys:
        browser.switch_to.active_element.send_keys(key)


def focused(browser) -> str:
    return browser.switch_to.active_element.text.strip()


def test_text_filters_hosts_by_name_finding_and_version(page):
    browser = page("mixed")
    assert names(browser) == ["pi2", "pi10", "pi11", "pi1"]
    field = browser.find_element(By.ID, "filter")
    wanted = {"user ADA": ["pi2"], "pi1": ["pi10", "pi11", "pi1"], "4.1.1": ["pi1"], "timed": ["pi11"]}
    for words, hosts in wanted.items():
        field.clear()
        field.send_keys(words)
        assert names(browser) == hosts, words
        assert browser.find_element(By.ID, "shown").text == f"{len(hosts)} of 4 hosts"
    picture(browser, "report-filtered")
    field.send_keys("nowhere")
    assert names(browser) == [] and shown(browser, "#nothing")
    browser.find_element(By.ID, "reset").click()
    assert len(names(browser)) == 4 and not shown(browser, "#nothing")


def test_severities_filter_hosts_and_their_findings(page):
    browser = page("mixed", "#h0")
    medium = browser.find_element(By.CSS_SELECTOR, '.tile[data-kind="medium"]')
    assert len(shown(browser, "#h0 .findings > li")) == 4
    medium.send_keys(Keys.SPACE)
    assert medium.get_attribute("aria-pressed") == "true"
    assert names(browser) == ["pi2", "pi10"]
    assert len(shown(browser, "#h0 .findings > li")) == 1
    picture(browser, "report-medium")
    browser.find_element(By.CSS_SELECTOR, '.tile[data-kind="missed"]').send_keys(Keys.ENTER)
    assert names(browser) == ["pi2", "pi10", "pi11"]
    medium.send_keys(Keys.SPACE)
    assert names(browser) == ["pi11"]


def test_hosts_are_sorted_by_severity_or_by_name(page):
    browser = page("mixed")
    heads = {name: browser.find_element(By.ID, f"head-{name}") for name in ("host", "count")}

    def order():
        return {name: head.get_attribute("aria-sort") for name, head in heads.items()}

    assert order() == {"host": "none", "count": "descending"}
    Select(browser.find_element(By.ID, "sort")).select_by_visible_text("Host")
    assert names(browser) == ["pi1", "pi2", "pi10", "pi11"]
    assert order() == {"host": "ascending", "count": "none"}
    Select(browser.find_element(By.ID, "sort")).select_by_visible_text("Severity")
    assert names(browser) == ["pi2", "pi10", "pi11", "pi1"]


def test_the_keyboard_alone_leads_to_the_details_and_back(page):
    browser = page("mixed")
    press(browser, Keys.TAB)
    assert focused(browser) == "Skip to the matrix"
    press(browser, Keys.ENTER)
    for _time in range(60):
        press(browser, Keys.TAB)
        if focused(browser) == "pi2" and browser.switch_to.active_element.tag_name == "a":
            break
    press(browser, Keys.ENTER)
    card = browser.find_element(By.ID, "h0")
    until(browser, lambda: card.get_attribute("open"))
    assert browser.switch_to.active_element == card.find_element(By.TAG_NAME, "summary")
    assert "User ada: cost 4." in card.text and fleets.WHY in card.text and "Run the role login." in card.text
    picture(browser, "report-details")
    press(browser, Keys.ENTER)
    until(browser, lambda: not card.get_attribute("open"))
    press(browser, Keys.ENTER)
    until(browser, lambda: card.get_attribute("open"))
    back = card.find_element(By.CSS_SELECTOR, ".back a")
    back.send_keys(Keys.ENTER)
    until(browser, lambda: focused(browser) == "pi2" and browser.switch_to.active_element.tag_name == "a")


def test_a_click_on_a_row_opens_the_host_also_for_a_second_time(page):
    browser = page("mixed")
    cell, card = browser.find_element(By.CSS_SELECTOR, "#r1 td.m"), browser.find_element(By.ID, "h1")
    for _time in range(2):
        cell.click()
        until(browser, lambda: card.get_attribute("open"))
        browser.find_element(By.ID, "close").click()
        assert not card.get_attribute("open")


def test_the_head_of_a_column_leads_to_its_check(page):
    browser = page("mixed")
    browser.find_element(By.LINK_TEXT, "Weak hash").click()
    article = browser.find_element(By.ID, "c-hash-weak")
    until(browser, lambda: -1 <= article.rect["y"] - browser.execute_script("return scrollY") < 900)
    assert "Passwords are hashed with a cost of 8 or more" in article.text


def test_head_and_names_stay_in_view_when_two_hundred_hosts_scroll(page, pages):
    assert pathlib.Path(pages["large"].removeprefix("file://")).stat().st_size < LARGEST_PAGE
    browser = page("large")
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 200
    region = browser.find_element(By.CSS_SELECTOR, ".scroll")
    head, name = (browser.find_element(By.CSS_SELECTOR, one) for one in ("thead th.check", "#r120 th"))
    browser.execute_script("arguments[0].scrollIntoView()", region)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", name)
    browser.execute_script("arguments[0].scrollLeft = 300", region)
    assert 0 <= head.rect["y"] - region.rect["y"] < 60
    assert 0 <= name.rect["x"] - region.rect["x"] < 5
    assert name.is_displayed()
    picture(browser, "report-large")
    browser.find_element(By.ID, "filter").send_keys("pi77.")
    assert names(browser) == ["pi77.house-0.example.org"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390], ids=["wide", "phone"])
def test_the_page_can_be_read_by_all(page, screen, scheme, width):
    screen(width=width, height=844, scheme=scheme)
    browser = page("mixed")
    browser.find_element(By.ID, "open").click()
    until(browser, lambda: len(browser.find_elements(By.CSS_SELECTOR, ".findings .advice")) == 6)
    browser.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert complaints(browser) == []
    assert not is_wider_than_the_screen(browser)
    browser.execute_script("scrollTo(0, 0)")
    picture(browser, f"report-{scheme}-{width}")


def test_the_page_follows_the_color_scheme(page, screen):
    def colors():
        style = "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]"
        return [sum(map(int, color[4:-1].split(","))) / 3 for color in page("mixed").execute_script(style)]

    back, text = colors()
    assert back > 200 and text < 60
    screen(scheme="dark")
    back, text = colors()
    assert back < 60 and text > 200


def test_the_details_of_all_hosts_that_are_shown_are_printed(page, screen):
    browser = page("mixed")
    browser.find_element(By.ID, "filter").send_keys("pi1")
    browser.execute_script(
        "addEventListener('beforeprint', () => {"
        " window.printed = [...document.querySelectorAll('#details > [open]')].map((one) => one.id); });"
    )
    browser.print_page()
    assert browser.execute_script("return window.printed") == ["h1", "h2", "h3"]
    until(browser, lambda: not browser.find_elements(By.CSS_SELECTOR, "#details > [open]"))
    screen(width=1047, height=740, scheme="dark", media="print")
    assert not shown(browser, ".controls, .skip, .back")
    background = "return getComputedStyle(document.querySelector('table th')).backgroundColor"
    assert browser.execute_script(background) == "rgb(255, 255, 255)"
    assert browser.execute_script("return getComputedStyle(document.querySelector('.scroll')).overflow") == "visible"
    picture(browser, "report-print")


def test_without_scripts_the_page_shows_everything(page):
    browser = page("mixed")
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.refresh()
        assert shown(browser, "tbody th") == ["pi2", "pi10", "pi11", "pi1"]
        assert not shown(browser, ".controls")
        browser.find_element(By.CSS_SELECTOR, "#h0 summary").click()
        assert "User ada: cost 4." in browser.find_element(By.ID, "h0").text
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("name", ["mixed", "hostile"])
def test_the_page_loads_nothing_and_reports_no_error(page, name):
    browser = page(name)
    browser.find_element(By.ID, "open").click()
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert browser.get_log("browser") == []


def test_what_hostile_hosts_say_runs_nothing(page):
    browser = page("hostile")
    browser.find_element(By.ID, "open").click()
    browser.find_element(By.ID, "filter").send_keys("<script>")
    # Each of them would open a dialog, which makes the next command fail.
    assert [one for one in names(browser) if "<script>" in one]
    assert browser.execute_script("return document.scripts.length") == 1
    assert browser.execute_script("return document.querySelectorAll('[onmouseover]').length") == 0
    picture(browser, "report-hostile")


def test_a_script_that_got_into_the_page_would_not_run(page):
    browser = page("mixed")
    browser.execute_script(
        "const script = document.createElement('script'); script.textContent = 'window.ran = true';"
        "document.body.append(script);"
        "const image = document.createElement('b'); image.setAttribute('onclick', 'window.ran = true');"
        "document.body.append(image); image.click();"
    )
    assert browser.execute_script("return window.ran") is None
    assert all("Content Security Policy" in entry["message"] for entry in browser.get_log("browser"))
