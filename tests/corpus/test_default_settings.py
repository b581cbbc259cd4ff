# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of edit on the settings file of a Node-RED release of each generation, judged by Node.js.

One Node.js process evaluates all files. A test that cannot run fails.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from dataclasses import dataclass, field

import pytest
import tree_sitter
import tree_sitter_javascript
from ansible_collections.pifleet.nodered.plugins.plugin_utils._passwords import _bcrypt
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._known_settings import KNOWN_SETTINGS
from ansible_collections.pifleet.nodered.plugins.plugin_utils._settings._settings_js import edit
from ansible_collections.pifleet.nodered.tests.corpus.packages import PACKAGES, archives, text_in
from ansible_collections.pifleet.nodered.tests.evaluated import ABSENT, evaluated, found_at, plain

LANGUAGE = tree_sitter.Language(tree_sitter_javascript.language())
COMMENT = tree_sitter.Query(LANGUAGE, "(comment) @comment")

PASSWORD = "correct horse"
HASH = _bcrypt.hash_password(PASSWORD, rounds=4)


# The files


def from_template(template: str) -> str:
    """What `node-red admin init` writes: its Mustache template, filled as its questions would be answered."""
    login = {
        "type": "credentials",
        "users": [{"username": "nol", "password": HASH, "permissions": "*"}],
    }
    values = {
        "intro": "Settings created by node-red admin init",
        "flowFile": "flows.json",
        "credentialSecret": "",
        "adminAuth": json.dumps(login, indent=4).replace("\n", "\n    "),
        "telemetryEnabled": "true",
        "functionExternalModules": "true",
        "editorTheme": "",
        "projects.enabled": "false",
        "projects.workflow": "manual",
        "codeEditor": "monaco",
    }
    for name, value in values.items():
        shown, hidden = (r"\1", "") if value else ("", r"\1")
        end = "{{/" + name + "}}"
        template = re.sub("{{#" + name + "}}(.*?)" + end, shown, template, flags=re.DOTALL)
        template = re.sub(r"{{\^" + name + "}}(.*?)" + end, hidden, template, flags=re.DOTALL)
        template = template.replace("{{{" + name + "}}}", value).replace("{{" + name + "}}", value)
    assert "{{" not in template
    return template


def settings_files() -> dict[str, str]:
    """The default settings file of each package."""
    found = {}
    for package, path in archives("node-red").items():
        is_admin = package.startswith("node-red-admin@")
        member = "lib/commands/init/resources/settings.js.mustache" if is_admin else "settings.js"
        text = text_in(path, member)
        found[package] = from_template(text) if is_admin else text
    return found


VARIANTS = {
    "as it is": lambda text: text,
    "CRLF": lambda text: text.replace("\r\n", "\n").replace("\n", "\r\n"),
    "tabs": lambda text: text.replace("    ", "\t"),
    "byte-order mark": lambda text: "\ufeff" + text,
    "no final newline": lambda text: text.rstrip(),
}


# The edits


@dataclass(frozen=True)
class Wish:
    """An edit, the values that Node.js must find after it, and how many lines of the file it may take."""

    name: str
    wanted: dict[str, object] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    expected: dict[str, object] = field(default_factory=dict)
    lines: int = 3


LOGIN = {
    "type": "credentials",
    "users": [
        {"username": "admin", "password": {"$password": PASSWORD, "$rounds": 4}, "permissions": "*"},
        {"username": "guest", "password": HASH, "permissions": "read"},
    ],
}
EXPRESSION = "(function () { return { key: 1 + 1 }; })()"
THEME = {"page": {"title": "x"}}
COMMON = [
    Wish("port", {"uiPort": 18811}, expected={"uiPort": 18811}),
    Wish("login", {"adminAuth": LOGIN}, expected={"adminAuth.type": "credentials"}, lines=22),
    Wish("expression", {"https": {"$js": EXPRESSION}}, expected={"https": {"key": 2}}),
    Wish("projects", {"editorTheme.projects.enabled": True}, expected={"editorTheme.projects.enabled": True}, lines=6),
    Wish("allow", {"externalModules.palette.allowInstall": False}, lines=6),
    Wish("level", {"logging.console.level": "trace"}, expected={"logging.console.level": "trace"}),
    Wish("text", {"credentialSecret": 'it\'s "x"\n\u2028\U0001f600'}, lines=3),
    Wish(
        "basic",
        {"httpNodeAuth": {"user": "u", "pass": {"$password": PASSWORD, "$rounds": 4}}},
        expected={"httpNodeAuth.user": "u"},
        lines=6,
    ),
    Wish("no port", removed=("uiPort",), expected={"uiPort": ABSENT}),
    Wish("no logging", removed=("logging",), expected={"logging": ABSENT}, lines=40),
    Wish("no theme", removed=("editorTheme",), expected={"editorTheme": ABSENT}, lines=120),
    Wish("no console", removed=("logging.console.audit",), expected={"logging.console.audit": ABSENT}),
    Wish("another theme", {"editorTheme": THEME}, expected={"editorTheme": THEME}, lines=120),
    Wish("nothing", removed=("notThere", "not.there")),
]
TOGETHER = Wish(
    "together",
    {name: value for wish in COMMON for name, value in wish.wanted.items() if name != "editorTheme"},
    ("functionGlobalContext", "mqttReconnectTime", "notThere"),
    {"uiPort": 18811, "functionGlobalContext": ABSENT, "mqttReconnectTime": ABSENT, "https": {"key": 2}},
    120,
)
EACH_KNOWN = [
    wish
    for name in sorted(KNOWN_SETTINGS)
    for wish in (
        Wish(f"set {name}", {name: f"value of {name}"}, expected={name: f"value of {name}"}, lines=120),
        Wish(f"remove {name}", removed=(name,), expected={name: ABSENT}, lines=120),
    )
]


@dataclass(frozen=True)
class Edited:
    """One edit of one file."""

    package: str
    variant: str
    wish: Wish
    before: str
    after: str
    again: str


def all_edits(files: dict[str, str]) -> list[Edited]:
    """Every edit that is tested."""
    found = []
    for package, text in files.items():
        for variant, change in VARIANTS.items():
            before = change(text)
            for wish in [*COMMON, TOGETHER, *(EACH_KNOWN if variant == "as it is" else [])]:
                after = edit(before, set=wish.wanted, remove=wish.removed).text
                again = edit(after, set=wish.wanted, remove=wish.removed).text
                found.append(Edited(package, variant, wish, before, after, again))
    return found


@dataclass(frozen=True)
class Corpus:
    """All edits, and what Node.js finds exported by each text."""

    edits: list[Edited]
    exports: dict[str, object]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    edits = all_edits(settings_files())
    texts = {text for each in edits for text in (each.before, each.after)}
    results = evaluated(texts, tmp_path_factory.mktemp("corpus"))
    return Corpus(edits, {text: plain(result) for text, result in results.items()})


@pytest.fixture(params=[package for package in PACKAGES if package.startswith("node-red")])
def edits(request: pytest.FixtureRequest, corpus: Corpus) -> list[Edited]:
    """All edits of one package's file."""
    return [each for each in corpus.edits if each.package == request.param]


def without(exported: object, paths: list[list[str]]) -> object:
    """The exported value without what was wanted, and without objects that were empty or made only for it."""
    if not isinstance(exported, dict):
        return exported
    rest = {}
    for key, member in exported.items():
        inner = [path[1:] for path in paths if path[0] == key]
        if [] in inner:
            continue
        member = without(member, inner) if inner else member
        if member != {}:
            rest[key] = member
    return rest


def comments(text: str) -> Counter[str]:
    tree = tree_sitter.Parser(LANGUAGE).parse(text.encode())
    found = tree_sitter.QueryCursor(COMMENT).captures(tree.root_node).get("comment", [])
    return Counter((node.text or b"").decode() for node in found)


def test_the_corpus_has_every_generation() -> None:
    assert len([package for package in PACKAGES if package.startswith("node-red@")]) >= 20


def test_wanted_settings_are_in_effect(edits: list[Edited], corpus: Corpus) -> None:
    for each in edits:
        for path, value in each.wish.expected.items():
            assert found_at(corpus.exports[each.after], path) == value, (each.variant, each.wish.name)
        for path, value in each.wish.wanted.items():
            if isinstance(value, str | int):
                assert found_at(corpus.exports[each.after], path) == value, (each.variant, each.wish.name)


def test_passwords_verify_in_what_is_exported(edits: list[Edited], corpus: Corpus) -> None:
    for each in edits:
        if "adminAuth" in each.wish.wanted and each.wish.name == "login":
            login = found_at(corpus.exports[each.after], "adminAuth")
            assert isinstance(login, dict)
            assert [user["username"] for user in login["users"]] == ["admin", "guest"]
            assert _bcrypt.verify(PASSWORD, login["users"][0]["password"])


def test_no_other_setting_changes(edits: list[Edited], corpus: Corpus) -> None:
    for each in edits:
        named = [path.split(".") for path in (*each.wish.wanted, *each.wish.removed)]
        before, after = corpus.exports[each.before], corpus.exports[each.after]
        assert without(after, named) == without(before, named), (each.variant, each.wish.name)


def test_no_comment_is_lost(edits: list[Edited]) -> None:
    for each in edits:
        assert comments(each.after) == comments(each.before), (each.variant, each.wish.name)


def test_a_second_edit_changes_no_byte(edits: list[Edited]) -> None:
    for each in edits:
        assert each.again == each.after, (each.variant, each.wish.name)


def test_only_the_lines_of_the_edit_differ(edits: list[Edited], corpus: Corpus) -> None:
    for each in edits:
        limit = each.wish.lines
        if each.wish.name == f"set {next(iter(each.wish.wanted), '')}":
            # One line where the setting is new, and the comma of the line before.
            present = found_at(corpus.exports[each.before], next(iter(each.wish.wanted))) != ABSENT
            limit = limit if present else 3
        changed = changed_lines(each.before, each.after)
        assert changed <= limit, (each.variant, each.wish.name, changed)


def changed_lines(before: str, after: str) -> int:
    """How many lines were taken away or added."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    if len(old) + len(new) <= 3:
        return len(old) + len(new)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    same = sum(block.size for block in matcher.get_matching_blocks())
    return len(old) + len(new) - 2 * same


def test_line_ends_and_the_byte_order_mark_stay(edits: list[Edited]) -> None:
    for each in edits:
        if each.variant == "CRLF":
            assert "\n" not in each.after.replace("\r\n", ""), each.wish.name
        assert each.after.startswith("\ufeff") == each.before.startswith("\ufeff")
        assert each.after.endswith("\n") == each.before.endswith("\n")


def test_every_value_stands_inside_the_exported_object(edits: list[Edited]) -> None:
    """The official installer's upgrade merge keeps what stands there and drops what follows the closing brace."""
    for each in edits:
        tail = each.before.rstrip()[-1:]
        assert tail == "}"
        assert each.after.rstrip().endswith(tail)
        assert each.after.count("module.exports") == each.before.count("module.exports")
