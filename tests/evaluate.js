// Copyright (c) 2026, the pifleet.nodered authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Loads many settings files, as Node-RED does, in one process and prints what each exports.
// usage: node evaluate.js RESULTS < PATHS   (PATHS: a JSON list; RESULTS: a JSON object of path -> {value} or {error})
// A function becomes its source text. A module that is not installed becomes a stub, so that
// a file loads as it would beside its own node_modules.
"use strict";

const fs = require("fs");
const Module = require("module");

const STUB = Symbol("stub");
const stub = new Proxy(function () {}, {
    get: (target, name) => (name === STUB ? true : name === Symbol.toPrimitive ? () => "stub" : stub),
    apply: () => stub,
    construct: () => stub,
    ownKeys: () => ["prototype"],
});

const load = Module._load;
Module._load = function (request, parent, isMain) {
    try {
        return load.call(this, request, parent, isMain);
    } catch (error) {
        if (error.code === "MODULE_NOT_FOUND" && parent !== module) {
            return stub;
        }
        throw error;
    }
};
const readFileSync = fs.readFileSync;
fs.readFileSync = function (path, ...rest) {
    try {
        return readFileSync.call(this, path, ...rest);
    } catch (error) {
        return `content of ${path}`;
    }
};

function plain(value, above) {
    if (typeof value === "function" || (typeof value === "object" && value !== null)) {
        if (value[STUB] === true) {
            return { stub: true };
        }
        if (above.includes(value)) {
            return { cycle: above.indexOf(value) };
        }
    }
    if (typeof value === "function") {
        return { function: Function.prototype.toString.call(value) };
    }
    if (Array.isArray(value)) {
        return { list: value.map((element) => plain(element, [...above, value])) };
    }
    if (value instanceof RegExp || value instanceof Date) {
        return { text: String(value) };
    }
    if (typeof value === "object" && value !== null) {
        if (above.length > 8 || ![Object.prototype, null].includes(Object.getPrototypeOf(value))) {
            return { other: Object.prototype.toString.call(value) };
        }
        const members = {};
        for (const key of Object.keys(value).sort()) {
            members[key] = plain(value[key], [...above, value]);
        }
        return { object: members };
    }
    return typeof value === "undefined" ? { undefined: true } : { scalar: typeof value, value: String(value) };
}

const results = {};
const exit = process.exit;
process.exit = () => {
    throw new Error("the settings file ends the process");
};
for (const stream of [process.stdout, process.stderr]) {
    stream.write = () => true;
}
for (const path of JSON.parse(readFileSync(0, "utf8"))) {
    try {
        results[path] = { value: plain(require(path), []) };
    } catch (error) {
        results[path] = { error: String(error) };
    }
}
fs.writeFileSync(process.argv[2], JSON.stringify(results));
exit(0);
