# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge how the connection to Node-RED is encrypted. Private; knows no Ansible."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from .._certificates import _certificate
from .._plan._base import Found
from ._base import FAIL, Observed, Outcome, Skipped, finding, is_local, is_proxied

EXPIRY_DAYS = "nodered_audit_expiry_days"
_CERTIFICATE = ("certificate-expired", "certificate-expires", "certificate-mismatch", "certificate-weak")
CHECKS = ("tls-missing", "plain-http", "tls-old", *_CERTIFICATE, "certificate-untrusted", "certificate-unusable")
NO_TLS = "Node-RED uses no TLS"
_MADE = "Run pifleet.nodered.secure: the role tls makes and renews a certificate (nodered_tls_source)."
_REPLACED = f"{_MADE} To replace a custom https setting, set nodered_tls_replace: true."


def outcomes(found: Found, observed: Observed) -> Iterator[Outcome]:
    yield from _protocol(found, observed)
    yield from _of_certificate(found, observed)
    placed = found.instance["tls"]
    if placed["certificate"] and placed["problem"]:
        evidence = f"{placed['folder']}: {placed['problem']}."
        yield finding("certificate-unusable", "Node-RED cannot use its certificate", evidence, _MADE)


def uses_tls(found: Found, observed: Observed) -> bool:
    """Whether clients reach Node-RED over TLS, its own or that of a proxy."""
    return is_proxied(observed) or found.instance["scheme"] == "https"


def _protocol(found: Found, observed: Observed) -> Iterator[Outcome]:
    url = found.instance["url"]
    if not url:
        for check in ("tls-missing", "plain-http", "tls-old"):
            yield Skipped(check, observed.no_answer)
        return
    if not uses_tls(found, observed) and not is_local(found, observed):
        yield finding("tls-missing", "Node-RED uses plain HTTP", f"Node-RED responds at {url}", _REPLACED)
    if not uses_tls(found, observed):
        yield Skipped("plain-http", NO_TLS)
        yield Skipped("tls-old", NO_TLS)
        return
    # Without the client certificate that Node-RED requires, it does not answer, and these are checked nevertheless.
    yield from observed.left_out("plain-http", "plain_http_refused")
    yield from observed.left_out("tls-old", "old_tls_refused")
    in_clear = [one for one in ("plain_http_refused", "old_port_closed") if observed.status(one) == FAIL]
    if in_clear:
        yield finding("plain-http", "Plain HTTP is answered beside TLS", observed.seen(*in_clear), _in_clear(observed))
    if observed.status("old_tls_refused") == FAIL:
        remedy = f"{_REPLACED} A proxy has a setting of its own (nginx: ssl_protocols TLSv1.2 TLSv1.3;)."
        yield finding("tls-old", "An old version of TLS is accepted", observed.seen("old_tls_refused"), remedy)


def _in_clear(observed: Observed) -> str:
    if is_proxied(observed):
        return "Run pifleet.nodered.secure: the role tls has Node-RED listen for the proxy only (uiHost)."
    return f"Close the port that responds to plain HTTP. {_REPLACED}"


def _of_certificate(found: Found, observed: Observed) -> Iterator[Outcome]:
    pem, reason = observed.certificate.pem, observed.certificate.why_unknown
    if not uses_tls(found, observed):
        pem, reason = "", NO_TLS if found.instance["url"] else observed.no_answer
    try:
        problems = _certificate.own_problems(pem, now=observed.now, names=[_name(observed)]) if pem else {}
        days = _certificate.days_left(pem, observed.now) if pem else 0
    except (_certificate.CertificateError, _certificate.CannotJudgeError) as error:
        pem, reason = "", str(error)
    if not pem:
        for check in (*_CERTIFICATE, "certificate-untrusted"):
            yield Skipped(check, reason)
        return
    if "dates" in problems:
        yield finding("certificate-expired", "The certificate is not valid now", problems["dates"], _MADE)
    elif days < (limit := _days(observed)):
        evidence = f"It is valid for {days:.0f} more days, fewer than {limit} ({EXPIRY_DAYS})."
        yield finding("certificate-expires", "The certificate expires soon", evidence, _MADE)
    if "names" in problems:
        remedy = f"{_MADE} More names: nodered_tls_names."
        yield finding("certificate-mismatch", "The certificate is for another name", problems["names"], remedy)
    if "weak" in problems:
        yield finding("certificate-weak", "The certificate is weak", problems["weak"], _REPLACED)
    if "dates" in problems:
        yield Skipped("certificate-untrusted", "the certificate is not valid now")
    elif observed.certificate.untrusted:
        remedy = f"{_REPLACED} For a certificate of your own authority, set nodered_tls_ca."
        yield finding("certificate-untrusted", "The certificate is not trusted", observed.certificate.untrusted, remedy)


def _name(observed: Observed) -> str:
    """The name at which clients reach it."""
    proxy = urlsplit(str(observed.wanted.get("nodered_tls_proxy_url") or "")).hostname
    return str(proxy or observed.wanted["nodered_address"])


def _days(observed: Observed) -> int:
    return int(observed.wanted[EXPIRY_DAYS])
