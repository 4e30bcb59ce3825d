"""Is it the node or the coordinator?  The same question as for a port, asked of a Zigbee network.

A coordinator that is gone takes all its nodes with it, and says nothing of any of them.  A sleepy
node that is silent sleeps, until it was not heard for so long that its battery is in question.
"""

from gateway.model.links import Culprit, Finding, NetworkSight, NodeOnLink, NodeOnNetwork
from gateway.service.links.facts import LinkFacts
from gateway.service.links.words import span

_UNREACHED = frozenset({"zigbee-not-delivered", "zigbee-not-heard", "node-unreachable"})
LONG_S = 2 * 86_400.0
"""Seconds without a word from a sleepy node after which its battery is in question: most report daily."""


def diagnose_network(link: LinkFacts, network: NetworkSight) -> Finding:
    """Whose fault it is that a network, or a node of it, does not answer; pure."""
    facts = _facts(link, network)
    everybody = tuple(sorted(node.name for node in link.nodes))
    if network.trouble:
        culprit = Culprit.GATEWAY if link.traffic.last_error == "bad-link" else Culprit.ADAPTER
        text = f"The coordinator is at fault, and says nothing of the nodes: {network.trouble}."
        return Finding(link.channel, culprit, text, facts, network.remedy, everybody)
    if not network.up:
        return Finding(link.channel, Culprit.UNKNOWN, "The network is being opened.", facts)
    strangers = _names(tuple(node for node in network.nodes if not node.joined))
    if strangers:
        text = f"{', '.join(strangers)} never joined this network, or left it."
        name = link.channel.removeprefix("zigbee:")
        remedy = f"`tender zigbee permit {name}`, then have the node look for a network."
        return Finding(link.channel, Culprit.NODE, text, facts, remedy, strangers)
    asked = {node.name: node for node in link.nodes}
    gone = tuple(node for node in network.nodes if not node.sleepy and _is_gone(asked.get(node.name)))
    if gone:
        text = f"{', '.join(_names(gone))} does not answer: without power, or out of reach of everybody."
        remedy = "Give it power, or a router in between; it goes on by itself when it is heard."
        return Finding(link.channel, Culprit.NODE, text, facts, remedy, _names(gone))
    quiet = tuple(node for node in network.nodes if node.sleepy and (node.heard_s or 0.0) > LONG_S)
    if quiet:
        longest = span(max(node.heard_s or 0.0 for node in quiet))
        text = f"{', '.join(_names(quiet))} sleeps, and was not heard for {longest}."
        remedy = "Press its button, and look at its battery; what waits for it begins when it is heard."
        return Finding(link.channel, Culprit.NODE, text, facts, remedy, _names(quiet))
    if link.upstream == "disconnected":
        text = "The network carries; it is the broker, or the way to it, that is not there."
        remedy = "Check the broker and the gateway's network; events are kept until it is back."
        return Finding(link.channel, Culprit.BROKER, text, (*facts, "The upstream is disconnected."), remedy)
    return Finding(link.channel, Culprit.NOTHING, "The network carries.", facts)


def _is_gone(node: NodeOnLink | None) -> bool:
    return node is not None and (node.traffic.last_error in _UNREACHED or node.traffic.silent)


def _names(nodes: tuple[NodeOnNetwork, ...]) -> tuple[str, ...]:
    return tuple(sorted(node.name for node in nodes))


def _facts(link: LinkFacts, network: NetworkSight) -> tuple[str, ...]:
    traffic, found = link.traffic, list[str]()
    if network.up:
        found.append(f"The coordinator answers; {network.members} nodes joined.")
    asleep = _names(tuple(node for node in network.nodes if node.sleepy))
    if asleep:
        found.append(f"Sleepy, and asked only when they are heard: {', '.join(asleep)}.")
    if traffic.opens or traffic.errors:
        found.append(f"Sessions: {traffic.opens} begun; {traffic.errors} times a node was not reached.")
    if traffic.opens:
        found.append(f"{traffic.bytes_down} bytes went out, {traffic.bytes_up} came in.")
    return tuple(found)
