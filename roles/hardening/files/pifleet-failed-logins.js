// Copyright (c) 2026, the pifleet.nodered authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Logs failed logins with the address of the client, which Node-RED's own audit log leaves out (strategies.js). A line
// has no user name: people type passwords there. settings.js requires this file as httpAdminMiddleware. It is written by
// pifleet.nodered, so do not edit it.
//
// It needs nothing but Node-RED and runs with every release since 1.1. What goes wrong in here changes no response.
'use strict';

const net = require('net');

const NAME = 'pifleet-failed-logins.js: ';
const WINDOW = 60 * 1000; // Milliseconds.
// In each window, so that an attacker can neither fill the journal, nor keep the addresses of others out of it.
const MOST_LINES = 120;
const MOST_LINES_OF_ADDRESS = 12;

// Where the admin API has it. Express takes it in any case, and with a slash at the end.
const LOGIN = /^\/auth\/token\/?$/i;
// The users of a verification, who do not exist. A ban does not count them.
const VERIFICATION = /^probe-[0-9a-f]{16}$/;

// For httpAdminMiddleware where clients connect to Node-RED itself. `others` is the middleware that was there.
function direct(others) {
    return middleware(addressOfPeer, others);
}

// The same behind a proxy on this machine, which adds the address of its client to X-Forwarded-For.
function behindProxy(others) {
    return middleware(addressForwarded, others);
}

// One function, as Node-RED 1.1 takes no list.
function middleware(addressOf, others) {
    const rest = flat([others]);
    const log = logger();
    return function failedLogins(request, response, next) {
        try {
            watch(request, response, addressOf, log);
        } catch (error) {
            console.error(NAME + 'a login was not watched: ' + error.message);
        }
        run(rest, request, response, next);
    };
}

function flat(list) {
    return list.reduce((found, one) => found.concat(Array.isArray(one) ? flat(one) : one), [])
        .filter((one) => typeof one === 'function');
}

// As Express runs a list: with an error, only functions of four parameters.
function run(list, request, response, next) {
    let position = 0;
    function step(error) {
        const wanted = list.slice(position).findIndex((one) => (one.length > 3) === Boolean(error));
        if (wanted < 0 || error === 'route' || error === 'router') { return next(error); }
        const chosen = list[position + wanted];
        position += wanted + 1;
        try {
            return error ? chosen(error, request, response, step) : chosen(request, response, step);
        } catch (thrown) {
            return step(thrown || new Error('a middleware has failed'));
        }
    }
    step();
}

function watch(request, response, addressOf, log) {
    if (request.method !== 'POST' || !LOGIN.test(request.path)) { return; }
    // Now, as a connection that is closed has none.
    const address = addressOf(request);
    let judged = false;
    function judge(failed) {
        if (judged) { return; }
        judged = true;
        // Node-RED reads the body later than this.
        const body = request.body || {};
        if (failed && body.grant_type === 'password') { log(address, isVerification(body.username)); }
    }
    response.on('finish', () => judge(response.statusCode >= 400));
    // A client that does not wait for the answer can lock users out all the same.
    response.on('close', () => judge(true));
}

// A client can send any JSON, also an object that cannot become a text. An error here would end Node-RED.
function isVerification(username) {
    return typeof username === 'string' && VERIFICATION.test(username);
}

function addressOfPeer(request) {
    return plain((request.socket || request.connection).remoteAddress);
}

// The last address is the one that the proxy has added; a client can invent those before it.
function addressForwarded(request) {
    const peer = addressOfPeer(request);
    const forwarded = request.headers['x-forwarded-for'];
    return isLoopback(peer) && forwarded ? plain(forwarded.split(',').pop()) : peer;
}

function isLoopback(address) {
    return address === '::1' || /^127\./.test(address);
}

// An address of digits, colons and dots, or "unknown".
function plain(text) {
    const address = String(text || '').trim().replace(/^::ffff:(?=[0-9.]+$)/i, '').replace(/%.*$/, '').toLowerCase();
    return net.isIP(address) ? address : 'unknown';
}

// Writes lines, and how many it has left out.
function logger() {
    let lines = new Map();
    let written = 0;
    let leftOut = 0;
    let end = null;

    function close() {
        if (leftOut) { console.error(NAME + leftOut + ' more failed logins within a minute'); }
        lines = new Map();
        written = leftOut = 0;
        end = null;
    }

    return function log(address, verification) {
        if (!end) {
            end = setTimeout(close, WINDOW);
            end.unref();
        }
        const before = lines.get(address) || 0;
        if (written >= MOST_LINES || before >= MOST_LINES_OF_ADDRESS) {
            leftOut += 1;
            return;
        }
        lines.set(address, before + 1);
        written += 1;
        console.error(NAME + 'failed login ' + (verification ? 'of a verification ' : '') + 'from ' + address);
    };
}

module.exports = { direct, behindProxy };
