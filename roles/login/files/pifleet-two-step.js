// Copyright (c) 2026, the pifleet.nodered authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Two-step login: some users need a code of an authenticator app after their password (RFC 6238). settings.js requires
// this file as adminAuth.authenticate. It is written by pifleet.nodered, so do not edit it.
//
// It needs nothing but Node-RED and runs with every release since 1.0. What goes wrong in here denies a login. It never
// rejects a promise: Node-RED would end (strategies.js has no catch).
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const STEP = 30; // Seconds for which an app shows a code.
const TOLERANCE = 1; // Steps by which the clocks of the app and of this machine may differ.
const LONGEST_TYPED = 1024; // Characters.
const LARGEST_FILE = 1024 * 1024; // Bytes.
// Wrong codes after the right password. Node-RED itself allows five attempts in ten minutes, but forgets them when it
// is restarted, so a code could be found within months.
const FREE_TRIES = 5;
const FIRST_WAIT = 15 * 60; // Seconds.
const LONGEST_WAIT = 24 * 60 * 60;

const REMOVE = 'Remove it; recovery codes that were used before work once more then.';
const DIGITS = /[0-9]{6}$/;
const RECOVERY_CODE = /[a-z]{4}(-[a-z]{4}){3}$/i;

// For adminAuth.authenticate. `names` are the users who need a code, `file` has their secrets. They are named here, so
// that without the file they cannot log in at all.
function forUsers(names, file) {
    return function authenticate(username, password) {
        return new Promise((resolve) => resolve(loggedIn(names, file, username, password))).catch((error) => {
            complain(error.message);
            return null;
        });
    };
}

// The user without the password, or null.
function loggedIn(names, file, username, password) {
    const user = typeof username === 'string' && userNamed(username);
    if (!user || typeof password !== 'string' || password.length > LONGEST_TYPED) { return null; }
    if (names.indexOf(username) < 0) {
        return hasPassword(user, password).then((right) => (right ? shown(user) : null));
    }
    const typed = parts(password);
    if (!typed) { return null; }
    const enrolment = enrolmentOf(file, username);
    return hasPassword(user, typed.password).then((right) => {
        // From here on nothing waits, so that of two logins with one code only the first counts.
        return right && secondStep(usedFile(file), enrolment, typed) ? shown(user) : null;
    });
}

// The users as they are in effect, options of the command line included: what settings.js exports.
function userNamed(username) {
    const auth = ((module.parent && module.parent.exports) || {}).adminAuth || {};
    // With a name that is there twice, Node-RED takes the last one.
    return [].concat(auth.users || []).filter((user) => user && user.username === username).pop();
}

// Node-RED logs what it gets here.
function shown(user) {
    const copy = Object.assign({}, user);
    delete copy.password;
    return copy;
}

// What was typed: the password, and after it a code or a recovery code. Null without either.
function parts(typed) {
    const code = DIGITS.exec(typed);
    if (code) { return { password: typed.slice(0, code.index), code: code[0] }; }
    const recovery = RECOVERY_CODE.exec(typed);
    return recovery && { password: typed.slice(0, recovery.index), recovery: recovery[0].toLowerCase() };
}

// bcryptjs belongs to every release of Node-RED, but not to the folder of this file.
function bcrypt() {
    const scripts = Object.keys(require.cache).filter((file) => /[\\/]red\.js$/.test(file));
    const modules = [require.main].concat(scripts.map((file) => require.cache[file])).filter(Boolean);
    for (const one of modules) {
        try {
            return one.require('bcryptjs');
        } catch (error) {
            if (error.code !== 'MODULE_NOT_FOUND') { throw error; }
        }
    }
    throw new Error('the bcryptjs of Node-RED was not found, so no user can log in');
}

function hasPassword(user, password) {
    return new Promise((resolve) => {
        bcrypt().compare(password, String(user.password), (error, same) => resolve(!error && same === true));
    });
}

// Both files

function read(file, remedy) {
    try {
        if (fs.statSync(file).size > LARGEST_FILE) { throw new Error('it is too large'); }
        const users = JSON.parse(fs.readFileSync(file, 'utf8')).users;
        if (!Array.isArray(users)) { throw new Error('it has no list of users'); }
        return users;
    } catch (error) {
        if (error.code === 'ENOENT' && !remedy) { return []; }
        // A message of JSON.parse can quote the text.
        const why = error instanceof SyntaxError ? 'it is no JSON' : error.message;
        throw new Error(damaged(file, why, remedy || REMOVE));
    }
}

function damaged(file, why, remedy) {
    return file + ' cannot be used, so users with two-step login cannot log in: ' + why + '. ' + remedy;
}

function enrolmentOf(file, username) {
    const remedy = 'Run the playbook again.';
    const found = read(file, remedy).filter((one) => one && one.username === username).pop();
    if (!found || !/^[0-9a-f]{40,}$/.test(found.secret) || !Array.isArray(found.recovery)) {
        throw new Error(damaged(file, 'it has no secret of ' + JSON.stringify(username), remedy));
    }
    const secret = Buffer.from(found.secret, 'hex');
    return {
        username,
        secret,
        recovery: found.recovery.map(String),
        // What was used with an earlier secret does not count.
        of: crypto.createHash('sha256').update(secret).digest('hex').slice(0, 32),
    };
}

// Beside the secrets: what was used, also over restarts. The collection neither reads nor writes it.
function usedFile(file) {
    return file.replace(/\.json$/, '') + '-used.json';
}

function write(file, users) {
    const temporary = file + '.new';
    const descriptor = fs.openSync(temporary, 'w', 0o600);
    try {
        fs.fchmodSync(descriptor, 0o600);
        fs.writeFileSync(descriptor, JSON.stringify({ users }) + '\n');
        fs.fsyncSync(descriptor);
    } finally {
        fs.closeSync(descriptor);
    }
    fs.renameSync(temporary, file);
    keepName(path.dirname(file));
}

// If the power fails now, the new name is there afterwards. Some file systems cannot, and need not.
function keepName(folder) {
    const descriptor = fs.openSync(folder, 'r');
    try {
        fs.fsyncSync(descriptor);
    } catch (_unable) {
        // Nothing more can be done.
    } finally {
        fs.closeSync(descriptor);
    }
}

// The second step

// Whether the code counts. That it was used is on the disk before; if it cannot be written, it does not count.
function secondStep(file, enrolment, typed) {
    const users = read(file);
    const used = users.filter((one) => one && one.username === enrolment.username && one.of === enrolment.of).pop() ||
        { username: enrolment.username, of: enrolment.of, step: 0, recovery: [], wrong: 0, since: 0 };
    if (!Array.isArray(used.recovery) || ![used.step, used.wrong, used.since].every(Number.isInteger)) {
        throw new Error(damaged(file, 'what it has of ' + JSON.stringify(enrolment.username) + ' is damaged', REMOVE));
    }
    const good = typed.recovery ? useRecovery(enrolment, used, typed.recovery) : useCode(enrolment, used, typed.code);
    if (good === null) { return false; }
    try {
        write(file, users.filter((one) => one && one.username !== enrolment.username).concat(used));
    } catch (error) {
        throw new Error(file + ' cannot be written, so no code can be used: ' + error.message);
    }
    return good;
}

// True and false are noted in `used`, null is nothing to note.
function useCode(enrolment, used, code) {
    const now = Date.now() / 1000;
    if (isWaiting(used, now)) {
        complain(JSON.stringify(enrolment.username) + ' cannot use codes until ' +
            new Date((used.since + wait(used)) * 1000).toISOString() + ': ' + used.wrong +
            ' wrong codes came after the right password. A recovery code works.');
        return null;
    }
    const current = Math.floor(now / STEP);
    if (used.step > current + TOLERANCE) {
        complain('The clock of this machine was ahead when ' + JSON.stringify(enrolment.username) + ' used a code, so ' +
            'codes are refused until ' + new Date(used.step * STEP * 1000).toISOString() +
            '. A recovery code works.');
        return null;
    }
    let matched = 0;
    for (let step = current - TOLERANCE; step <= current + TOLERANCE; step += 1) {
        if (isSame(codeAt(enrolment.secret, step), code)) { matched = step; }
    }
    if (matched && matched <= used.step) { return null; }
    Object.assign(used, matched ? { step: matched, wrong: 0 } : { wrong: used.wrong + 1, since: Math.floor(now) });
    if (used.wrong === FREE_TRIES) {
        complain(used.wrong + ' wrong codes came after the right password of ' + JSON.stringify(enrolment.username) +
            '. Change that password if this was another person, and compare the clocks of this machine and of the app.');
    }
    return matched > 0;
}

function wait(used) {
    return Math.min(FIRST_WAIT * Math.pow(2, used.wrong - FREE_TRIES), LONGEST_WAIT);
}

function isWaiting(used, now) {
    return used.wrong >= FREE_TRIES && now >= used.since && now < used.since + wait(used);
}

function useRecovery(enrolment, used, code) {
    const hash = crypto.createHmac('sha256', enrolment.secret).update(code).digest('hex');
    const known = enrolment.recovery.filter((one) => isSame(one, hash)).length > 0;
    if (!known || used.recovery.indexOf(hash) >= 0) { return null; }
    used.recovery.push(hash);
    used.wrong = 0;
    complain(JSON.stringify(enrolment.username) + ' has used a recovery code; ' +
        (enrolment.recovery.length - used.recovery.length) + ' are left.');
    return true;
}

// RFC 6238 with SHA-1, the truncation of RFC 4226.
function codeAt(secret, step) {
    const counter = Buffer.alloc(8);
    counter.writeUInt32BE(Math.floor(step / 0x100000000), 0);
    counter.writeUInt32BE(step % 0x100000000, 4);
    const digest = crypto.createHmac('sha1', secret).update(counter).digest();
    const number = (digest.readUInt32BE(digest[19] & 15) & 0x7fffffff) % 1000000;
    return ('00000' + number).slice(-6);
}

function isSame(one, other) {
    const buffers = [Buffer.from(one), Buffer.from(other)];
    return buffers[0].length === buffers[1].length && crypto.timingSafeEqual(buffers[0], buffers[1]);
}

function complain(text) {
    console.error('pifleet-two-step.js: ' + text);
}

module.exports = { forUsers };
