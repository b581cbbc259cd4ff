# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private helper of this collection: load a settings file with the machine's own node and as Node-RED's user.

The file is code of that user, so it never runs as another one. What it exports stays in that process:
only kinds, ports, roots and yes-or-no come out.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import selectors
import subprocess
import time
from typing import IO, Any, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.pifleet.nodered.plugins.module_utils._core import _commands
from ansible_collections.pifleet.nodered.plugins.module_utils._core._failure import Failure, masked, secrets_in
from ansible_collections.pifleet.nodered.plugins.module_utils._files import _files
from ansible_collections.pifleet.nodered.plugins.module_utils._linux import _identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._identity import Identity
from ansible_collections.pifleet.nodered.plugins.module_utils._linux._systemd import DEFAULT_PATH

LOAD_SECONDS = 30
VERSION_SECONDS = 10
# Bytes. The answer of a settings file with 100 static folders has 20 KB.
ANSWER_LIMIT = 1024 * 1024
# Bytes. A package.json of a project with 500 dependencies has 30 KB.
PACKAGE_LIMIT = 1024 * 1024
# The number of a release of Node.js or Node-RED, as a pattern: `4.1.0-beta.2`.
RELEASE = r"\d{1,9}\.\d{1,9}\.\d{1,9}[\w.+-]{0,40}"

# Understood by every Node.js since 8. All of it is inside a function: a variable at the top would be a global for the
# file. The question comes by standard input (an argument would be seen in the process list), the answer goes to its own
# pipe (the file may print what it likes).
HARNESS = r"""
(function (require, globals) {
// `node -e` lends its globals (fs, path, module, ...), which Node-RED's own process does not have: a file that forgets
// its require() would load here and fail there. crypto is a global of its own since Node.js 19, then without
// createHash.
var lent = require('module').builtinModules.concat(['module', 'exports', 'require', '__filename', '__dirname']);
lent.forEach(function (name) {
    var own = name === 'process' || name === 'console';
    var webCrypto = name === 'crypto' && globals.crypto && !globals.crypto.createHash;
    if (!own && !webCrypto) { delete globals[name]; }
});
var fs = require('fs');
var ask = JSON.parse(fs.readFileSync(0, 'utf8'));
function answer(what) {
    what.node = process.version;
    var bytes = Buffer.from(JSON.stringify(what) + '\n'), sent = 0;
    while (sent < bytes.length) { sent += fs.writeSync(ask.answer, bytes, sent); }
    process.reallyExit(0);
}
function has(object, key) { return Object.prototype.hasOwnProperty.call(object, key); }
function at(object, path) {
    for (var i = 0; i < path.length; i++) {
        if (object === undefined || object === null) { return undefined; }
        object = object[path[i]];
    }
    return object;
}
function same(a, b) {
    if (a === b) { return true; }
    if (typeof a !== 'object' || typeof b !== 'object' || !a || !b) { return false; }
    var keys = Object.keys(a);
    return Array.isArray(a) === Array.isArray(b) && keys.length === Object.keys(b).length &&
        keys.every(function (key) { return has(b, key) && same(a[key], b[key]); });
}
function inEffect(settings, wanted) {
    var found = at(settings, wanted.path);
    if (wanted.absent) { return found === undefined; }
    return wanted.present ? found !== undefined : same(found, wanted.value);
}
// As red.js does with -D (RED.util.setObjectProperty with createMissing).
function define(settings, name, value) {
    var path = name.replace(/\[(['"]?)(.*?)\1\]/g, '.$2').split('.'), object = settings;
    path.slice(0, -1).forEach(function (key) {
        if (object[key] === undefined || object[key] === null) { object[key] = {}; }
        object = object[key];
    });
    object[path[path.length - 1]] = value;
}
function defined(settings, definition) {
    var match = /^(([^=]+)=(.+)|@(.*))$/.exec(definition), values = {};
    if (!match) { return []; }
    if (match[4]) {
        values = JSON.parse(fs.readFileSync(match[4], 'utf8').replace(/^\uFEFF/, ''));
    } else {
        // What is no JSON stays text, as in red.js.
        try { values[match[2]] = JSON.parse(match[3]); } catch (error) { values[match[2]] = match[3]; }
    }
    Object.keys(values).forEach(function (name) { define(settings, name, values[name]); });
    return Object.keys(values);
}
function kind(value) {
    if (value === undefined || value === null || value === false) { return 'none'; }
    return Array.isArray(value) ? 'object' : typeof value;
}
function plain(value) {
    if (typeof value === 'number' || typeof value === 'boolean' || value === null) { return value; }
    return typeof value === 'string' ? value.slice(0, 200) : undefined;
}
function text(value) { return typeof value === 'string' ? value : null; }
function adminAuth(value) {
    if (!value) { return 'none'; }
    return value.type === 'credentials' || value.type === 'strategy' ? value.type : 'other';
}
function passwordKind(auth) {
    if (!auth) { return 'none'; }
    if (typeof auth === 'function' || Array.isArray(auth)) { return 'middleware'; }
    if (/^\$2[aby]\$\d\d\$[.\/A-Za-z0-9]{53}$/.test(auth.pass)) { return 'bcrypt'; }
    return String(auth.pass).length === 32 ? 'md5' : 'other';
}
function storageModule(value) {
    // By this name Node-RED knows the one that it uses anyway.
    if (!value || value === 'localfilesystem') { return 'none'; }
    return has(Object(value), 'sessionsFile') ? 'pifleet' : 'other';
}
function staticRoots(settings) {
    return [].concat(settings.httpStatic || []).map(function (one) {
        return [settings.httpStaticRoot, one.root].map(function (root) { return text(root) || ''; }).join('/');
    });
}
function summary(settings) {
    var https = settings.https, theme = settings.editorTheme || {};
    return {
        uiPort: plain(settings.uiPort),
        uiPortKind: typeof settings.uiPort,
        uiHost: plain(settings.uiHost),
        httpAdminRoot: plain(settings.httpAdminRoot),
        httpNodeRoot: plain(settings.httpNodeRoot),
        httpRoot: plain(settings.httpRoot),
        https: kind(https),
        clientCertificate: !!(https && https.requestCert && https.rejectUnauthorized !== false),
        disableEditor: !!settings.disableEditor,
        httpStatic: !!settings.httpStatic,
        adminAuth: adminAuth(settings.adminAuth),
        httpNodeAuth: kind(settings.httpNodeAuth),
        httpNodePassword: passwordKind(settings.httpNodeAuth),
        httpStaticPassword: passwordKind(settings.httpStaticAuth),
        staticRoots: staticRoots(settings),
        uiPath: text((settings.ui || {}).path),
        flowFile: text(settings.flowFile),
        projects: !!(theme.projects && theme.projects.enabled),
        userDir: text(settings.userDir),
        storageModule: storageModule(settings.storageModule),
        sessionsFile: text((settings.storageModule || {}).sessionsFile)
    };
}
process.argv = [process.argv[0]].concat(ask.arguments);
var read = {}, environment = process.env, settings;
process.env = new Proxy(environment, { get: function (variables, name) {
    if (typeof name === 'string') { read[name] = true; }
    return variables[name];
} });
try {
    settings = require(ask.file);
} catch (error) {
    answer({ ok: false, error: String((error && error.stack) || error).slice(0, 8000) });
}
process.env = environment;
if (Object.prototype.toString.call(settings) === '[object Module]') {
    answer({ ok: false, error: 'It is an ES module, which Node-RED cannot use: it needs module.exports = {...}.' });
}
if (settings === null || Array.isArray(settings) || (typeof settings !== 'object' && typeof settings !== 'function')) {
    answer({ ok: false, error: 'It does not export an object, which is what Node-RED needs.' });
}
var result = { ok: true, readsPort: !!read.PORT, fromFile: summary(settings) };
result.notInEffect = ask.wanted.filter(function (wanted) { return !inEffect(settings, wanted); })
    .map(function (wanted) { return wanted.path.join('.'); });
try {
    result.defined = ask.defines.map(function (definition) { return defined(settings, definition); });
} catch (error) {
    answer({ ok: false, error: 'An option -D of Node-RED cannot be applied: ' + String(error && error.name) });
}
result.inEffect = summary(settings);
answer(result);
})(require, global);
"""


class Runtime(NamedTuple):
    """With what, as whom and where Node-RED loads its settings file."""

    node: str
    identity: Identity
    environment: Mapping[str, str]
    working_directory: str
    arguments: Sequence[str] = ()
    """What Node-RED's own process has as `process.argv` after node: red.js and its options."""
    defines: Sequence[str] = ()


class Loaded(NamedTuple):
    """What came out. `error` is empty when the file could be loaded."""

    node_version: Optional[str]
    error: str
    not_in_effect: Sequence[str]
    from_file: Mapping[str, Any]
    in_effect: Mapping[str, Any]
    defined: Sequence[Sequence[str]]
    reads_port: bool
    timed_out: bool = False


def load(
    path: str,
    runtime: Runtime,
    *,
    wanted: Sequence[Mapping[str, Any]] = (),
    shown_as: Optional[str] = None,
    timeout: float = LOAD_SECONDS,
) -> Loaded:
    """Load the settings file at `path` as Node-RED would, and return what it exports.

    `wanted` are the settings that must be in effect in what was exported: `{path, value}`, `{path, present}` or
    `{path, absent}`. In an error, `path` is called `shown_as`. After `timeout` seconds the load is ended, with every
    process that the file has started.
    """
    question = {
        "file": path,
        "wanted": list(wanted),
        "defines": list(runtime.defines),
        "arguments": list(runtime.arguments),
    }
    _require_safe(path, runtime)
    answer, output, ended = _ask(question, runtime, timeout)
    timed_out = answer is None and ended is None
    if answer is None:
        error = _why_silent(output, ended, timeout)
        answer = {"ok": False}
    else:
        error = "" if answer["ok"] else _tidy(answer["error"])
    if shown_as:
        error = error.replace(path, shown_as).replace(os.path.basename(path), os.path.basename(shown_as))
    return Loaded(
        node_version=_version_in(answer.get("node", "")),
        error=masked(error, secrets_in(runtime.environment)).strip(),
        not_in_effect=answer.get("notInEffect", ()),
        from_file=answer.get("fromFile", {}),
        in_effect=answer.get("inEffect", {}),
        defined=answer.get("defined", ()),
        reads_port=answer.get("readsPort", False),
        timed_out=timed_out,
    )


def _require_safe(path: str, runtime: Runtime) -> None:
    """Raise Failure where the file would run as root although other users can change it, or the node that loads it."""
    if runtime.identity.uid != 0:
        return
    for needed in (runtime.node, path, *runtime.arguments[:1]):
        if not os.path.exists(needed) and needed == runtime.node:
            raise _no_node(runtime)
        if not os.path.exists(needed):
            # It may be there in a moment, and then it may be another user's.
            raise Failure("%s does not exist." % needed, "Correct the unit of Node-RED (systemctl edit).")
        if not _identity.only_root_can_change(needed):
            raise Failure(
                "Node-RED runs as root here, but users other than root can change %s, and so what runs as root. It "
                "was not loaded." % needed,
                "Run Node-RED as a user of its own (User= in its unit, systemctl edit), or let root own this path and "
                "every folder above it, writable by root only.",
            )


def _no_node(runtime: Runtime) -> Failure:
    return Failure("There is no node at %s." % runtime.node, "Install Node.js, or name its path (option node).")


# What the harness answers, by the type of each value. The settings file can answer in its place.
_ANSWER = {
    "ok": bool,
    "error": str,
    "node": str,
    "readsPort": bool,
    "notInEffect": list,
    "defined": list,
    "fromFile": dict,
    "inEffect": dict,
}
_SUMMARY = {
    **dict.fromkeys(("uiPortKind", "https", "adminAuth", "httpNodeAuth", "storageModule"), (str,)),
    **dict.fromkeys(("httpNodePassword", "httpStaticPassword"), (str,)),
    **dict.fromkeys(("clientCertificate", "disableEditor", "httpStatic", "projects"), (bool,)),
    **dict.fromkeys(("uiPath", "flowFile", "userDir", "sessionsFile"), (str, type(None))),
    **dict.fromkeys(("uiPort", "uiHost", "httpAdminRoot", "httpNodeRoot", "httpRoot"), (str, int, float, type(None))),
    "staticRoots": (list,),
}
FORGED = {
    "ok": False,
    "error": "It answered in place of this collection's check, whose functions or open files it has changed.",
}
# Characters; a path has at most 4096 (PATH_MAX).
_LONGEST = 4096
_MOST = 1000
# As the harness cuts it.
_LONGEST_ERROR = 8000
# The end of a text in C, and half characters, which JSON can hold and UTF-8 cannot.
_NO_PATH = re.compile("[\0\ud800-\udfff]")


def checked(answer: Any) -> Optional[Dict[str, Any]]:
    """The harness's answer, or None where it is not one: a key that the harness does not know, or another type."""
    if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
        return None
    if not all(key in _ANSWER and isinstance(value, _ANSWER[key]) for key, value in answer.items()):
        return None
    if not answer["ok"]:
        # Nothing else of such an answer is used, so nothing else is checked.
        if len(answer.get("error", "")) > _LONGEST_ERROR or "error" not in answer:
            return None
        return {key: answer[key] for key in ("ok", "error", "node") if key in answer}
    texts = [*answer.get("notInEffect", ()), *(name for names in answer.get("defined", ()) for name in _list(names))]
    if not _are_texts(texts):
        return None
    summaries = (answer.get("fromFile"), answer.get("inEffect"))
    return answer if all(isinstance(one, dict) and _is_summary(one) for one in summaries) else None


def _list(value: Any) -> Sequence[Any]:
    # None is no text, so it is rejected.
    return value if isinstance(value, list) else [None]


def _is_summary(summary: Mapping[str, Any]) -> bool:
    for key, value in summary.items():
        if key not in _SUMMARY or not isinstance(value, _SUMMARY[key]):
            return False
        if not _are_texts(value if isinstance(value, list) else [value] if isinstance(value, str) else []):
            return False
    return True


def _are_texts(values: Sequence[Any]) -> bool:
    """Whether these are not too many texts, none of them too long, and each can be part of a path."""
    return len(values) <= _MOST and all(
        isinstance(value, str) and len(value) <= _LONGEST and not _NO_PATH.search(value) for value in values
    )


# What Node.js 10 to 22 report of an ES module that is loaded by require().
_ES_MODULE = re.compile(
    r"ES module|ERR_REQUIRE_ESM|import statement|Unexpected token '?(?:export|import)|module is not defined"
)


def explain(error: str, path: str, identity: Identity) -> str:
    """What to do about a load error."""
    module_folder = es_module_folder(path, identity)
    if module_folder and _ES_MODULE.search(error):
        return (
            '%s has "type": "module", so Node.js takes settings.js for an ES module, which Node-RED cannot load. '
            "Remove that line from it." % os.path.join(module_folder, "package.json")
        )
    if _ES_MODULE.search(error):
        return "Write module.exports = {...} in place of export default {...}, and require() in place of import."
    if "Cannot find module" in error:
        return (
            "Install that module in the user directory (npm install), or take its require() out of the settings file."
        )
    if "EACCES" in error:
        return "Give the user that Node-RED runs as read access to the file that is named."
    return "Correct the settings file at the place that is named; node's own message is shown above."


def es_module_folder(path: str, identity: Identity) -> Optional[str]:
    """The folder whose package.json turns the file into an ES module (the nearest one counts), or None."""
    found = identity.run(_es_module_folder, path)
    return None if found is None else str(found)


def _es_module_folder(path: str) -> Optional[str]:
    folder = os.path.dirname(os.path.realpath(path))
    while True:
        package = _files.json_of(os.path.join(folder, "package.json"), limit=PACKAGE_LIMIT)
        if isinstance(package, dict):
            return folder if package.get("type") == "module" else None
        parent = os.path.dirname(folder)
        if parent == folder or os.path.basename(folder) == "node_modules":
            return None
        folder = parent


def version(runtime: Runtime) -> Optional[str]:
    """What `node --version` says, or None when it says nothing (a binary for another processor, a broken link).

    Asked as the service user, in whose hands the binary may be.
    """
    if runtime.identity.uid == 0 and not _identity.only_root_can_change(runtime.node):
        return None
    environment = {"PATH": runtime.environment.get("PATH", DEFAULT_PATH)}
    try:
        answer = _commands.run(
            [runtime.node, "--version"],
            VERSION_SECONDS,
            environment=environment,
            limit=_LONGEST,
            become=runtime.identity.become,
        )
    except (OSError, subprocess.SubprocessError, _commands.TooMuch):
        return None
    return _version_in(answer.stdout.decode("ascii", "replace"))


def _version_in(text: str) -> Optional[str]:
    match = re.match("v(%s)" % RELEASE, text)
    return match.group(1) if match else None


def _ask(
    question: Dict[str, Any], runtime: Runtime, timeout: float
) -> Tuple[Optional[Dict[str, Any]], str, Optional[int]]:
    """The harness's answer, what node printed, and its exit status (None: it had to be ended)."""
    readable, writable = os.pipe()
    try:
        with _commands.no_value_error():
            node = subprocess.Popen(
                [runtime.node, "-e", HARNESS],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=_working_directory(runtime),
                env=dict(runtime.environment),
                pass_fds=(writable,),
                start_new_session=True,
                # A module has one thread, so this is safe; setpriv would be one more program to start on a Pi.
                preexec_fn=runtime.identity.become,
            )
    except FileNotFoundError:
        os.close(readable)
        raise _no_node(runtime) from None
    except (OSError, subprocess.SubprocessError) as error:
        os.close(readable)
        raise Failure(
            "%s could not be started as user %s: %s" % (runtime.node, runtime.identity.name, error),
            "Check that this user may run it (ls -l), and that the task has become: true.",
        ) from None
    finally:
        os.close(writable)
    try:
        answer, output = _converse(node, json.dumps(dict(question, answer=writable)).encode(), readable, timeout)
        ended = _ended(node)
    finally:
        os.close(readable)
        _commands.end(node)
    if not answer:
        return None, output, ended
    return checked(_files.parsed_json(answer.decode("utf-8", "replace"))) or FORGED, output, ended


def _converse(node: "subprocess.Popen[bytes]", question: bytes, readable: int, timeout: float) -> Tuple[bytes, str]:
    """Hand over the question and collect the answer (one line) and the last 20 KB of what node prints."""
    stdin, stdout = _streams(node)
    answer, output, deadline = b"", b"", time.monotonic() + timeout
    with selectors.DefaultSelector() as events:
        os.set_blocking(stdin.fileno(), False)
        events.register(stdin, selectors.EVENT_WRITE)
        events.register(stdout, selectors.EVENT_READ)
        events.register(readable, selectors.EVENT_READ)
        while not answer.endswith(b"\n") and len(answer) < ANSWER_LIMIT and time.monotonic() < deadline:
            ready = events.select(min(_commands.LINGER_SECONDS, max(0.0, deadline - time.monotonic())))
            if not ready and node.poll() is not None:
                # A process that it has left may keep the pipes open.
                return b"", output.decode("utf-8", "replace")
            for key, _mask in ready:
                if key.fileobj is stdin:
                    question = _pass_on(stdin, question)
                    if not question:
                        events.unregister(stdin)
                        _close_quietly(stdin)
                    continue
                piece = os.read(key.fd, 65536)
                if key.fd == readable:
                    answer += piece
                    if not piece:
                        # The pipe's other end is gone, so node has ended, or is about to.
                        return b"", output.decode("utf-8", "replace")
                elif piece:
                    output = (output + piece)[-20000:]
                else:
                    events.unregister(stdout)
    return (answer if answer.endswith(b"\n") else b""), output.decode("utf-8", "replace")


def _working_directory(runtime: Runtime) -> str:
    folder = runtime.working_directory
    safe = runtime.identity.uid != 0 or not _identity.exchangeable(folder)
    return folder if safe and os.path.isdir(folder) else "/"


def _streams(node: "subprocess.Popen[bytes]") -> Tuple[IO[bytes], IO[bytes]]:
    if node.stdin is None or node.stdout is None:
        raise ValueError("node must be started with pipes")
    return node.stdin, node.stdout


def _pass_on(stdin: IO[bytes], question: bytes) -> bytes:
    try:
        return question[os.write(stdin.fileno(), question) :]
    except BrokenPipeError:
        return b""
    except BlockingIOError:
        return question


def _close_quietly(stdin: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        stdin.close()


def _ended(node: "subprocess.Popen[bytes]") -> Optional[int]:
    try:
        return node.wait(1)
    except subprocess.TimeoutExpired:
        return None


def _why_silent(output: str, ended: Optional[int], timeout: float) -> str:
    last = "\n".join(output.strip().splitlines()[-12:])
    if ended is None:
        reason = "It did not finish loading within %d seconds." % timeout
    elif ended < 0:
        reason = "Loading it ended node by signal %d." % -ended
    else:
        reason = "Loading it ended node with exit status %d." % ended
    return reason + ("\n" + last if last else "")


def _tidy(stack: str) -> str:
    """Node's error without the frames inside node itself and this harness."""
    inside = re.compile(
        r"^\s+at (.*\()?(async )?(node:|internal/|module\.js|vm\.js|\[eval\]|evalScript|<anonymous>)|^- .*\[eval\]$"
    )
    return "\n".join([line for line in stack.splitlines() if not inside.match(line)][:20])
