// Copyright (c) 2026, the pifleet.nodered authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Keeps the sessions of logged-in users elsewhere than in the user directory. Everything else (flows, credentials,
// settings, library, projects) stays with Node-RED's own storage. settings.js requires this file as storageModule. It is
// written by pifleet.nodered, so do not edit it.
//
// It needs nothing but Node-RED and runs with every release since 0.20.
'use strict';

const fs = require('fs');
const path = require('path');

// The storage of the Node-RED that runs, whichever release that is by now. Where the settings are only tried out, of the
// one that process.argv names.
function ownStorage() {
    const running = Object.keys(require.cache)
        .find((file) => /[\\/]@node-red[\\/]runtime[\\/]lib[\\/]storage[\\/]index\.js$/.test(file));
    if (running) { return require(path.join(path.dirname(running), 'localfilesystem')); }
    const folder = path.dirname(process.argv[1] || '');
    return require(require.resolve('@node-red/runtime/lib/storage/localfilesystem', { paths: [folder] }));
}

// Node-RED's storage/index.js asks for own properties, so these are copied. Without a storage to copy, the setting is
// undefined and Node-RED keeps to its own.
function withSessions(sessions) {
    try {
        return Object.assign({}, ownStorage(), sessions);
    } catch (error) {
        console.error('pifleet-sessions.js: Node-RED keeps sessions in its user directory. ' + error.message);
        return undefined;
    }
}

function read(file) {
    return new Promise((resolve) => {
        fs.readFile(file, 'utf8', (error, text) => {
            if (error && error.code !== 'ENOENT') { warn('Nobody is logged in any longer', error); }
            try {
                resolve(JSON.parse(text));
            } catch (_damaged) {
                resolve({});
            }
        });
    });
}

// A rejected promise would end Node-RED at a right login, and what it holds in memory is enough until it restarts.
function write(file, text) {
    const temporary = file + '.new';
    return new Promise((resolve) => {
        function done(error) {
            if (error) { warn('Logins will not outlive a restart', error); }
            resolve();
        }
        fs.writeFile(temporary, text, { mode: 0o600 }, (error) => {
            if (error) { return done(error); }
            return fs.rename(temporary, file, done);
        });
    });
}

function warn(consequence, error) {
    console.warn('pifleet-sessions.js: ' + consequence + ': ' + error.message);
}

function inFile(file) {
    let written = Promise.resolve();
    return withSessions({
        sessionsFile: file,
        getSessions: () => read(file),
        saveSessions: (sessions) => {
            const text = JSON.stringify(sessions);
            written = written.then(() => write(file, text));
            return written;
        }
    });
}

function inMemory() {
    let kept = {};
    return withSessions({
        sessionsFile: null,
        getSessions: () => Promise.resolve(kept),
        saveSessions: (sessions) => {
            kept = sessions;
            return Promise.resolve();
        }
    });
}

module.exports = { inFile, inMemory };
