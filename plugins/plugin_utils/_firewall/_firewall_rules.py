# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of ufw: which packets they are about, and the words in which `ufw` takes them. Private and pure.

Rules of this collection are recognized by their comment.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

OURS = "pifleet.nodered "
NODE_RED = OURS + "Node-RED"
SSH = OURS + "SSH"
KEPT = OURS + "kept"
ANY = "any"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Rule:
    """A rule as the module firewall_info returns it."""

    action: str
    direction: str = "in"
    route: bool = False
    protocol: str = ANY
    to_address: str = ANY
    to_port: str = ANY
    from_address: str = ANY
    from_port: str = ANY
    application: str = ""
    from_application: str = ""
    interface_in: str = ""
    interface_out: str = ""
    log: str = ""
    comment: str = ""
    ipv4: bool = True
    ipv6: bool = True

    @property
    def ours(self) -> bool:
        return self.comment.startswith(OURS)

    @property
    def lets_in(self) -> bool:
        return self.action in ("allow", "limit")

    @property
    def inbound(self) -> bool:
        return self.direction == "in" and not self.route

    @property
    def plain(self) -> bool:
        """Whether nothing but protocol, port and source narrows it."""
        return (
            self.inbound
            and not (self.interface_in or self.interface_out or self.application or self.from_application)
            and (self.to_address, self.from_port) == (ANY, ANY)
        )

    def names(self, port: int, protocol: str) -> bool:
        """Whether it is about this port, alone or among others, and not just about every port."""
        return self.inbound and self.to_port != ANY and self.reaches(port, protocol)

    def reaches(self, port: int, protocol: str) -> bool:
        if not self.inbound or self.protocol not in (protocol, ANY):
            return False
        return self.to_port == ANY or any(port in part for part in ranges(self.to_port))

    def takes(self, client: str | None) -> bool:
        """Whether it is about packets from this address. Without an address, whether it is about those of some."""
        if self.from_address == ANY or client is None:
            return True
        address, network = ipaddress.ip_address(client), _network(self.from_address)
        return address.version == network.version and address in network

    def arguments(self) -> list[str]:
        """What `ufw` or `ufw delete` is given for this rule, without its comment."""
        words = [self.action]
        for direction, interface in (("in", self.interface_in), ("out", self.interface_out)):
            words += [direction, "on", interface] if interface else []
        words += [self.log] if self.log else []
        words += ["from", self.from_address, *_port_words(self.from_port, self.from_application)]
        words += ["to", self.to_address, *_port_words(self.to_port, self.application)]
        by_application = self.application or self.from_application
        return words + (["proto", self.protocol] if self.protocol != ANY and not by_application else [])

    def words(self) -> str:
        """About what `ufw show added` prints."""
        words = self.arguments()
        names = [f"{word!r}" if before == "app" else word for before, word in zip(words, words[1:], strict=False)]
        return " ".join([words[0], *names])


@dataclass(frozen=True)
class Wanted:
    """A rule that has to be there: which addresses may reach a port."""

    action: str
    protocol: str
    port: int
    source: str
    comment: str

    def is_place_of(self, rule: Rule) -> bool:
        """Whether ufw would put this in the place of the rule (it compares all but action and comment)."""
        return rule.plain and (rule.protocol, rule.to_port, rule.from_address) == (
            self.protocol,
            str(self.port),
            self.source,
        )

    def is_there(self, rules: Iterable[Rule], ipv6: bool) -> bool:
        return any(
            self.is_place_of(rule)
            and rule.action == self.action
            and (self.source != ANY or (rule.ipv4 and (rule.ipv6 or not ipv6)))
            for rule in rules
        )

    def as_rule(self) -> Rule:
        return Rule(
            self.action,
            protocol=self.protocol,
            to_port=str(self.port),
            from_address=self.source,
            comment=self.comment,
        )

    def words(self) -> str:
        return self.as_rule().words()

    def arguments(self) -> list[str]:
        """What `ufw` is given to add it."""
        return [*self.as_rule().arguments(), "comment", self.comment]


def within(rule: Rule, networks: list[Network]) -> bool:
    """Whether all addresses that the rule is about are in these networks."""
    if rule.from_address == ANY:
        return False
    network = _network(rule.from_address)
    return any(_contains(wider, network) for wider in networks)


def ranges(ports: str) -> list[range]:
    """The ports of `80`, `6000:6007` and `80,443`."""
    found = []
    for part in ports.split(","):
        first, _colon, last = part.partition(":")
        if first.isdigit():
            found.append(range(int(first), int(last or first) + 1))
    return found


def _network(address: str) -> Network:
    return ipaddress.ip_network(address, strict=False)


def _port_words(port: str, application: str) -> list[str]:
    if application:
        return ["app", application]
    return ["port", port] if port != ANY else []


def _contains(wider: Network, network: Network) -> bool:
    if isinstance(wider, ipaddress.IPv4Network):
        return isinstance(network, ipaddress.IPv4Network) and network.subnet_of(wider)
    return isinstance(network, ipaddress.IPv6Network) and network.subnet_of(wider)


def written(network: Network) -> str:
    """As ufw writes it: a single address without its mask."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)
