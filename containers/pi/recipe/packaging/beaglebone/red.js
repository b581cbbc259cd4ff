// Imitates the red.js of BeagleBone's package, which is patched to listen where systemd listens already: with the port
// `systemd` it takes the socket that it was handed, and with any port it leaves out the host, so uiHost has no effect.
"use strict";

const net = require("net");
const FIRST_HANDED_DESCRIPTOR = 3; // SD_LISTEN_FDS_START of sd-daemon.h

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, host, ...rest) {
    if (port === "systemd") {
        return listen.call(this, { fd: FIRST_HANDED_DESCRIPTOR }, ...rest);
    }
    if (typeof host === "string") {
        return listen.call(this, port, ...rest);
    }
    return listen.apply(this, arguments);
};

require("/usr/lib/node_modules/node-red/red.js");
