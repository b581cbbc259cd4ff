# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: the text of a unit file or drop-in from its sections, directives and words.

Every unit file of this collection is written here. Words can come from a hostile service user (a path in settings.js),
so systemd reads each word as that word and nothing else. Pure: data in, text out. Also used on the
controller. The rules are those of systemd.syntax(7), systemd.unit(5) and systemd.service(5).
"""

from __future__ import annotations

import re
from typing import Dict, List, Mapping, NamedTuple, Sequence

from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure
from ansible_collections.pifleet.nodered.plugins.module_utils._core._text import printable_line, short_line

# Their value is all that follows the equals sign. Quotes and backslashes would be part of it.
_WHOLE_LINE = re.compile(
    r"Description|Documentation|(?:Condition|Assert)\w+|Path(?:Exists|ExistsGlob|Changed|Modified)|DirectoryNotEmpty"
    r"|Listen\w+|WorkingDirectory|Root(?:Directory|Image)|EnvironmentFile|PIDFile|SyslogIdentifier"
    r"|Standard(?:Input|Output|Error)"
)
# Line feed, carriage return and NUL end a line for systemd. Text with the others is never meant.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
# A line that is no UTF-8 is ignored by systemd.
_NO_UTF_8 = re.compile("[\ud800-\udfff]")
# A colon separates source and destination of BindPaths, unless it is in quotes; at the beginning it is a prefix
# of a command. A lone semicolon ends a command.
_PLAIN = re.compile(r""":?[^\s'":;]+""")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


class Directive(NamedTuple):
    """One line of a section. Without words, it resets what earlier files have set."""

    name: str
    words: Sequence[str] = ()
    keep_dollar: bool = False
    """Words of a command in which `$NAME` is a variable. Otherwise a `$` is a character like others."""


Sections = Mapping[str, Sequence[Directive]]


def text(sections: Sections, about: str = "") -> str:
    """The file's text; `about` is a comment on its first line.

    Raises Failure where a word holds what cannot be written to a unit file.
    """
    comment = "# %s\n" % _checked("its comment", about) if about else ""
    return comment + "\n".join(_section(name, directives) for name, directives in sections.items())


def from_data(data: Mapping[str, object]) -> Dict[str, List[Directive]]:
    """Sections as a playbook gives them: `{"Service": [{"UMask": "0077"}, {"ReadWritePaths": ["/a", "/b"]}]}`.

    Raises Failure where the data has another form.
    """
    return {section: _directives(section, entries) for section, entries in data.items()}


def _directives(section: str, entries: object) -> List[Directive]:
    if not isinstance(entries, (list, tuple)):
        raise _another_form(section)
    found = []
    for entry in entries:
        if not isinstance(entry, Mapping) or len(entry) != 1:
            raise _another_form(section)
        name, value = next(iter(entry.items()))
        words = value if isinstance(value, (list, tuple)) else [value] if value != "" else []
        if not isinstance(name, str) or not all(isinstance(word, str) for word in words):
            raise _another_form("%s, directive %s" % (section, name))
        found.append(Directive(name, list(words)))
    return found


def _another_form(where: str) -> Failure:
    return Failure(
        "Section %s of the unit file does not have the expected form." % printable_line(where),
        "Give a list of directives with one name each, whose value is a text in quotes or a list of such texts: "
        '[{UMask: "0077"}, {ReadWritePaths: ["/srv/a", "/srv/b"]}].',
    )


def _section(name: str, directives: Sequence[Directive]) -> str:
    if not _NAME.fullmatch(name):
        raise Failure("%s cannot be the name of a section." % short_line(name), "Give a name such as Service.")
    return "[%s]\n" % name + "".join("%s=%s\n" % (each.name, _value(each)) for each in directives)


def _value(directive: Directive) -> str:
    name = directive.name
    if not _NAME.fullmatch(name):
        raise Failure("%s cannot be the name of a directive." % short_line(name), "Give a name such as UMask.")
    words = [_checked(name, word).replace("%", "%%") for word in directive.words]
    if _WHOLE_LINE.fullmatch(name):
        return _whole_line(name, words)
    if name.startswith("Exec") and not directive.keep_dollar:
        # The first word is the program, where systemd puts in no variables.
        words[1:] = [word.replace("$", "$$") for word in words[1:]]
    return " ".join(_quoted(word) for word in words)


def _whole_line(name: str, words: Sequence[str]) -> str:
    if len(words) > 1:
        raise Failure("%s takes one value, not %d." % (name, len(words)), "Write one directive for each.")
    value = "".join(words)
    if value != value.strip(" ") or value.endswith("\\"):
        raise Failure(
            "The value of %s begins or ends with a space, or ends with a backslash: %s" % (name, short_line(value)),
            "systemd cannot read that there. Rename what it names.",
        )
    return value


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return escaped if _PLAIN.fullmatch(word) else '"%s"' % escaped


def _checked(name: str, word: str) -> str:
    if _CONTROL.search(word) or _NO_UTF_8.search(word):
        what = "a control character" if _CONTROL.search(word) else "bytes that are not UTF-8"
        raise Failure(
            "Nothing was written: %s would get a value with %s: %s" % (name, what, short_line(word)),
            "Such a value can add directives to the unit file of root. Find out who wrote it, and correct it.",
        )
    return word
