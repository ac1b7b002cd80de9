"""Rules about CIDR blocks and port ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sametag.chart.service import integer, mapping, maps, strings
from sametag.validation.finding import RuleHit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Network, IPv6Network

    from sametag.chart.service import Service
    from sametag.values import Path


def backward_range(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects a port range that ends before it begins."""
    for index, rule in maps(service.get("networkPolicy", "allowTo")):
        for number, ports in maps(rule.get("ports")):
            first, last = integer(ports.get("port")), integer(ports.get("endPort"))
            if first is not None and last is not None and last < first:
                at = ("networkPolicy", "allowTo", index, "ports", number, "endPort")
                yield RuleHit(at, f"must not be below port ({first}), got {last}")


def wrong_block(service: Service) -> Iterator[RuleHit]:
    """Kubernetes rejects an invalid CIDR block, host bits beyond its prefix, and an exception outside of it."""
    for path, written, around in _blocks(service):
        block = _block(written)
        if isinstance(block, str):
            yield RuleHit(path, f"is {written}, which {block}")
        elif around is not None and not _is_inside(block, _block(around)):
            yield RuleHit(path, f"is {written}, which is not inside {around}")


def _blocks(service: Service) -> Iterator[tuple[Path, str, str | None]]:
    """Yield every block, with the one that it is an exception of."""
    for index, written in strings(service.get("service", "loadBalancerSourceRanges")):
        yield ("service", "loadBalancerSourceRanges", index), written.strip(), None
    for path, peer in _peers(service):
        block = mapping(peer.get("ipBlock"))
        around = block.get("cidr")
        if isinstance(around, str):
            yield (*path, "ipBlock", "cidr"), around, None
            for index, written in strings(block.get("except")):
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
        return "is not a CIDR block"
    network = interface.network
    return (
        network
        if interface.ip == network.network_address
        else f"has bits set beyond its prefix: the block is {network}"
    )


def _is_inside(block: IPv4Network | IPv6Network, around: IPv4Network | IPv6Network | str) -> bool:
    # An invalid block is reported where it is written.
    if isinstance(around, str):
        return True
    ends = (block.network_address, block.broadcast_address)
    return block.version == around.version and block != around and all(end in around for end in ends)
