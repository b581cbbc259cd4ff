# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx makes the documentation site from the pages that `build.py` has put together."""

from __future__ import annotations

import pathlib
import typing

import yaml
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
# What the reference links to in Ansible's own documentation.
ANSIBLE = "https://docs.ansible.com/ansible/latest"
ANSIBLE_LABELS = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
    "ansible_collections.ansible.builtin.assert_module": "collections/ansible/builtin/assert_module.html",
    "ansible_collections.ansible.builtin.meta_module": "collections/ansible/builtin/meta_module.html",
}
GALAXY = typing.cast("dict[str, str]", yaml.safe_load((CHECKOUT / "galaxy.yml").read_text()))

project = "pifleet.nodered"
copyright = "the pifleet.nodered authors"
version = release = GALAXY["version"]
html_title = f"{project} {version}"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
# Links to headings are written as a forge makes them.
myst_heading_anchors = 4
nitpicky = True
highlight_language = "text"

html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
# The colours of the theme, which follow its switch between light and dark.
antsibull_ext_color_scheme = "none"


def link_to_ansible(
    app: Sphinx, _environment: object, reference: pending_xref, text: nodes.TextElement
) -> nodes.reference | None:
    page = ANSIBLE_LABELS.get(reference["reftarget"])
    return page and nodes.reference("", "", text, refuri=f"{ANSIBLE}/{page}", internal=False)


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", link_to_ansible)
