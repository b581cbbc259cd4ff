# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide for which names a certificate is made, and for which names an authority may make any. Private and pure.

The inventory decides. What a host reports about itself is untrusted: the service user can change a host name, and names
in the network. A reported name counts only if it is private and belongs to no other host of the inventory.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ._top_level_domains import TOP_LEVEL_DOMAINS

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# RFC 1918, RFC 4193, RFC 3927, RFC 4291. Not is_private: Python counts more, such as ::ffff:8.8.8.8.
PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
        *("::1/128", "fc00::/7", "fe80::/10"),
    )
)
# RFC 6761 and RFC 6762.
PRIVATE_DOMAINS = ("local", "localhost")
# With the underscore, which inventory names often have.
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
LONGEST_NAME = 253
# Clients multiply the names of a certificate by the constraints of its authority, and OpenSSL stops at a million.
MOST_REPORTED = 100


class CertificateNameError(ValueError):
    """Why a name or network of the inventory cannot be used, and what to do."""


class Names(NamedTuple):
    """For what the certificate of a host is made: without the required ones it is of no use."""

    required: list[str]
    optional: list[str]


def as_address(name: str) -> str | None:
    """The address in its usual form; None where it is a name, or an address with a zone (fe80::1%eth0)."""
    try:
        return None if "%" in name else str(ipaddress.ip_address(name))
    except ValueError:
        return None


def canonical(name: str) -> str | None:
    """The host name or address as a certificate holds it; None where no certificate can hold it.

    Host names are in ASCII (xn-- for the others). `*` is allowed as the first label only. A name that ends in a number
    is none, as clients would take it for an address (127.1, 0x7f000001).
    """
    address = as_address(name)
    if address:
        return address
    text = name.lower().removesuffix(".")
    labels = text.removeprefix("*.").split(".")
    is_name = len(text) <= LONGEST_NAME and all(LABEL.fullmatch(label) for label in labels)
    return text if is_name and not re.fullmatch(r"\d+|0x[0-9a-f]*", labels[-1]) else None


def require_canonical(name: str, what: str) -> str:
    """The canonical form of a name that was asked for. Raises CertificateNameError if there is none."""
    found = canonical(name)
    if found is None:
        raise CertificateNameError(
            f"{what} has {name!r}, which no certificate can hold. "
            "Give a host name in ASCII (xn--... for an international one), or an address without a zone (%eth0)."
        )
    return found


def names_of_host(
    *, wanted: Sequence[str], inventory: Sequence[str], reported: Sequence[str], others: Iterable[str]
) -> Names:
    """For what the certificate of a host is made.

    Args:
        wanted: what it is of no use without: where others reach Node-RED (nodered_address, nodered_tls_names).
        inventory: its names in the inventory (the inventory name, ansible_host).
        reported: what the host reports: its host name, its addresses. Untrusted.
        others: names and addresses of all other hosts of the inventory.
    """
    needed = [require_canonical(name, "nodered_address or nodered_tls_names") for name in wanted]
    taken = _taken(others)
    accepted = [name for name in dict.fromkeys(_with_local(reported)) if _is_acceptable(name, taken)]
    known = [found for name in inventory if (found := canonical(name))]
    optional = dict.fromkeys([*known, "localhost", "127.0.0.1", *accepted[:MOST_REPORTED]])
    return Names(list(dict.fromkeys(needed)), [name for name in optional if name not in needed])


def _with_local(reported: Iterable[str]) -> Iterator[str]:
    """What the host reports, and the name that it has in the local network by multicast DNS."""
    for found in filter(None, map(canonical, reported)):
        yield found
        if not as_address(found):
            yield f"{found.partition('.')[0]}.local"


def _taken(others: Iterable[str]) -> set[str]:
    """Names and addresses of other hosts, and their first labels: pi2.example.org is also known as pi2."""
    found = set(filter(None, map(canonical, others)))
    return found | {name.partition(".")[0] for name in found if not as_address(name)}


def _is_acceptable(name: str, taken: set[str]) -> bool:
    """Whether a reported name is private and belongs to no other host."""
    address = as_address(name)
    if address:
        return address not in taken and _is_within(ipaddress.ip_network(address), PRIVATE_NETWORKS)
    labels = name.removesuffix(".local").split(".")
    is_private = name.endswith(".local") or (len(labels) == 1 and name not in TOP_LEVEL_DOMAINS)
    if not is_private or any(label == "*" or label.startswith("xn--") for label in labels):
        return False
    # Neither pi2 nor pi2.local nor www.pi2.local where another host is pi2.
    return name not in taken and taken.isdisjoint(labels)


@dataclass(frozen=True)
class Constraints:
    """The name constraints of an authority (RFC 5280, 4.2.1.10): a domain includes everything below it.

    Without permitted domains (None) all are; likewise for networks. A leading dot, which the RFC does not know and
    OpenSSL accepts, means only what is below the domain.
    """

    domains: frozenset[str] | None
    networks: frozenset[Network] | None
    excluded_domains: frozenset[str] = frozenset()
    excluded_networks: frozenset[Network] = frozenset()

    def allow(self, name: str) -> bool:
        """Whether the authority may make a certificate for this name (canonical)."""
        if as_address(name):
            network = ipaddress.ip_network(name)
            permitted = self.networks is None or _is_within(network, self.networks)
            return permitted and not _is_within(network, self.excluded_networks)
        domains = set(_domains_above(name))
        permitted = self.domains is None or not domains.isdisjoint(self.domains)
        return permitted and domains.isdisjoint(self.excluded_domains)

    def not_allowed(self, names: Iterable[str]) -> list[str]:
        """Those of the names that the authority is not allowed to make a certificate for."""
        return [name for name in names if not self.allow(name)]

    def lack(self, wanted: Constraints) -> list[str]:
        """Which domains and networks `wanted` permits and these do not."""
        domains = [name for name in wanted.domains or () if not self.allow(name)]
        more_networks = frozenset() if self.networks is None else (wanted.networks or frozenset()) - self.networks
        networks = [str(network) for network in more_networks if not _is_within(network, self.networks or ())]
        return sorted(domains) + sorted(networks)

    def with_more(self, more: Constraints) -> Constraints:
        """What these or those permit; without exclusions."""
        networks = collapsed([*(self.networks or ()), *(more.networks or ())])
        return Constraints(_outermost({*(self.domains or ()), *(more.domains or ())}), networks)


def constraints(inventory: Iterable[str], more: Iterable[str] = ()) -> Constraints:
    """What an authority for this inventory may make certificates for: what is private, and the inventory's own names.

    A host name permits what is below it as well, so a single label that is a top-level domain (`garden`) is left out.

    Args:
        inventory: names and addresses of its hosts.
        more: further domains, addresses and networks (nodered_tls_authority_names). Raises CertificateNameError.
    """
    names = {name.removeprefix("*.") for name in map(canonical, inventory) if name}
    domains = {*PRIVATE_DOMAINS, *(name for name in names if not as_address(name) and name not in TOP_LEVEL_DOMAINS)}
    networks = {*PRIVATE_NETWORKS, *(ipaddress.ip_network(name) for name in names if as_address(name))}
    for entry in more:
        network = _as_network(entry)
        if network:
            networks.add(network)
        else:
            domains.add(require_canonical(entry, "nodered_tls_authority_names").removeprefix("*."))
    return Constraints(_outermost(domains), collapsed(networks))


def _outermost(domains: set[str]) -> frozenset[str]:
    """The domains without those that another one includes."""
    return frozenset(name for name in domains if domains.isdisjoint(set(_domains_above(name)) - {name}))


def collapsed(networks: Iterable[Network]) -> frozenset[Network]:
    """The same addresses in as few networks as possible."""
    found = list(networks)
    four = ipaddress.collapse_addresses(network for network in found if isinstance(network, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(network for network in found if isinstance(network, ipaddress.IPv6Network))
    return frozenset([*four, *six])


def _as_network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        if "/" in text:
            raise CertificateNameError(
                f"nodered_tls_authority_names has {text!r}, which is no network. "
                "Give the first address of the network and the length of its prefix: 192.0.2.0/24."
            ) from None
        return None


def _domains_above(name: str) -> Iterator[str]:
    """Every domain constraint that a name satisfies: a.b, .b, b and the empty one."""
    yield name
    while "." in name:
        name = name.partition(".")[2]
        yield "." + name
        yield name
    yield ""


def _is_within(network: Network, networks: Iterable[Network]) -> bool:
    """Whether one of the networks contains all of this one."""
    return any(
        network.version == outer.version and network.subnet_of(outer)  # type: ignore[arg-type]
        for outer in networks
    )
