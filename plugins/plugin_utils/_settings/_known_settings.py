# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private: the names of all top-level settings that a Node-RED release reads, to notice misspelled ones.

Node-RED ignores an unknown name in silence: with `adminauth` instead of `adminAuth` the editor stays open.
Collected from the sources of node-red 0.14.6 to 5.0.7 (red.js, the packages @node-red/*, the default settings.js), and
of both dashboards (node-red-dashboard 3.6.6, @flowfuse/node-red-dashboard 1.31.0).
To update it for a new release, add what its default settings.js has and what its sources read as `settings.NAME`.
"""

from __future__ import annotations

import difflib

_TEMPLATE = """
    adminAuth apiMaxLength contextStorage credentialSecret debugMaxLength debugStatusLength debugUseColors diagnostics
    disableEditor editorTheme execMaxBufferSize exportGlobalContextKeys externalModules fileWorkingDirectory flowFile
    flowFilePretty functionExternalModules functionGlobalContext functionTimeout globalFunctionTimeout
    httpAdminCookieOptions httpAdminMiddleware httpAdminRoot httpNodeAuth httpNodeCors httpNodeMiddleware httpNodeRoot
    httpRequestTimeout httpRoot httpServerOptions httpStatic httpStaticAuth httpStaticCors httpStaticRoot https
    httpsRefreshInterval inboundWebSocketTimeout lang logging mqttReconnectTime nodeDefaults
    nodeMaxMessageBufferLength nodeMessageBufferMaxLength nodesDir paletteCategories proxyOptions requireHttps
    runtimeState serialReconnectTime socketReconnectTime socketTimeout tcpMsgQueueSize telemetry
    tlsConfigDisableLocalFiles ui uiHost uiPort userDir webSocketNodeVerifyClient
"""
# Read by the code, but in no default settings.js.
_UNDOCUMENTED = """
    autoInstallModules autoInstallModulesRetry coreNodesDir credentialsFile dashboard envVarExcludes
    httpAdminAuth httpAdminCors httpAuth httpRequestTimingLog nodeCloseTimeout nodesExcludes
    nodesIncludes readOnly runtimeMetricInterval runtimeSyncDelivery safeMode settingsFile storageModule
    verbose webSocketKeepAliveTime
"""

KNOWN_SETTINGS = frozenset((_TEMPLATE + _UNDOCUMENTED).split())

_BY_LOWER_CASE = {name.lower(): name for name in sorted(KNOWN_SETTINGS)}


def nearest_known(name: str) -> str | None:
    """The known setting that an unknown name most likely means, or None if there is none like it."""
    lower = name.lower()
    if lower in _BY_LOWER_CASE:
        return _BY_LOWER_CASE[lower]
    close = difflib.get_close_matches(lower, _BY_LOWER_CASE, n=1, cutoff=0.75)
    return _BY_LOWER_CASE[close[0]] if close else None
