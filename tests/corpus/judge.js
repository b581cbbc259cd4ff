// Copyright (c) 2026, the pifleet.nodered authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Judges edits of settings files: reads one per line from stdin, as JSON, and writes one line of JSON for each.
//
// In:  {before, after, files, environments, wishes: [{path, wanted} or {path, fallback} or {path, removed}],
//       reads: [{path, value}]}
// Out: {faults: [text], ran: how many loads of `before` went well, hashes: [{plaintext, before, after}]}
//
// Both texts are loaded as Node.js loads a settings file, in each environment, with `files` ({"./name": text}) to
// require. What they export must be the same, key by key, but for the wishes; so must what the required files export.
// What was read from the text before must be what Node.js finds. It is compared again once timers and other late functions have run.
"use strict";

const readline = require("readline");
const vm = require("vm");

const BUILT_INS = { path: require("path"), os: { hostname: () => "pi" } };
const GLOBALS = new Set(Object.getOwnPropertyNames(globalThis));
const BCRYPT = /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/;
const WRAPPER = ["(function (process, console, setTimeout) { return function (exports, require, module) { ", "\n}; })"];

// Loading

const compiled = new Map();

function compile(text) {
    if (!compiled.has(text)) {
        compiled.set(text, new vm.Script(WRAPPER.join(text.replace(/^\ufeff/, "")), { filename: "settings.js" }));
    }
    return compiled.get(text);
}

/** What a text exports, and what its files do: {exports, files, error}, as loaded and after late functions. */
function load(text, files, environment) {
    const late = [];
    const given = [
        { env: { ...environment }, on: (_event, call) => late.push(call), nextTick: (call) => late.push(call) },
        Object.fromEntries(["log", "error", "info", "warn"].map((name) => [name, () => {}])),
        (call) => late.push(call),
    ];
    const loaded = new Map();
    function run(name, source) {
        const module = { exports: {} };
        loaded.set(name, module);
        const whole = compile(source).runInThisContext()(...given);
        whole.call(module.exports, module.exports, require, module);
        return module;
    }
    function require(name) {
        if (name in BUILT_INS) {
            return BUILT_INS[name];
        }
        if (!(name in files)) {
            throw new Error(`no file ${name}`);
        }
        return (loaded.get(name) ?? run(name, files[name])).exports;
    }
    const states = [];
    try {
        run("", text);
        const state = () =>
            Object.fromEntries([...loaded].map(([name, module]) => [name, described(module.exports, [])]));
        states.push(state());
        late.forEach((call) => call());
        states.push(state());
        return { states };
    } catch (error) {
        return { states, error: String(error) };
    } finally {
        for (const name of Object.getOwnPropertyNames(globalThis)) {
            GLOBALS.has(name) || delete globalThis[name];
        }
    }
}

/** A value without its identity: {kind, text} of a plain value; {kind, keys} of an object, with what it inherits. */
function described(value, above) {
    if (value === null || !["object", "function"].includes(typeof value)) {
        return { kind: typeof value, text: Object.is(value, -0) ? "-0" : String(value) };
    }
    if (above.includes(value)) {
        return { kind: "cycle", text: String(above.indexOf(value)) };
    }
    const kind = Object.prototype.toString.call(value);
    const text = typeof value === "function" || value instanceof RegExp ? String(value) : "";
    const keys = {};
    const own = [...above, value];
    for (let owner = value; owner !== null && !isBuiltIn(owner); owner = Object.getPrototypeOf(owner)) {
        for (const key of Reflect.ownKeys(owner)) {
            const name = String(key);
            const ofFunction = typeof owner === "function" && ["length", "name", "prototype"].includes(name);
            if (!Object.hasOwn(keys, name) && !ofFunction) {
                Object.defineProperty(keys, name, { value: described(value[key], own), enumerable: true, writable: true });
            }
        }
    }
    return { kind, text, keys };
}

function isBuiltIn(object) {
    return typeof object.constructor === "function" && object.constructor.prototype === object
        && GLOBALS.has(object.constructor.name);
}

// What is expected

const ABSENT = { kind: "absent" };
const own = (object, key) => (object?.keys && Object.hasOwn(object.keys, key) ? object.keys[key] : ABSENT);
const isMissing = (value) => value.kind === "absent" || value.text === "undefined" || value.text === "null";

/** The described `before` with the wish fulfilled; a text where that makes no sense. */
function fulfilled(before, path, wanted) {
    if (path.length === 0) {
        return wanted(before);
    }
    const [key, ...rest] = path;
    if (!isMissing(before) && before.kind !== "[object Object]") {
        const removed = fulfilled(ABSENT, rest, wanted).kind === "absent";
        return removed ? before : `something was set below ${before.kind} ${before.text}`;
    }
    const member = fulfilled(own(before, key), rest, wanted);
    if (typeof member === "string") {
        return member;
    }
    if (member.kind === "absent") {
        const { [key]: _gone, ...keys } = before.keys ?? {};
        return isMissing(before) ? before : { ...before, keys };
    }
    return { kind: "[object Object]", text: "", keys: { ...before.keys, [key]: member } };
}

/** The description of a wanted value; a password becomes {plaintext, before}. */
function describedWish(value, before, environment) {
    if (value?.$js !== undefined) {
        return load(`module.exports = (${value.$js}\n);`, {}, environment).states[0][""];
    }
    if (value?.$password !== undefined) {
        return { plaintext: value.$password, before: before.text ?? null };
    }
    if (value === null || typeof value !== "object") {
        return described(value, []);
    }
    const keys = {};
    for (const [key, member] of Object.entries(value)) {
        keys[key] = describedWish(member, counterpart(before, key, member), environment);
    }
    const list = Array.isArray(value);
    if (list) {
        keys.length = described(value.length, []);
    }
    return { kind: list ? "[object Array]" : "[object Object]", text: "", keys };
}

/** The old value that a part of the wanted one takes the place of: for a user the one with the same name. */
function counterpart(before, key, member) {
    const name = member?.username;
    if (name === undefined) {
        return own(before, key);
    }
    return Object.values(before.keys ?? {}).find((user) => own(user, "username").text === name) ?? ABSENT;
}

// The verdict

/** Where two descriptions differ first, or nothing; passwords that were set are collected in `hashes`. */
function difference(expected, found, path, hashes) {
    if ("plaintext" in expected) {
        hashes.push({ plaintext: expected.plaintext, before: expected.before, after: found.text ?? null });
        return BCRYPT.test(found.text) ? "" : `${path}: no hash`;
    }
    const shown = (value) => `${value.kind} ${value.text ?? ""}`.trim();
    if (expected.kind !== found.kind || expected.text !== found.text) {
        return `${path}: ${shown(found)} instead of ${shown(expected)}`;
    }
    for (const key of new Set([...Object.keys(expected.keys ?? {}), ...Object.keys(found.keys ?? {})])) {
        const differs = difference(own(expected, key), own(found, key), path ? `${path}.${key}` : key, hashes);
        if (differs) {
            return differs;
        }
    }
    return "";
}

/** Whether what was read from the text, where {$js} may be anything, is what Node.js finds. */
function matches(read, found) {
    if (read === null || typeof read !== "object") {
        const { kind, text } = described(read, []);
        return found.kind === kind && found.text === text;
    }
    if ("$js" in read) {
        return found.kind !== "absent";
    }
    if ("$undefined" in read) {
        return found.kind === "absent" || found.kind === "undefined";
    }
    const keys = Object.keys(found.keys ?? {}).filter((key) => !(Array.isArray(read) && key === "length"));
    const same = (key) => Object.hasOwn(read, key) && matches(read[key], found.keys[key]);
    return keys.length === Object.keys(read).length && keys.every(same);
}

/** The description of what has to be exported after the wishes; a text where one of them makes no sense. */
function expectation(before, wishes, environment, fallen) {
    let expected = before;
    for (const { path, wanted, fallback, removed } of wishes) {
        expected = fulfilled(expected, path, (was) => {
            if (removed) {
                return ABSENT;
            }
            if (fallback !== undefined) {
                // Where the environment is empty, this is what the expression falls back to.
                fallen[path] ??= was.text;
                return was.text === fallen[path] ? described(fallback, []) : was;
            }
            return describedWish(wanted, was, environment);
        });
        if (typeof expected === "string") {
            break;
        }
    }
    return expected;
}

function judge({ before, after, files, environments, wishes, reads }) {
    const verdict = { faults: [], ran: 0, hashes: [] };
    const fallen = {};
    const hashesBefore = [];
    for (const [name, environment] of Object.entries(environments)) {
        const fault = (text) => verdict.faults.push(`${name} environment: ${text}`);
        const old = load(before, files, environment);
        const edited = load(after, files, environment);
        verdict.ran += old.states.length > 0;
        for (const { path, value } of old.states.length ? reads : []) {
            if (!matches(value, path.reduce(own, old.states[0][""]))) {
                fault(`${path.join(".")} was read as ${JSON.stringify(value)}`);
            }
        }
        for (const [index, state] of old.states.entries()) {
            if (edited.states.length <= index) {
                fault(`throws ${edited.error}`);
                break;
            }
            const found = edited.states[index];
            const expected = expectation(state[""], wishes, environment, fallen);
            const hashes = [];
            const differs =
                typeof expected === "string" ? expected : difference(expected, found[""], "", hashes);
            differs && fault(`${index ? "later, " : ""}${differs}`);
            hashes.forEach((hash, place) => {
                // What differs between the environments cannot be known.
                const same = (hashesBefore[place] ??= hash.before) === hash.before;
                verdict.hashes.push({ ...hash, before: same ? hash.before : null });
            });
            for (const file of Object.keys(state).filter((each) => each && each in found)) {
                const changed = difference(state[file], found[file], file, []);
                changed && fault(`the file ${changed}`);
            }
        }
    }
    compiled.clear();
    return verdict;
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
    process.stdout.write(`${JSON.stringify(judge(JSON.parse(line)))}\n`);
});
