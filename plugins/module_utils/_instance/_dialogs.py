# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: what the editor dialogs of a node request, and where its scripts answer.

Text in, a result out. The service user writes these texts, so each is gone through once: no expression goes back, what
belongs to one request is looked for in a window behind it, and the number of these is limited. It is no JavaScript
parser: an address that is put together in a function of its own is not understood, and left out.
"""

from __future__ import annotations

import bisect
import itertools
import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

# Characters. The arguments of a request with its options fit in; so does any path.
_WINDOW = 400
# Of one file: each costs a look at its window.
MOST_SCRIPTS = 500
MOST_CALLS = 500
LONGEST_PATH = 100

# Looked for one by one, which takes a tenth of the time of an expression with all of them.
_CALLS = ("$.ajax", "$.get", "$.post", "y.ajax", "y.get", "y.post", "fetch", "EventSource", ".open")
_CALL = re.compile(
    r"[$y]\.(?:ajax|get(?:JSON|Script)?|post)\s{0,3}\("
    r"|\.open\s{0,3}\(\s{0,3}['\"](?:GET|POST|PUT|PATCH|DELETE)['\"]\s{0,3},"
    r"|(?:fetch|EventSource)\s{0,3}\("
)
# Before that: `prefetch(...)` and `this.fetch(...)` are no requests, nor is `query.get(...)`.
_OF_ANOTHER = re.compile(r"(?:[\w$]|(?<!window)(?<!self)\.)$")
_URL = re.compile(r"(?<![\w$.])['\"]?url['\"]?\s{0,9}:")
_NAME = re.compile(r"[A-Za-z_$][\w$]{0,60}")
_IS_ASSIGNED = re.compile(r"\s{0,9}=(?![=>])")
_QUOTES = "'\"`"
_APPS = ("httpNode", "httpAdmin")
MOST_ALIASES = 20
_ALIAS = re.compile(r"(?<![\w$])([A-Za-z_$][\w$]{0,40})\s{0,3}=\s{0,3}(?:[\w$]{1,40}\.){0,2}$")
_METHOD = re.compile(r"\s{0,9}\.\s{0,3}(get|post|put|patch|delete|head|all|use)\s{0,3}\(")
_REQUIRE = re.compile(r"(?:require|import|from)\s{0,3}\(?\s{0,3}['\"`](\.{1,2}/[^'\"`\n]{1,200})['\"`]")
# Express (path-to-regexp): here a path gets a part that is any text.
_PATTERN = re.compile(r"[:*?(\[{]")
_SCRIPT_TYPE = re.compile(r"(?<![\w-])type\s{0,3}=\s{0,3}['\"]?([\w/.+-]{0,40})", re.IGNORECASE)
_SCRIPT_TYPES = ("", "module", "text/javascript", "application/javascript", "text/ecmascript")


class Address(NamedTuple):
    """An address in a script, as far as it is written there."""

    pieces: Tuple[str, ...]
    """The texts in it, in their order."""
    names: Tuple[str, ...]
    """The variables and properties between them."""
    leading: bool
    """Whether it begins with the first piece."""
    whole: bool
    """Whether it is one text and nothing else."""

    @property
    def from_root(self) -> bool:
        """Whether it begins at the root of the server, whatever the root of the editor is."""
        if not self.leading or not self.pieces[0].startswith("/") or self.pieces[0].startswith("//"):
            return False
        # `"/" + adminRoot + "/x"` follows it.
        return not any(word in name.lower() for name in self.names for word in ("root", "base", "pathname"))

    @property
    def path(self) -> str:
        """What a user recognizes it by."""
        return (self.pieces[0] if self.whole else self.pieces[0] + "...")[:LONGEST_PATH]


class Request(NamedTuple):
    """One request of a dialog."""

    position: int
    address: Address


class Route(NamedTuple):
    """Where a script of a node answers, such as `/items/:id`."""

    path: str
    """What is fixed of it, without a slash at its end: `/items`."""
    below: bool
    """Whether it answers below that path, too."""

    def answers(self, address: Address) -> bool:
        return any(self._answers(piece, address) for piece in address.pieces)

    def _answers(self, piece: str, address: Address) -> bool:
        asked = "/" + re.split("[?#]", piece, maxsplit=1)[0].strip("/")
        if asked == self.path:
            return True
        return self.below and asked.startswith(self.path + "/")


def scripts(text: str) -> Iterator[Tuple[int, str]]:
    """Position and text of each script in the HTML file of a node; not its templates and help texts."""
    position = text.find("<script")
    for _number in range(MOST_SCRIPTS):
        if position < 0:
            return
        begin = text.find(">", position) + 1
        if not begin:
            return
        kind = _SCRIPT_TYPE.search(text, position, min(begin, position + 1000))
        end = text.find("</script", begin)
        end = len(text) if end < 0 else end
        if (kind.group(1).lower() if kind else "") in _SCRIPT_TYPES:
            yield begin, text[begin:end]
        position = text.find("<script", end)


def requests(script: str) -> List[Request]:
    """What this script requests, with addresses that are written in it."""
    if not any(name in script for name in _CALLS):
        return []
    comments = _Comments(script)
    assigned: Dict[str, List[int]] = {}
    found: List[Request] = []
    for call in itertools.islice(_calls(script), MOST_CALLS):
        if call.start() in comments:
            continue
        begin = _address_of_call(script, call)
        address = _address(script, begin)
        name = _NAME.match(script, begin)
        if not address.pieces and name:
            variable = name.group(0)
            places = assigned[variable] = assigned.get(variable) or _assignments(script, variable)
            before = [place for place in places if place < call.start()]
            address = _address(script, before[-1]) if before else address
        if address.pieces:
            found.append(Request(call.start(), address))
    return found


def _calls(script: str) -> Iterator["re.Match[str]"]:
    """The calls of what sends a request."""
    positions: Set[int] = set()
    for name in _CALLS:
        position = script.find(name)
        while position >= 0:
            positions.add(position)
            position = script.find(name, position + 1)
    for position in sorted(positions):
        call = _CALL.match(script, position)
        before = script[max(0, position - 10) : position]
        if script[position] == "y":
            is_request = before.endswith("jQuer")
        else:
            is_request = script[position] == "." or not _OF_ANOTHER.search(before)
        if call and is_request:
            yield call


def _address_of_call(script: str, call: "re.Match[str]") -> int:
    """Where the address begins: the first argument, or `url` in it."""
    begin = _skip_space(script, call.end())
    if script.startswith("{", begin):
        url = _URL.search(script, begin, begin + _WINDOW)
        return _skip_space(script, url.end()) if url else begin
    return begin


def _skip_space(script: str, position: int) -> int:
    end = min(len(script), position + _WINDOW)
    while position < end and script[position].isspace():
        position += 1
    return position


def _assignments(script: str, name: str) -> List[int]:
    """Where a value is assigned to this variable."""
    matches = [_IS_ASSIGNED.match(script, position + len(name)) for position in _words(script, name)]
    return [match.end() for match in matches if match and script[match.start() - len(name) - 1] != "."]


def _address(script: str, position: int) -> Address:
    """The address that the expression at this position gives: texts that are joined, and what is between them."""
    pieces: List[str] = []
    names: List[str] = []
    leading, depth = False, 0
    position = begin = _skip_space(script, position)
    end = min(len(script), position + _WINDOW)
    if script.startswith("{", begin):
        return Address((), (), False, False)
    while position < end:
        character = script[position]
        if character in _QUOTES:
            texts, inner, position_after = _text(script, position, end)
            if depth == 0:
                leading = leading or (position == begin and bool(texts[0]))
                pieces += [text for text in texts if text]
                names += inner
            position = position_after
            continue
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        name = _NAME.match(script, position) if character.isalpha() or character in "_$" else None
        if depth < 0 or (depth == 0 and character in ",;"):
            break
        if name:
            names.append(name.group(0))
        position = name.end() if name else position + 1
    return Address(tuple(pieces), tuple(names), leading, leading and len(pieces) == 1 and not names)


def _text(script: str, position: int, end: int) -> Tuple[List[str], List[str], int]:
    """The texts of a literal (a template has several), the names in it, and where it ends."""
    quote = script[position]
    texts, names, piece = [], [], position + 1
    position += 1
    while position < end and script[position] != quote:
        if script[position] == "\n" and quote != "`":
            break
        if quote == "`" and script.startswith("${", position):
            texts.append(script[piece:position])
            close = script.find("}", position, end)
            close = end if close < 0 else close
            names += _NAME.findall(script[position + 2 : close]) or ["..."]
            position = piece = min(close + 1, end)
            continue
        position += 2 if script[position] == "\\" else 1
    texts.append(script[piece : min(position, end)])
    return texts, names, position + 1


def routes(script: str) -> Tuple[List[Route], List[Route]]:
    """Where this script answers: below `httpNodeRoot` (RED.httpNode), and below `httpAdminRoot` (RED.httpAdmin)."""
    found: Dict[str, List[Route]] = {app: [] for app in _APPS}
    names = {app: app for app in _APPS if app in script}
    if not names:
        return [], []
    comments = _Comments(script)
    for app in list(names):
        for position in _words(script, app):
            alias = _ALIAS.search(script[max(0, position - _WINDOW // 4) : position])
            if alias and len(names) < MOST_ALIASES:
                names[alias.group(1)] = app
    for name, app in names.items():
        for position in _words(script, name):
            call = _METHOD.match(script, position + len(name))
            if call and position not in comments:
                route = _route(_address(script, call.end()), call.group(1))
                found[app] += [route] if route else []
    return found["httpNode"], found["httpAdmin"]


def _words(script: str, name: str) -> Iterator[int]:
    """Where this name is used."""
    position = script.find(name)
    for _number in range(MOST_CALLS):
        if position < 0:
            return
        after = script[position + len(name) : position + len(name) + 1]
        if not _is_of_name(script[position - 1 : position]) and not _is_of_name(after):
            yield position
        position = script.find(name, position + len(name))


def _is_of_name(character: str) -> bool:
    return character.isalnum() or character in ("_", "$")


def _route(address: Address, method: str) -> Optional[Route]:
    if not address.leading:
        return None
    pattern = _PATTERN.search(address.pieces[0])
    fixed = address.pieces[0][: pattern.start()] if pattern else address.pieces[0]
    whole = address.whole and not pattern
    if not whole and not fixed.endswith("/"):
        fixed = fixed.rpartition("/")[0]
    path = "/" + fixed.strip("/")
    # `/` is everything, which says nothing about a dialog.
    return Route(path, not whole or method == "use") if re.search(r"\w", path) else None


def local_modules(script: str) -> List[str]:
    """The files of its own package that this script requires, as it writes them."""
    return list(dict.fromkeys(match.group(1) for match in _REQUIRE.finditer(script)))


def manifest(page: str) -> Optional[int]:
    """Where this page links to a manifest that browsers fetch without a password; None where it does not.

    They send one only with `crossorigin="use-credentials"` (HTML, link type "manifest").
    """
    position = page.find("<link")
    for _number in range(MOST_CALLS):
        if position < 0:
            return None
        end = page.find(">", position)
        link = page[position : min(end if end >= 0 else len(page), position + 1000)].lower()
        if re.search(r"rel\s{0,3}=\s{0,3}['\"]?manifest", link) and "use-credentials" not in link:
            return position
        position = page.find("<link", position + 1)
    return None


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


class _Comments:
    """Which positions of a script are in a comment. A slash and a star in a text look like one."""

    def __init__(self, script: str) -> None:
        self._script = script
        self._begins: List[int] = []
        self._ends: List[int] = []
        begin = script.find("/*")
        while begin >= 0:
            end = script.find("*/", begin + 2)
            if end < 0:
                break
            self._begins.append(begin)
            self._ends.append(end)
            begin = script.find("/*", end + 2)

    def __contains__(self, position: int) -> bool:
        number = bisect.bisect_right(self._begins, position) - 1
        if number >= 0 and position < self._ends[number]:
            return True
        line = self._script[max(0, self._script.rfind("\n", 0, position) + 1, position - _WINDOW) : position]
        return bool(re.search(r"(?<![:\w\\'\"`])//", line))


def requested(
    found: Sequence[Request], node: Sequence[Route], admin: Sequence[Route]
) -> Iterator[Tuple[str, str, int]]:
    """(finding, path, position) of each request that can break.

    - `node_path`: it asks RED.httpNode, which asks for the password of httpNodeAuth.
    - `node_path_of_editor`: likewise, and only while the editor has the same root as RED.httpNode.
    - `root_path`: it asks the editor's own server at the root, wherever the editor is.
    """
    for request in found:
        address = request.address
        # The editor's routes come first (red.js), so where both answer, no password of httpNodeAuth is asked for.
        for_admin = any(route.answers(address) for route in admin)
        route = None if for_admin else next((route for route in node if route.answers(address)), None)
        if route is not None:
            relative = address.leading and not address.pieces[0].startswith("/")
            yield ("node_path_of_editor" if relative else "node_path"), route.path[:LONGEST_PATH], request.position
        elif address.from_root:
            yield "root_path", address.path, request.position
