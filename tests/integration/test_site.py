# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation site in a real browser: it can be read on a phone, in light and dark, and needs no network.

It needs no machine. Pictures are left in build/browser/.
"""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest

from .browser import complaints, emulate, is_wider_than_the_screen, picture
from .fleet import CHECKOUT

HTML = CHECKOUT / "build" / "docs" / "html"
# One of each kind.
KINDS = {
    "first": "index",
    "start": "docs/start",
    "design": "docs/design",
    "how-to": "docs/how-to/several",
    "table": "docs/compatibility",
    "role": "roles/login/README",
    "role-variables": "reference/login_role",
    "module": "reference/settings_module",
    "menu": "reference/menu",
}


@pytest.fixture(scope="module")
def pages() -> list[pathlib.Path]:
    subprocess.run(["make", "docs"], cwd=CHECKOUT, check=True, timeout=600)
    return sorted(HTML.rglob("*.html"))


def test_no_page_is_wider_than_a_phone(pages, browser):
    emulate(browser, width=390, height=844)
    wide = []
    for page in pages:
        browser.get(page.as_uri())
        if is_wider_than_the_screen(browser):
            wide.append(str(page.relative_to(HTML)))
    assert pages and wide == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_can_be_read_by_all(pages, browser, kind, scheme):
    for width in (390, 1280):
        emulate(browser, width=width, height=844, scheme=scheme)
        browser.get((HTML / f"{KINDS[kind]}.html").as_uri())
        picture(browser, f"site-{kind}-{scheme}-{width}")
    assert complaints(browser) == []


def test_a_page_loads_nothing_from_elsewhere(pages):
    loaded = re.compile(
        r'<(?:script|img|iframe|link rel="(?:stylesheet|preload)")[^>]* (?:src|href)="(?:https?:)?//[^"]*'
    )
    assert [found[0] for page in pages for found in loaded.finditer(page.read_text())] == []
