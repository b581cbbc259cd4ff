# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real browser without a window, and pictures of what it shows in build/browser/."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Callable
from typing import TypeVar

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from .fleet import CHECKOUT
from .machine import ensure_installed

PICTURES = CHECKOUT / "build" / "browser"
PATIENCE = 60

T = TypeVar("T")


def install() -> None:
    """Have Chromium and what drives it."""
    ensure_installed({"chromium": "chromium", "chromedriver": "chromium-driver"})


def chromium(home: pathlib.Path) -> webdriver.Chrome:
    """A browser with this home folder; the caller ends it with `quit`."""
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
    driver.set_page_load_timeout(PATIENCE)
    return driver


def picture(browser: webdriver.Chrome, name: str) -> None:
    """Keep what the browser shows."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(PICTURES / f"{name}.png"))


def until(browser: webdriver.Chrome, condition: Callable[[], T]) -> T:
    """Wait until the condition is true; its value."""
    return WebDriverWait(browser, PATIENCE, poll_frequency=0.3).until(lambda _browser: condition())
