# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody sees in a real browser after `secure`: the editor behind its login, live dashboards behind theirs.

Pictures of it are left in build/browser/.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from .fleet import CHECKOUT
from .sockets import base_url
from .users import USERS

PICTURES = CHECKOUT / "build" / "browser"
PATIENCE = 60
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
def secured(fleet, tmp_path_factory):
    pi = fleet.pis["pi50"]
    pi.reset()
    flows = pi.read("/home/pi/.node-red/flows.json")
    variables = {
        "nodered_login_users": USERS,
        "nodered_login_password_dir": str(tmp_path_factory.mktemp("passwords")),
        "nodered_http_auth_user": HOUSE[0],
        "nodered_http_auth_password": HOUSE[1],
    }
    run = fleet.play("secure", variables=variables, limit="pi50")
    assert not run.failed
    yield pi
    pi.write("/home/pi/.node-red/flows.json", flows)


@pytest.fixture
def browser():
    ensure_chromium()
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    # Which authority signed the certificate, if there is one, is not what is looked at here.
    options.accept_insecure_certs = True
    # Without a sandbox of its own, as root in a container cannot make one; only the fleet's pages are opened.
    for option in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
        "--no-proxy-server",
    ):
        options.add_argument(option)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(PATIENCE)
    yield driver
    driver.quit()


def ensure_chromium() -> None:
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        install = "apt-get update -q && apt-get install -qy --no-install-recommends chromium chromium-driver"
        done = subprocess.run(
            ["sh", "-c", install], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.returncode == 0, (
            "install Chromium with its driver (Debian: chromium, chromium-driver)\n" + done.stderr
        )


def picture(browser, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    browser.save_screenshot(str(PICTURES / f"{name}.png"))


def until(browser, condition):
    return WebDriverWait(browser, PATIENCE, poll_frequency=0.3).until(lambda _browser: condition())


def shown(browser, selector: str):
    return until(
        browser,
        lambda: next((one for one in browser.find_elements(By.CSS_SELECTOR, selector) if one.is_displayed()), None),
    )


def give_password(browser, base: str) -> None:
    """As if typed into the browser's own dialog, which no driver can reach; the browser keeps it for this address."""
    scheme, host = base.split("://")
    browser.get(f"{scheme}://{HOUSE[0]}:{HOUSE[1]}@{host}/hello")
    assert "Hello from Node-RED" in browser.page_source


def counts(browser, base: str) -> dict[str, int]:
    browser.get(base + "/counts")
    return json.loads(browser.find_element(By.TAG_NAME, "body").text)


def test_somebody_logs_in_to_the_editor_and_deploys_a_flow(browser, secured):
    base = base_url(secured.address)
    browser.get(base + "/")
    name = shown(browser, "#node-dialog-login-username")
    picture(browser, "editor-login")
    assert not browser.execute_script("return RED.nodes.getWorkspaceOrder ? RED.nodes.getWorkspaceOrder().length : 0")
    name.send_keys(USERS[0]["username"])
    shown(browser, "#node-dialog-login-password").send_keys(USERS[0]["password"])
    shown(browser, "#node-dialog-login-submit").click()
    until(
        browser,
        lambda: browser.execute_script("return RED.nodes.workspace('f1a0') && RED.settings.user.username") == "ada",
    )
    browser.execute_script("RED.view.importNodes(arguments[0], {generateIds: false, addFlow: false})", DEPLOYED)
    until(browser, lambda: browser.execute_script("return RED.nodes.dirty()"))
    browser.execute_script("document.querySelector('#red-ui-header-button-deploy').click()")
    until(browser, lambda: not browser.execute_script("return RED.nodes.dirty()"))
    time.sleep(1)
    picture(browser, "editor-deployed")
    give_password(browser, base)
    browser.get(base + "/from-the-browser")
    assert "deployed" in browser.page_source


@pytest.mark.parametrize(
    "page, value, button, counter",
    [
        ("/ui/", ".nr-dashboard-text .value", ".nr-dashboard-button button", "presses"),
        ("/dashboard/home", ".nrdb-ui-text-value", ".nrdb-ui-button button", "presses2"),
    ],
    ids=["node-red-dashboard", "flowfuse-dashboard"],
)
def test_a_dashboard_is_alive_with_the_password_only(browser, secured, request, page, value, button, counter):
    base = base_url(secured.address)
    name = request.node.callspec.id
    browser.get(base + page)
    picture(browser, f"{name}-without-password")
    assert not browser.find_elements(By.CSS_SELECTOR, button)
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
