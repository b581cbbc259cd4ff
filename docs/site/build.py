# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the documentation site into build/docs/html; every warning is an error.

`make docs` calls it. The pages are the Markdown files of the repository, at the same paths, so that their links work on
a forge and in the site; README.md and the menu make the first page. antsibull-docs adds the reference of modules,
plugins and role variables.
"""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable

import yaml

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
SITE = CHECKOUT / "docs" / "site"
BUILD = CHECKOUT / "build" / "docs"
REPOSITORY = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())["repository"]
PAGES = [
    "*.md",
    "docs/*.md",
    "docs/how-to/*.md",
    "docs/images/*.*",
    "docs/*.json",
    "roles/*/README.md",
    "examples/**/README.md",
]
FIRST = CHECKOUT / "README.md"
# The programs of docs/requirements.txt are beside the Python that runs this; ansible-doc is the one in the PATH.
TOOLS = pathlib.Path(sys.executable).parent
# What antsibull-docs names NAME_KIND.rst, in the order of the site's menu.
KINDS = {"role": "Variables of roles", "module": "Modules", "lookup": "Lookups", "filter": "Filters"}
# On the page of a plugin of earlier releases, which names what to use instead.
REMOVED = " has been removed\n"
# What readers with a keyboard or a screen reader miss in the pages of Sphinx, its theme and antsibull-docs.
REPAIRS = {
    '<p class="caption" role="heading">': '<p class="caption" role="heading" aria-level="2">',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="All pages">',
    '<aside class="toc-drawer">': '<aside class="toc-drawer" aria-label="This page">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
    "<pre>": '<pre tabindex="0">',
    ' aria-role="button"': "",
}
# The theme lists the headings of a page beside it.
CONTENTS = re.compile(r"^\.\. contents::\n(?: +:.*\n)+", re.MULTILINE)
LINK = re.compile(r"(?<=\]\()(?![a-z]+:)([^)#\s]+)")


def main() -> None:
    shutil.rmtree(BUILD, ignore_errors=True)
    source = BUILD / "source"
    collect(source)
    make_reference(source / "reference")
    run("sphinx-build", "--fail-on-warning", "--keep-going", "--quiet", "--conf-dir", SITE, source, BUILD / "html")
    change((BUILD / "html").rglob("*.html"), repaired)


def collect(source: pathlib.Path) -> None:
    pages = {page for pattern in PAGES for page in CHECKOUT.glob(pattern)}
    for page in pages:
        target = source / page.relative_to(CHECKOUT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if page.suffix == ".md":
            target.write_text(with_links_of_the_site(page.read_text(), page, pages))
        else:
            shutil.copyfile(page, target)
    with (source / "README.md").rename(source / "index.md").open("a") as index:
        index.write("\n" + (SITE / "menu.md").read_text())


def with_links_of_the_site(text: str, page: pathlib.Path, pages: Iterable[pathlib.Path]) -> str:
    """The text, with links to files that are no pages made to the repository, and to README.md to the first page."""

    def target(link: re.Match[str]) -> str:
        file = (page.parent / link[0]).resolve()
        if file == FIRST:
            return link[0].removesuffix("README.md") + "index.md"
        if file in pages or not file.exists():
            return link[0]
        return f"{REPOSITORY}/{'tree' if file.is_dir() else 'blob'}/main/{file.relative_to(CHECKOUT)}"

    return LINK.sub(target, text)


def make_reference(folder: pathlib.Path) -> None:
    folder.mkdir()
    options = ("--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", folder)
    run("antsibull-docs", "collection", *options, "pifleet.nodered")
    change(folder.glob("*.rst"), lambda text: CONTENTS.sub("", text))
    present = [path.stem for path in folder.glob("*_*.rst") if REMOVED not in path.read_text()]
    (folder / "menu.md").write_text(menu(sorted(present)))


def menu(pages: list[str]) -> str:
    """A page that lists the pages of the reference by their short names."""
    text = "# Modules, plugins, variables\n"
    for kind, title in KINDS.items():
        entries = [f"{page.removesuffix('_' + kind)} <{page}>" for page in pages if page.endswith("_" + kind)]
        text += "\n".join(("", f"## {title}", "", "```{toctree}", *entries, "```", ""))
    return text


def repaired(text: str) -> str:
    for wrong, right in REPAIRS.items():
        text = text.replace(wrong, right)
    return text


def change(files: Iterable[pathlib.Path], edit: Callable[[str], str]) -> None:
    for file in files:
        file.write_text(edit(file.read_text()))


def run(program: str, *arguments: object) -> None:
    subprocess.run([str(word) for word in (TOOLS / program, *arguments)], check=True, cwd=CHECKOUT)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd[0]} ended with {error.returncode}")
