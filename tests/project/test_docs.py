# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of the documentation: their playbooks are good ones, and their links work on a forge and in the site."""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest
from ansible_collections.pifleet.nodered.docs.site import build, pictures

CHECKOUT = build.CHECKOUT
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
PAGE = CHECKOUT / "docs" / "page.md"
FORGE = build.REPOSITORY


def playbooks(page: pathlib.Path) -> list[str]:
    """The YAML of a page that is a whole playbook."""
    found = re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [
        text for text in found if re.search(r"^(?:- |  )(?:hosts|ansible.builtin.import_playbook):", text, re.MULTILINE)
    ]


def test_the_playbooks_of_the_pages_pass_ansible_lint(tmp_path):
    for page in PAGES:
        for number, text in enumerate(playbooks(page)):
            (tmp_path / f"{page.stem.lower()}_{number}.yml").write_text(f"---\n{text}")
    written = sorted(path.name for path in tmp_path.iterdir())
    assert "readme_0.yml" in written
    configuration = CHECKOUT / ".config" / "ansible-lint.yml"
    done = subprocess.run(
        ["ansible-lint", "--offline", "-c", configuration, *written],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("link", "in_the_site"),
    [
        ("../README.md#use-it", "../index.md#use-it"),
        ("two-step.md", "two-step.md"),
        ("../roles/tls/README.md#variables", "../roles/tls/README.md#variables"),
        ("../Makefile", f"{FORGE}/blob/main/Makefile"),
        ("../demo", f"{FORGE}/tree/main/demo"),
        ("missing.md", "missing.md"),
        ("#below", "#below"),
        ("https://nodered.org/docs/", "https://nodered.org/docs/"),
    ],
)
def test_a_link_of_a_page_leads_to_the_same_in_the_site(link, in_the_site):
    text = build.with_links_of_the_site(f"see [this]({link}), ", PAGE, PAGES + list(CHECKOUT.glob("roles/*/README.md")))
    assert text == f"see [this]({in_the_site}), "


def test_the_reference_is_listed_by_short_names():
    listed = build.menu(["login_role", "settings_module", "settings_js_filter"])
    assert "login <login_role>" in listed
    assert "settings <settings_module>" in listed
    assert "settings_js <settings_js_filter>" in listed


def audited(**severities: str) -> pictures.Report:
    findings = [{"id": id, "severity": severity, "title": f"<{id}>"} for id, severity in severities.items()]
    return {"hosts": [{"host": host, "findings": findings} for host in pictures.MACHINES]}


def test_the_picture_shows_what_was_found_before_and_after_the_worst_first():
    picture = pictures.before_and_after(audited(weak="medium", open="critical"), audited(weak="medium"))
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", picture)
    hosts = len(pictures.MACHINES)
    rows = ["&lt;open&gt;", *["critical", "passed"] * hosts, "&lt;weak&gt;", *["medium", "medium"] * hosts]
    assert texts[-len(rows) :] == rows
