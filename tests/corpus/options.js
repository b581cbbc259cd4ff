// Copyright (c) 2026, the pifleet.nodered authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Parses command lines with a real nopt and the options of a real red.js: options.js NOPT RED.JS <command lines
// Reads one array of words per line from stdin, as JSON, and writes one object for each: what red.js uses of it.
"use strict";

const fs = require("fs");
const path = require("path");
const vm = require("vm");

const [nopt, red] = [require(path.resolve(process.argv[2])), fs.readFileSync(process.argv[3], "utf8")];
const source = /^var knownOpts[\s\S]*?^};\s*var shortHands[\s\S]*?^};/m.exec(red)[0];
const sandbox = { path, Boolean, Number, String, Array };
vm.runInNewContext(source, sandbox);
nopt.invalidHandler = () => {};

const lines = fs.readFileSync(0, "utf8").split("\n").filter(Boolean);
for (const line of lines) {
    const found = nopt(sandbox.knownOpts, sandbox.shortHands, JSON.parse(line), 0);
    const answer = {
        port: found.port === undefined ? null : String(found.port),
        settings: found.settings || null,
        user_dir: found.userDir || null,
        title: found.title === undefined ? null : found.title,
        safe: Boolean(found.safe),
        defines: found.define || [],
        flow_file: found.argv.remain[0] || null,
    };
    console.log(JSON.stringify(answer));
}
