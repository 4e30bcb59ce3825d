"""Is it the node, the cable, the adapter, the broker or the gateway?  Judged by counters alone.

The rules go from what takes the most with it to what takes the least: a gateway that
may not open ports, a hub that took its links with it, a port that is gone, a line on
which nobody ever spoke, a node whose neighbours answer.  Each finding says from which
facts it was drawn, so that whoever stands before the machine can judge it anew.
"""

from collections.abc import Sequence

from gateway.model.links import Culprit, Finding, NodeOnLink
from gateway.service.links.facts import LinkFacts
from gateway.service.links.network_diagnosis import diagnose_network
from gateway.service.links.radio_diagnosis import diagnose_radio

__all__ = ["LinkFacts", "diagnose"]

_SHAKY_REOPENS = 3
"""Losses in use from which a link counts as shaky, if they are more than one in ten opens."""

_OURS = frozenset({"link-denied", "bad-link"})
"""Errors of opening that are of this machine's making."""


def diagnose(link: LinkFacts) -> Finding:
    """Whose fault it is that the link, or a node on it, does not answer; pure."""
    traffic = link.traffic
    if link.radio is not None:
        return diagnose_radio(link, link.radio)
    if link.network is not None:
        return diagnose_network(link, link.network)
    if traffic.last_error in _OURS:
        return _ours(link)
    if link.held_by is not None:
        return _held(link)
    if (hub := _dead_hub(link)) is not None:
        return hub
    if link.exists is False:
        return _gone(link)
    if traffic.last_error:
        return _fails(link)
    silent = tuple(node for node in link.nodes if node.traffic.silent)
    if silent:
        return _silent(link, silent)
    if traffic.reopens >= _SHAKY_REOPENS and traffic.reopens * 10 > traffic.opens:
        return _shaky(link)
    if not traffic.opens:
        return Finding(link.channel, Culprit.UNKNOWN, "Nothing was asked over this link yet.", _facts(link))
    return _fine(link)


def _ours(link: LinkFacts) -> Finding:
    text = f"The gateway itself cannot use {link.channel}: {link.traffic.last_message}."
    remedy = "Let the service's user open the port (the group dialout or uucp), or correct the link's name."
    return Finding(link.channel, Culprit.GATEWAY, text, _facts(link), remedy, _names(link.nodes))


def _held(link: LinkFacts) -> Finding:
    text = f"Another program on the gateway has {link.channel}: {link.held_by}."
    remedy = "Stop it, or tell Tender how to ask it off: `links` in the configuration."
    return Finding(link.channel, Culprit.GATEWAY, text, _facts(link), remedy, _names(link.nodes))


def _dead_hub(link: LinkFacts) -> Finding | None:
    """Several links on one hub that are dead at once, and none on it that lives."""
    hub = link.adapter.hub if link.adapter is not None else None
    if hub is None or hub.startswith("usb") or not link.is_dead:
        return None
    same = [other for other in link.others if other.adapter is not None and other.adapter.hub == hub]
    if not same or not all(other.is_dead for other in same):
        return None
    names = ", ".join(sorted([link.channel, *(other.channel for other in same)]))
    text = f"The USB hub {hub} is at fault: every link on it is dead ({names})."
    nodes = tuple(sorted({*_names(link.nodes), *(name for other in same for name in _names(other.nodes))}))
    why = (*_facts(link), f"{len(same) + 1} links are on the hub {hub}, and none of them carries anything.")
    remedy = (
        "Check the hub's power and its plug; `tender power NODE cycle` can do it where a profile says how."
    )
    return Finding(link.channel, Culprit.ADAPTER, text, why, remedy, nodes)


def _gone(link: LinkFacts) -> Finding:
    what = link.adapter.named if link.adapter is not None and link.adapter.vid is not None else "the adapter"
    text = f"The port is gone: {what} is not plugged in, has no power, or has hung up."
    remedy = "Plug the adapter in again; if it does not come back, put another one in its place."
    return Finding(link.channel, Culprit.ADAPTER, text, _facts(link), remedy, _names(link.nodes))


def _fails(link: LinkFacts) -> Finding:
    network = link.exists is None
    what = "The device server, or the network to it," if network else "The adapter"
    text = f"{what} is at fault: {link.traffic.last_message}."
    remedy = (
        "Check that the device server is on and can be reached from the gateway."
        if network
        else "Unplug the adapter and plug it in again; if that does not help, replace it."
    )
    return Finding(link.channel, Culprit.ADAPTER, text, _facts(link), remedy, _names(link.nodes))


def _silent(link: LinkFacts, silent: tuple[NodeOnLink, ...]) -> Finding:
    answering = tuple(
        node for node in link.nodes if node.traffic.bytes_up and node not in silent and node.traffic.opens
    )
    names = ", ".join(_names(silent))
    facts = _facts(link)
    if answering:
        text = f"{names} does not answer, and {', '.join(_names(answering))} on the same link does."
        remedy = (
            "Look at the node: its power, its plug, its address; `tender recover NODE` says what can be done."
        )
        return Finding(link.channel, Culprit.NODE, text, facts, remedy, _names(silent))
    if not link.traffic.bytes_up:
        text = "The port opens, and not one byte ever came from anything on it: the cable, most likely."
        remedy = (
            "Check that the cable is in, that RX and TX are not swapped, the speed, and the nodes' power."
        )
        return Finding(link.channel, Culprit.CABLE, text, facts, remedy, _names(silent))
    if len(silent) > 1:
        text = f"{names} answered before and fell silent together: what they share, the cable, most likely."
        remedy = "Check the cable from the adapter to the first node, and the nodes' common power."
        return Finding(link.channel, Culprit.CABLE, text, facts, remedy, _names(silent))
    text = f"{names} answered before and does not any more, while the adapter works: the node, most likely."
    remedy = "Look at its plug first, for a pulled cable looks the same; then `tender recover NODE`."
    return Finding(link.channel, Culprit.NODE, text, facts, remedy, _names(silent))


def _shaky(link: LinkFacts) -> Finding:
    count, opens = link.traffic.reopens, link.traffic.opens
    text = f"The port is lost in use again and again: {count} times of {opens} opens."
    remedy = "Check the adapter's plug and its power; a powered hub, or another adapter, often ends it."
    return Finding(link.channel, Culprit.ADAPTER, text, _facts(link), remedy, _names(link.nodes))


def _fine(link: LinkFacts) -> Finding:
    if link.upstream == "disconnected":
        text = "The link carries; it is the broker, or the way to it, that is not there."
        remedy = "Check the broker and the gateway's network; events are kept until it is back."
        why = (*_facts(link), "The upstream is disconnected.")
        return Finding(link.channel, Culprit.BROKER, text, why, remedy)
    return Finding(link.channel, Culprit.NOTHING, "The link carries.", _facts(link))


def _facts(link: LinkFacts) -> tuple[str, ...]:
    """What the finding was drawn from, in words."""
    traffic = link.traffic
    there = {True: "The port is there", False: "The port is not there", None: "It is no local port"}[
        link.exists
    ]
    made = f"; {link.adapter.named}" if link.adapter is not None and link.exists is not None else ""
    found = [f"{there}{made}."]
    if traffic.opens or traffic.errors:
        found.append(f"It was opened {traffic.opens} times, and failed {traffic.errors} times.")
    if traffic.last_error:
        found.append(f"The last try ended with {traffic.last_error}.")
    if traffic.opens:
        found.append(f"{traffic.bytes_down} bytes went out, {traffic.bytes_up} came in.")
    silent = _names(tuple(node for node in link.nodes if node.traffic.silent))
    if silent:
        found.append(f"Asked last, and silent: {', '.join(silent)}.")
    return tuple(found)


def _names(nodes: Sequence[NodeOnLink]) -> tuple[str, ...]:
    return tuple(sorted(node.name for node in nodes))
