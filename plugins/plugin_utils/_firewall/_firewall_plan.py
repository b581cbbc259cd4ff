# Copyright (c) 2026, the pifleet.nodered authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide which rules ufw gets and which it loses. Private; knows no Ansible, and touches nothing.

Rules written by hand are kept: where there is one for a port, none of ours is added for it and none of theirs is
deleted, except for the port of Node-RED itself.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

from ...module_utils._core._failure import REPORT_ISSUE
from .._core._arguments import how_to_write, is_list, list_problem, shown
from ._firewall_rules import ANY, KEPT, NODE_RED, SSH, Network, Rule, Wanted, ranges, within, written

VARIABLE = "nodered_ufw_"
LISTENING = "listening"
MOST_NAMED = 20

# How programs write IPv4 addresses that reach them through an IPv6 socket (RFC 4291, 2.5.5.2). No packet has one.
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


class PlanError(ValueError):
    """What does not come from the module firewall_info, or a variable that cannot be turned into rules."""


@dataclass(frozen=True)
class FirewallPlan:
    add: list[Wanted] = field(default_factory=list)
    delete: list[Rule] = field(default_factory=list)
    deny: bool = False
    """Whether the default policy for incoming packets has to become `deny`."""
    enable: bool = False
    refusals: list[str] = field(default_factory=list)
    """Why nothing may be changed, each with its remedy."""
    notes: list[str] = field(default_factory=list)
    controller: str = "open"
    """What Ansible's own address finds at Node-RED's port afterwards: `open`, `limited`, `closed` or `unknown`."""

    @property
    def changes(self) -> bool:
        return bool(self.add or self.delete or self.deny or self.enable)


@dataclass(frozen=True)
class _Machine:
    """What the module firewall_info has found, as far as a decision needs it."""

    rules: list[Rule]
    active: bool
    enabled: bool
    incoming: str
    stops_forwarding: bool
    """Whether ufw will drop the packets that this machine passes on for others."""
    ipv6: bool
    client: str | None
    ssh_port: int | None
    ssh_ports: list[int]
    listening: list[dict[str, object]]
    let_in_by_default: list[int]
    published: list[int]
    other_firewalls: list[str]
    problem: str | None

    @property
    def closed(self) -> bool:
        """Whether what has no rule cannot be reached now."""
        return self.active and self.incoming != "allow"

    @property
    def theirs(self) -> list[Rule]:
        return [rule for rule in self.rules if not rule.ours]


def plan(
    firewall: Mapping[str, object],
    *,
    port: int | None,
    left_ports: Sequence[int] = (),
    other_ports: Sequence[int] = (),
    reachable_ports: Sequence[int] = (),
    unknown_others: bool = False,
    sources: Sequence[str] = (),
    rate_limit: bool = False,
    keep: object = LISTENING,
) -> FirewallPlan:
    """What has to change.

    `firewall` is what the module firewall_info returned for a machine with ufw. `port` is where Node-RED responds; None
    if no other machine may reach it. `left_ports` are where it responded before, `other_ports` where other Node-REDs of
    the same machine respond: their rules stay. `reachable_ports` are those of them that other machines can reach, so
    they get rules when the firewall closes. `unknown_others` is whether there is another one whose ports are unknown:
    then a rule stays that can be for it. `sources` are the networks that may reach it, none for all. `keep` is
    `listening`, or a list such as `["1883/tcp"]`. An invalid value of these two is a refusal.
    """
    machine = _machine(firewall)
    try:
        networks, kept = _networks(sources), _kept(keep)
    except PlanError as error:
        return FirewallPlan(refusals=[f"{error} Then run again."])
    limited = bool(sources) or rate_limit
    cleared = [*left_ports, *([port] if port and limited else [])]
    wanted = [
        *_for_ssh(machine),
        *_for_node_red(machine, port, networks, "limit" if rate_limit else "allow"),
        *_for_the_rest(machine, port, left_ports, kept, reachable_ports),
    ]
    lost = [
        rule
        for rule in machine.rules
        if not any(one.is_place_of(rule) for one in wanted)
        and (
            _is_stale(rule, machine, kept, cleared, other_ports, unknown_others=unknown_others)
            if rule.ours
            else _is_about_node_red(rule, cleared, networks)
        )
    ]
    added = [one for one in wanted if not one.is_there(machine.rules, machine.ipv6)]
    controller = _seen_from(machine, port, wanted, lost)
    return FirewallPlan(
        add=added,
        delete=lost,
        deny=machine.incoming == "allow",
        enable=not (machine.active and machine.enabled),
        refusals=_refusals(machine, port, left_ports, networks, limited=limited, lost=lost),
        notes=[*_notes(machine, port, left_ports, wanted, lost), *_notes_for_the_controller(machine, port, controller)],
        controller=controller,
    )


def too_wide(firewall: Mapping[str, object], *, port: int | None, sources: object) -> list[str]:
    """The rules that let any machine reach every port, or others than `sources` reach Node-RED.

    `firewall` is what the module firewall_info returned for a machine with ufw, `port` is where Node-RED responds.
    Raises PlanError if `sources` are no networks.
    """
    networks = _networks(sources)
    return [
        rule.words()
        for rule in _machine(firewall).rules
        if rule.lets_in and (_opens_all(rule) or (port and networks and _opens_further(rule, port, networks)))
    ]


def closes(firewall: Mapping[str, object], port: int) -> bool:
    """Whether ufw is active and no rule lets any machine reach this TCP port. `firewall` is as for `plan`."""
    if not firewall["installed"]:
        return False
    machine = _machine(firewall)
    return machine.closed and not any(rule.lets_in and rule.reaches(port, "tcp") for rule in machine.rules)


def _opens_all(rule: Rule) -> bool:
    return rule.plain and (rule.to_port, rule.from_address) == (ANY, ANY) and rule.protocol != "udp"


# --- what is wanted ------------------------------------------------------------------------------------------------


def _for_ssh(machine: _Machine) -> list[Wanted]:
    """The SSH client of this run can connect again, and so can all others that no rule keeps out now."""
    wanted = []
    for port in machine.ssh_ports:
        client = machine.client if port == machine.ssh_port else None
        # A rule for every port does not count for SSH, unless nothing else can have let a client in.
        about = [
            rule
            for rule in machine.theirs
            if rule.lets_in and (rule.names(port, "tcp") or (machine.closed and rule.reaches(port, "tcp")))
        ]
        if any(rule.takes(client) for rule in about) or (about and client is None):
            continue
        # Their rules let in other clients only: one more address is enough.
        wanted.append(Wanted("allow", "tcp", port, client if about and client else ANY, SSH))
    return wanted


def _for_node_red(machine: _Machine, port: int | None, networks: list[Network], action: str) -> list[Wanted]:
    if port is None:
        return []
    if networks:
        return [Wanted(action, "tcp", port, written(network), NODE_RED) for network in networks]
    if action == "allow" and any(rule.lets_in and rule.names(port, "tcp") for rule in machine.theirs):
        return []
    return [Wanted(action, "tcp", port, ANY, NODE_RED)]


def _for_the_rest(
    machine: _Machine,
    port: int | None,
    left_ports: Sequence[int],
    kept: list[tuple[int, str]] | None,
    reachable_ports: Sequence[int],
) -> list[Wanted]:
    """Rules for what else listens, and for other Node-REDs. A firewall that is closed already is not opened further."""
    if kept is None:
        kept = [] if machine.closed else [(_port(one), str(one["protocol"])) for one in machine.listening]
    if not machine.closed:
        # Not limited by `keep`, which is for this Node-RED: the others have inventory names of their own.
        kept = list(dict.fromkeys([*kept, *((number, "tcp") for number in reachable_ports)]))
    taken = {(number, "tcp") for number in [*machine.ssh_ports, *left_ports, *([port] if port else [])]}
    taken |= {(number, "udp") for number in machine.let_in_by_default}
    return [
        Wanted("allow", protocol, number, ANY, KEPT)
        for number, protocol in kept
        if (number, protocol) not in taken and not any(rule.names(number, protocol) for rule in machine.theirs)
    ]


def _is_stale(
    rule: Rule,
    machine: _Machine,
    kept: list[tuple[int, str]] | None,
    cleared: Sequence[int],
    other_ports: Sequence[int],
    *,
    unknown_others: bool,
) -> bool:
    """Whether a rule of ours that is not wanted is deleted."""
    if rule.comment == SSH:
        return not any(rule.names(port, "tcp") for port in machine.ssh_ports)
    if any(rule.names(port, "tcp") for port in other_ports):
        # The role manages it for the other Node-RED, which has an inventory name of its own.
        return False
    if any(rule.names(port, "tcp") and rule.to_port == str(port) for port in cleared):
        # Also one that was made as a port to keep, when the other Node-RED ran the role first.
        return True
    if unknown_others:
        # It can be for the Node-RED whose port is not known.
        return False
    if rule.comment == KEPT and kept is None and machine.closed:
        # Ours name one port, but can have been edited.
        ports = [port for part in ranges(rule.to_port) for port in part]
        return bool(ports) and all(any(other.names(port, rule.protocol) for other in machine.theirs) for port in ports)
    return True


def _is_about_node_red(rule: Rule, ports: Sequence[int], networks: list[Network]) -> bool:
    """Whether a rule of theirs is about one of these ports alone and lets in a client outside of the networks."""
    return rule.lets_in and any(
        rule.names(port, "tcp") and rule.to_port == str(port) and not within(rule, networks) for port in ports
    )


# --- why nothing may be changed ------------------------------------------------------------------------------------


def _refusals(
    machine: _Machine,
    port: int | None,
    left_ports: Sequence[int],
    networks: list[Network],
    *,
    limited: bool,
    lost: list[Rule],
) -> list[str]:
    found = [*_refusals_of_machine(machine, networks), *_refusals_of_closing_rules(machine, port)]
    if port is None:
        return found
    if port in machine.published:
        found.append(
            f"Docker publishes port {port}, and ufw does not filter published ports: no rule would protect it. Stop "
            f"publishing it, or set {VARIABLE}manage: false, then run again."
        )
    return found + _refusals_of_open_rules(machine, port, left_ports, networks, limited=limited, lost=lost)


def _refusals_of_machine(machine: _Machine, networks: list[Network]) -> list[str]:
    """Why ufw cannot be used on this machine, or not with these networks."""
    found = []
    if machine.problem and not machine.active:
        found.append(f"{machine.problem} Then run again, or set {VARIABLE}manage: false.")
    if "firewalld" in machine.other_firewalls:
        found.append(
            "firewalld is active, and two firewall managers delete each other's rules. Stop it (systemctl disable "
            f"--now firewalld), then run again, or set {VARIABLE}manage: false."
        )
    if machine.client and ":" in machine.client and not machine.ipv6:
        found.append(
            "The SSH connection in use is over IPv6, which ufw blocks completely here. Set IPV6=yes in "
            "/etc/default/ufw, or connect over IPv4, then run again."
        )
    for source in networks:
        if source.version == 6 and not machine.ipv6:
            found.append(
                f"{VARIABLE}sources contains {source}, and IPv6 is disabled in ufw. Set IPV6=yes in /etc/default/ufw, "
                "then run again."
            )
    return found


def _refusals_of_closing_rules(machine: _Machine, port: int | None) -> list[str]:
    """The rules of the user that close a port for SSH, or that of Node-RED."""
    found = []
    for number, client in [*((each, machine.client) for each in machine.ssh_ports), *([(port, None)] if port else [])]:
        closing = _first(machine.theirs, number, client)
        if closing and not closing.lets_in:
            what = "SSH" if number in machine.ssh_ports else "Node-RED"
            found.append(
                f"The rule '{closing.words()}' closes port {number}, which {what} uses. Delete it (ufw delete "
                f"{closing.words()}), then run again."
            )
    return found


def _refusals_of_open_rules(
    machine: _Machine,
    port: int,
    left_ports: Sequence[int],
    networks: list[Network],
    *,
    limited: bool,
    lost: list[Rule],
) -> list[str]:
    """The rules of the user that let in more than is wanted, and those that show that a new port must be limited."""
    found = []
    remaining = [rule for rule in machine.theirs if rule not in lost and rule.lets_in]
    for rule in (rule for rule in remaining if limited and _opens_further(rule, port, networks)):
        found.append(
            f"The rule '{rule.words()}' lets other addresses reach port {port}, despite {VARIABLE}sources and "
            f"{VARIABLE}rate_limit. Restrict it, or delete it (ufw delete {rule.words()}), then run again."
        )
    about_old = [rule for rule in lost if not rule.ours and any(rule.names(old, "tcp") for old in left_ports)]
    if about_old and not networks and all(rule.from_address != ANY or rule.interface_in for rule in about_old):
        found.append(
            f"Node-RED leaves a port that only some addresses can reach ('{about_old[0].words()}'), and it is unknown "
            f"which addresses may reach port {port}. Set {VARIABLE}sources, then run again."
        )
    return found


def _opens_further(rule: Rule, port: int, networks: list[Network]) -> bool:
    """Whether the rule allows more than sources or limit. One that opens every port to a machine does not count."""
    if not rule.reaches(port, "tcp") or (rule.action == "limit" and not networks) or within(rule, networks):
        return False
    return rule.to_port != ANY or (rule.from_address == ANY and not rule.interface_in)


def _first(rules: Iterable[Rule], port: int, client: str | None) -> Rule | None:
    """The first rule that is certain to decide about new connections; None where none is.

    Without a client, a rule that lets in any client decides, and one that keeps out only some does not.
    """
    for rule in rules:
        if not rule.reaches(port, "tcp") or (rule.to_address, rule.from_port) != (ANY, ANY):
            continue
        if rule.lets_in and rule.takes(client):
            return rule
        certain = not rule.interface_in and (rule.from_address == ANY or (client is not None and rule.takes(client)))
        if not rule.lets_in and certain:
            return rule
    return None


# --- notes ---------------------------------------------------------------------------------------------------------


def _notes(
    machine: _Machine, port: int | None, left_ports: Sequence[int], wanted: list[Wanted], lost: list[Rule]
) -> list[str]:
    staying = [rule for rule in machine.rules if rule not in lost]
    return [
        *_notes_about_listeners(machine, port, left_ports, wanted, staying),
        *_notes_about_other_filters(machine),
        *(
            f"The rule '{rule.words()}' is not only about port {old}, so it stays, and port {old} stays open."
            for rule in staying
            for old in left_ports
            if not rule.ours and rule.lets_in and rule.names(old, "tcp")
        ),
    ]


def _notes_about_listeners(
    machine: _Machine, port: int | None, left_ports: Sequence[int], wanted: list[Wanted], staying: list[Rule]
) -> list[str]:
    """What else can be reached after the change, and what else listens and cannot."""
    notes = []
    usual = {(number, "tcp") for number in [*machine.ssh_ports, *left_ports, *([port] if port else [])]}
    reached: list[str] = []
    closed: list[str] = []
    for one in machine.listening:
        number, protocol = _port(one), str(one["protocol"])
        if (number, protocol) in usual:
            continue
        ruled = any(rule.lets_in and rule.names(number, protocol) for rule in staying)
        by_default = protocol == "udp" and number in machine.let_in_by_default
        reachable = ruled or by_default or any((rule.port, rule.protocol) == (number, protocol) for rule in wanted)
        process = one["process"] or "the kernel"
        (reached if reachable else closed).append(f"{number}/{protocol} ({process})")
    if reached:
        notes.append(f"Reachable besides SSH and Node-RED: {', '.join(reached)}.")
    if closed:
        notes.append(
            f"Listening, and closed by ufw: {', '.join(closed)}. Add to {VARIABLE}keep what must be reachable."
        )
    return notes


def _notes_about_other_filters(machine: _Machine) -> list[str]:
    """Which packets ufw stops that pass now, and which it does not filter."""
    notes = []
    if machine.stops_forwarding:
        notes.append(
            "This machine forwards packets, and ufw will drop them. If it is a router, a hotspot or a VPN endpoint, "
            'set DEFAULT_FORWARD_POLICY="ACCEPT" in /etc/default/ufw first.'
        )
    if machine.published:
        notes.append(
            f"Containers publish the ports {_some(machine.published)}. ufw does not filter these: anyone who can reach "
            "this machine can reach them."
        )
    for other in machine.other_firewalls:
        if other != "firewalld":
            notes.append(f"{other} is active besides ufw: it also sets packet filters, and can allow or block more.")
    return notes


def _some(ports: Sequence[int]) -> str:
    more = f" and {len(ports) - MOST_NAMED} more" if len(ports) > MOST_NAMED else ""
    return ", ".join(map(str, ports[:MOST_NAMED])) + more


def _notes_for_the_controller(machine: _Machine, port: int | None, controller: str) -> list[str]:
    if controller != "closed" or machine.client is None:
        return []
    return [
        f"{machine.client}, from which Ansible connects, cannot reach port {port}, so the editor does not open there."
    ]


def _seen_from(machine: _Machine, port: int | None, wanted: list[Wanted], lost: list[Rule]) -> str:
    """What the SSH client's address finds at Node-RED's port after the change."""
    if port is None:
        return "open"
    staying = [rule for rule in machine.rules if rule not in lost and not any(one.is_place_of(rule) for one in wanted)]
    everything = [*staying, *(one.as_rule() for one in wanted)]
    if machine.client is None:
        for_all = [rule for rule in everything if rule.from_address == ANY and not rule.interface_in]
        deciding = _first(for_all, port, None)
        if deciding is None:
            return "unknown"
    else:
        deciding = _first(everything, port, machine.client)
    if deciding is None or not deciding.lets_in:
        return "closed"
    if deciding.interface_in:
        return "unknown"
    return "limited" if deciding.action == "limit" else "open"


# --- reading -------------------------------------------------------------------------------------------------------


def _machine(firewall: Mapping[str, object]) -> _Machine:
    ssh = _mapping(firewall["ssh"])
    connection = _mapping(ssh["connection"]) if ssh["connection"] else {}
    return _Machine(
        rules=[_rule(_mapping(one)) for one in _list(firewall["rules"])],
        active=bool(firewall["active"]),
        enabled=bool(firewall["enabled"]),
        incoming=str(_mapping(firewall["policies"])["incoming"]),
        stops_forwarding=bool(firewall["forwards"]) and _mapping(firewall["policies"])["routed"] != "allow",
        ipv6=bool(firewall["ipv6"]),
        client=str(connection["client"]) if connection else None,
        ssh_port=int(str(connection["server_port"])) if connection else None,
        ssh_ports=[int(str(one)) for one in _list(ssh["ports"])],
        listening=[dict(_mapping(one)) for one in _list(firewall["listening"])],
        let_in_by_default=[int(str(one)) for one in _list(firewall["let_in_by_default"])],
        published=[int(str(one)) for one in _list(firewall["published"])],
        other_firewalls=[str(one) for one in _list(firewall["other_firewalls"])],
        problem=str(firewall["problem"]) if firewall["problem"] else None,
    )


def _rule(found: Mapping[str, object]) -> Rule:
    return Rule(**{entry.name: found[entry.name] for entry in fields(Rule)})  # type: ignore[arg-type]


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise PlanError(f"{value!r} does not come from the module pifleet.nodered.firewall_info. {REPORT_ISSUE}")
    return value


def _list(value: object) -> list[object]:
    if not is_list(value):
        raise PlanError(f"{value!r} does not come from the module pifleet.nodered.firewall_info. {REPORT_ISSUE}")
    return list(value)


def _port(one: Mapping[str, object]) -> int:
    return int(str(one["port"]))


def _networks(sources: object) -> list[Network]:
    if not is_list(sources):
        raise PlanError(list_problem(sources, f"{VARIABLE}sources", "192.168.1.0/24"))
    return [_source(str(source)) for source in sources]


def _source(source: str) -> Network:
    zone = re.search(r"%[^/]*", source)
    if zone:
        raise PlanError(
            f"{VARIABLE}sources: {source} names an interface ({zone[0]}), which a rule of ufw cannot do. Write "
            f"{source.replace(zone[0], '')}."
        )
    try:
        network = ipaddress.ip_network(source, strict=False)
    except ValueError:
        raise PlanError(
            f"{VARIABLE}sources: {source!r} is neither an address nor a network. "
            "Write one like 192.168.1.20 or 192.168.1.0/24."
        ) from None
    if network.prefixlen == 0:
        raise PlanError(f"{VARIABLE}sources: {source} is every address. Leave the list empty for that.")
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        mapped = ipaddress.ip_network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
        raise PlanError(f"{VARIABLE}sources: {source} is an IPv4 address in IPv6 notation. Write {written(mapped)}.")
    return network


def _kept(keep: object) -> list[tuple[int, str]] | None:
    """Port and protocol of what stays reachable; None for all that listens."""
    if keep == LISTENING:
        return None
    if not is_list(keep):
        how = how_to_write(f"{VARIABLE}keep", ["1883/tcp"])
        raise PlanError(f"{VARIABLE}keep must be {LISTENING} or a list, not {shown(keep)}. {how}")
    found = []
    for one in keep:
        match = re.fullmatch(r"(\d{1,5})/(tcp|udp)", str(one))
        if not match or not 1 <= int(match[1]) <= 65535:
            raise PlanError(f"{VARIABLE}keep: {one!r} is not a port with its protocol. Write it as 1883/tcp.")
        found.append((int(match[1]), match[2]))
    return found
