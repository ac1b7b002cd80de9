"""Rules about blocks of addresses and ranges of ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.chart.service import mapping, maps, texts, whole
from sametag.validation.finding import RuleHit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Network, IPv6Network

    from sametag.chart.service import Service
    from sametag.values import Path


def backward_range(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses a range of ports that ends before it begins."""
    for index, rule in maps(service.get("networkPolicy", "allowTo")):
        for number, ports in maps(rule.get("ports")):
            first, last = whole(ports.get("port")), whole(ports.get("endPort"))
            if first is not None and last is not None and last < first:
                at = ("networkPolicy", "allowTo", index, "ports", number, "endPort")
                yield RuleHit(at, f"is {last}, below port, {first}")


def wrong_block(service: Service) -> Iterator[RuleHit]:
    """Kubernetes refuses a block of addresses with bits beyond its prefix, and an exception that is not inside."""
    for path, written, around in _blocks(service):
        block = _block(written)
        if isinstance(block, str):
            yield RuleHit(path, f"is {written}, which {block}")
        elif around is not None and not _is_inside(block, _block(around)):
            yield RuleHit(path, f"is {written}, and not a part of {around}")


def _blocks(service: Service) -> Iterator[tuple[Path, str, str | None]]:
    """Yield every block that is written, with the one that it is an exception of."""
    for index, written in texts(service.get("service", "loadBalancerSourceRanges")):
        yield ("service", "loadBalancerSourceRanges", index), written.strip(), None
    for path, peer in _peers(service):
        block = mapping(peer.get("ipBlock"))
        around = block.get("cidr")
        if isinstance(around, str):
            yield (*path, "ipBlock", "cidr"), around, None
            for index, written in texts(block.get("except")):
                yield (*path, "ipBlock", "except", index), written, around


def _peers(service: Service) -> Iterator[tuple[Path, dict[str, object]]]:
    for index, peer in maps(service.get("networkPolicy", "allowFrom")):
        yield ("networkPolicy", "allowFrom", index), peer
    for index, rule in maps(service.get("networkPolicy", "allowTo")):
        for number, peer in maps(rule.get("to")):
            yield ("networkPolicy", "allowTo", index, "to", number), peer


def _block(written: str) -> IPv4Network | IPv6Network | str:
    """Return a block, or what is wrong with it."""
    from ipaddress import ip_interface

    try:
        interface = ip_interface(written)
    except ValueError:
        return "is no block of addresses"
    network = interface.network
    return network if interface.ip == network.network_address else f"has bits beyond its prefix: {network} has none"


def _is_inside(block: IPv4Network | IPv6Network, around: IPv4Network | IPv6Network | str) -> bool:
    # What is wrong with the one around it is said there.
    if isinstance(around, str):
        return True
    ends = (block.network_address, block.broadcast_address)
    return block.version == around.version and block != around and all(end in around for end in ends)
