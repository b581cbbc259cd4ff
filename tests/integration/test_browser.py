# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody sees in a real browser after `secure`: the editor behind its login, live dashboards behind theirs.

All over TLS, by a browser that was given the certificate of the fleet's authority and overlooks nothing. Pictures of it
are left in build/browser/, also of what a test saw that failed.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import tempfile
import time

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from .browser import PICTURES, chromium, picture, until
from .machine import ensure_installed, home_that_trusts
from .two_step import EXAMPLE, early_code, enrolment
from .users import USERS

HOUSE = ("house", "correct-house-battery")
DEPLOYED = [
    {"id": "b1", "type": "tab", "label": "From the browser"},
    {
        "id": "b2",
        "type": "http in",
        "z": "b1",
        "name": "",
        "url": "/from-the-browser",
        "method": "get",
        "x": 120,
        "y": 60,
        "wires": [["b3"]],
    },
    {
        "id": "b3",
        "type": "template",
        "z": "b1",
        "name": "",
        "field": "payload",
        "template": "deployed",
        "x": 300,
        "y": 60,
        "wires": [["b4"]],
    },
    {"id": "b4", "type": "http response", "z": "b1", "name": "", "x": 480, "y": 60, "wires": []},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def secured(fleet, folder):
    pi = fleet.pis["pi50"]
    pi.reset()
    flows = pi.read("/home/pi/.node-red/flows.json")
    variables = {
        **EXAMPLE,
        "nodered_login_totp_dir": str(folder / "totp"),
        "nodered_login_password_dir": str(folder / "passwords"),
        "nodered_http_auth_user": HOUSE[0],
        "nodered_http_auth_password": HOUSE[1],
        "nodered_tls_source": "authority",
        "nodered_tls_authority_dir": str(folder / "authority"),
        "nodered_tls_authority_passphrase": "only for this test",
    }
    run = fleet.play("secure", variables=variables, limit="pi50")
    assert not run.failed
    yield pi
    pi.write("/home/pi/.node-red/flows.json", flows)


@pytest.fixture(scope="module")
def base(secured):
    return f"https://{secured.address}:1880"


@pytest.fixture(scope="module")
def start(folder):
    """Start a browser that trusts this authority; it is ended with the last test."""
    ensure_installed({"certutil": "libnss3-tools"})
    with contextlib.ExitStack() as started:

        def run(authority: pathlib.Path | None) -> webdriver.Chrome:
            home = home_that_trusts(authority, pathlib.Path(tempfile.mkdtemp(prefix="home-", dir=folder)))
            return started.enter_context(chromium(home))

        yield run


@pytest.fixture(scope="module")
def browser(start, secured, folder):
    return start(folder / "authority" / "authority.pem")


@pytest.fixture(autouse=True)
def picture_of_a_failure(request, browser):
    failed_before = request.session.testsfailed
    yield
    if request.session.testsfailed > failed_before:
        picture(browser, f"failed-{request.node.name}")
        print(f"{browser.current_url} as in {PICTURES}\n{browser.find_element(By.TAG_NAME, 'body').text[:2000]}")


def shown(browser, selector: str):
    return until(
        browser,
        lambda: next((one for one in browser.find_elements(By.CSS_SELECTOR, selector) if one.is_displayed()), None),
    )


def give_password(browser, base: str) -> None:
    """As if typed into the browser's own dialog, which no driver can reach; the browser keeps it for this address."""
    browser.get(base.replace("://", f"://{HOUSE[0]}:{HOUSE[1]}@") + "/hello")
    assert "Hello from Node-RED" in browser.page_source


def counts(browser, base: str) -> dict[str, int]:
    browser.get(base + "/counts")
    return json.loads(browser.find_element(By.TAG_NAME, "body").text)


DASHBOARDS = {
    "node-red-dashboard": ("/ui/", ".nr-dashboard-text .value", ".nr-dashboard-button button", "presses"),
    "flowfuse-dashboard": ("/dashboard/home", ".nrdb-ui-text-value", ".nrdb-ui-button button", "presses2"),
}


def test_a_browser_that_was_not_given_the_authority_warns_and_shows_nothing(start, base):
    stranger = start(None)
    stranger.get(base + "/")
    picture(stranger, "without-the-authority")
    assert "ERR_CERT_AUTHORITY_INVALID" in stranger.page_source
    assert not stranger.execute_script("return window.RED")


def test_no_dashboard_is_shown_without_the_password(browser, base):
    for name, (page, _value, button, _counter) in DASHBOARDS.items():
        browser.get(base + page)
        picture(browser, f"{name}-without-password")
        assert not browser.find_elements(By.CSS_SELECTOR, button)


def log_in(browser, username: str, password: str) -> None:
    for selector, text in (("username", username), ("password", password)):
        field = shown(browser, f"#node-dialog-login-{selector}")
        field.clear()
        field.send_keys(text)
    shown(browser, "#node-dialog-login-submit").click()


def test_somebody_logs_in_to_the_editor_with_a_code_and_deploys_a_flow(browser, secured, base, folder):
    browser.get(base + "/")
    shown(browser, "#node-dialog-login-username")
    picture(browser, "editor-login")
    assert not browser.execute_script("return RED.nodes.getWorkspaceOrder ? RED.nodes.getWorkspaceOrder().length : 0")
    ada = USERS[0]
    log_in(browser, ada["username"], ada["password"])
    shown(browser, "#node-dialog-login-failed")
    picture(browser, "editor-login-without-code")
    log_in(browser, ada["username"], ada["password"] + early_code(enrolment(folder / "totp", secured.name)))
    until(
        browser,
        lambda: browser.execute_script("return RED.nodes.workspace('f1a0') && RED.settings.user.username") == "ada",
    )
    browser.execute_script("RED.view.importNodes(arguments[0], {generateIds: false, addFlow: false})", DEPLOYED)
    until(browser, lambda: browser.execute_script("return RED.nodes.dirty()"))
    browser.execute_script("document.querySelector('#red-ui-header-button-deploy').click()")
    until(browser, lambda: not browser.execute_script("return RED.nodes.dirty()"))
    picture(browser, "editor-deployed")
    assert "/from-the-browser" in secured.read("/home/pi/.node-red/flows.json")
    give_password(browser, base)
    browser.get(base + "/from-the-browser")
    assert "deployed" in browser.page_source


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_alive_with_the_password(browser, base, name):
    page, value, button, counter = DASHBOARDS[name]
    give_password(browser, base)
    before = counts(browser, base)[counter]
    browser.get(base + page)
    # The flow sends the time every five seconds.
    first = until(browser, lambda: time_in(browser, value))
    until(browser, lambda: time_in(browser, value) not in ("", first))
    shown(browser, button).click()
    time.sleep(1)
    picture(browser, name)
    assert counts(browser, base)[counter] == before + 1


def time_in(browser, selector: str) -> str:
    texts = [one.text for one in browser.find_elements(By.CSS_SELECTOR, selector)]
    return next((text for text in texts if text.startswith("20") and text.endswith("Z")), "")
