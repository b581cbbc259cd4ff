// Copyright (c) 2026, the pifleet.nodered authors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
//
// Asks for the password of httpNodeAuth where Node-RED itself does not: on the sockets of both dashboards and on
// "websocket in" nodes. settings.js requires this file. It is written by pifleet.nodered, so do not edit it.
//
// It needs nothing but Node-RED and runs with every release since 0.17. What goes wrong in here closes, never opens.
'use strict';

const crypto = require('crypto');

let right = null; // The digest of the last right password with its hash: bcrypt is slow on purpose.

// The settings as they are in force, options of the command line included: what settings.js exports.
function settings() {
    return (module.parent && module.parent.exports) || {};
}

// Where httpNodeAuth is everywhereExcept(...), the user and the hash stand in httpStaticAuth.
function credentials() {
    const auth = settings().httpNodeAuth;
    return auth && auth.pass ? auth : settings().httpStaticAuth;
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
    throw new Error('pifleet-http-auth.js: the bcryptjs of Node-RED was not found, so everybody is refused');
}

// User and password in the header of RFC 7617, or null.
function given(headers) {
    const match = /^basic +([a-z0-9+/]+=*) *$/i.exec(headers.authorization || '');
    const text = match ? Buffer.from(match[1], 'base64').toString('utf8') : '';
    const colon = text.indexOf(':');
    return colon < 0 ? null : { user: text.slice(0, colon), pass: text.slice(colon + 1) };
}

function digest(password, hash) {
    return crypto.createHash('sha256').update(hash + '\0' + password).digest();
}

// Calls back with whether these headers hold the right user and password. It never holds up the flows.
function check(headers, callback) {
    try {
        const wanted = credentials();
        const found = given(headers);
        if (!found || !wanted || found.user !== wanted.user) { return callback(false); }
        const proof = digest(found.pass, wanted.pass);
        if (right && crypto.timingSafeEqual(right, proof)) { return callback(true); }
        return bcrypt().compare(found.pass, wanted.pass, (error, same) => {
            if (!error && same === true) { right = proof; }
            callback(!error && same === true);
        });
    } catch (error) {
        console.error(error.message);
        return callback(false);
    }
}

// A browser sends the password along whichever page makes it connect, so the page has to be one of ours. No page can
// forge X-Forwarded-Host, by which a proxy says what Host was.
function fromElsewhere(headers) {
    if (!headers.origin) { return false; }
    const host = String(headers['x-forwarded-host'] || headers.host || '').split(',')[0].trim();
    return headers.origin.replace(/^https?:\/\//i, '').toLowerCase() !== host.toLowerCase();
}

// For ui.ioMiddleware and dashboard.ioMiddleware (socket.io).
function ioMiddleware(socket, next) {
    const headers = socket.handshake.headers;
    if (fromElsewhere(headers)) { return next(new Error('unauthorized')); }
    return check(headers, (good) => next(good ? undefined : new Error('unauthorized')));
}

// For webSocketNodeVerifyClient (ws takes a function of two parameters for one that calls back).
function verifyClient(info, callback) {
    const open = (settings().httpNodeAuth || {}).open;
    const root = String(settings().httpNodeRoot || '').replace(/\/$/, '');
    const path = info.req.url.split('?')[0];
    if (open && path.startsWith(root) && isBelow(path.slice(root.length), open)) { return callback(true); }
    if (fromElsewhere(info.req.headers)) { return callback(false, 401); }
    return check(info.req.headers, (good) => callback(good, 401, undefined, challenge()));
}

function challenge() {
    return { 'WWW-Authenticate': 'Basic realm="Authorization Required"' };
}

// Whether the path is one of these or lies below one. What another part of Node-RED may read as another path is not.
function isBelow(path, open) {
    return !/\/\.{1,2}(\/|$)|\\|\/\/|%(2e|2f|5c)/i.test(path) &&
        open.some((one) => path === one || path.startsWith(one + '/'));
}

// For httpNodeAuth itself, from Node-RED 4.0 on: everything asks for the password, except these paths.
function everywhereExcept(open) {
    function middleware(request, response, next) {
        // As Node-RED's own: a browser asks with OPTIONS, and without a password, whether it may ask at all.
        if (request.method === 'OPTIONS' || isBelow(request.path, open)) { return next(); }
        return check(request.headers, (good) => {
            if (good) { return next(); }
            response.set(challenge());
            return response.sendStatus(401);
        });
    }
    middleware.open = open;
    return middleware;
}

module.exports = { ioMiddleware, verifyClient, everywhereExcept };
