# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser without a window, and pictures of what it shows in build/browser/."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import TypeVar

from ansible_collections.pifleet.nodered.tests.corpus.packages import archives, text_in
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from .fleet import CHECKOUT
from .machine import ensure_installed

PICTURES = CHECKOUT / "build" / "browser"
PATIENCE = 60
AXE = "axe-core@4.14.1"

T = TypeVar("T")


@contextlib.contextmanager
def chromium(home: pathlib.Path) -> Iterator[webdriver.Chrome]:
    """A browser with this home folder. Chromium and what drives it are installed if they are missing."""
    ensure_installed({"chromium": "chromium", "chromedriver": "chromium-driver"})
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Without a sandbox of its own, as root in a container cannot make one; only pages of the tests are opened.
    for option in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
        "--no-proxy-server",
    ):
        options.add_argument(option)
    service = webdriver.ChromeService(shutil.which("chromedriver"), env={**os.environ, "HOME": str(home)})
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.set_page_load_timeout(PATIENCE)
        yield driver
    finally:
        driver.quit()


def picture(browser: webdriver.Chrome, name: str) -> None:
    """Keep what the browser shows."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(PICTURES / f"{name}.png"))


def until(browser: webdriver.Chrome, condition: Callable[[], T]) -> T:
    """Wait until the condition is true; its value."""
    return WebDriverWait(browser, PATIENCE, poll_frequency=0.3).until(lambda _browser: condition())


def emulate(
    browser: webdriver.Chrome, width: int = 1280, height: int = 900, scheme: str = "light", media: str = ""
) -> None:
    """Set the size of the window, and what the style asks for."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def complaints(browser: webdriver.Chrome) -> list[str]:
    """What rules of WCAG 2.2 A and AA the page breaks, as axe-core finds out."""
    if not browser.execute_script("return window.axe !== undefined"):
        browser.execute_script(text_in(archives("axe-core@")[AXE], "axe.min.js"))
    found = browser.execute_async_script(
        """const done = arguments[0];
        const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
        axe.run(document, {runOnly: tags}).then((result) => done(result.violations));"""
    )
    return [json.dumps([one["id"], [node["html"][:200] for node in one["nodes"][:3]]]) for one in found]


def is_wider_than_the_screen(browser: webdriver.Chrome) -> bool:
    """Whether the page has to be scrolled sideways."""
    return browser.execute_script("return document.documentElement.scrollWidth > innerWidth")
