"""Is it the node or the adapter?  The same question as for a port, asked of a radio.

There is no cable, and silence is what a radio does most of the time: a node that is not
heard while others are is out of reach or asleep, whatever its adapter's counters say.
"""

from gateway.model.links import Culprit, Finding, NodeOnLink, RadioView
from gateway.service.links.facts import LinkFacts

_NOT_THERE = frozenset({"ble-not-heard", "node-unreachable"})
_SHAKY_REOPENS = 3


def diagnose_radio(link: LinkFacts, radio: RadioView) -> Finding:
    """Whose fault it is that an adapter, or a node behind it, does not answer; pure."""
    facts = _facts(link, radio)
    everybody = tuple(sorted(node.name for node in link.nodes))
    if radio.state != "fine":
        text = f"The adapter is at fault, it is {radio.state}: {radio.message}."
        remedy = "It is switched off and on by itself; if that does not help, unplug it and plug it in again."
        if radio.state == "missing":
            remedy = "Plug the adapter in, or correct its address in the configuration."
        return Finding(link.channel, Culprit.ADAPTER, text, facts, remedy, everybody)
    if link.traffic.last_error == "bad-link":
        text = f"The gateway itself cannot use {link.channel}: {link.traffic.last_message}."
        remedy = "Correct the adapter's name, or install what the message names."
        return Finding(link.channel, Culprit.GATEWAY, text, facts, remedy, everybody)
    gone = tuple(sorted(node.name for node in link.nodes if _is_gone(node)))
    if gone:
        others = f", and the adapter hears {radio.hears} others" if radio.hears else ""
        text = f"{', '.join(gone)} is not reached{others}: asleep, out of reach, or without power."
        remedy = "Wake it, bring it closer, or look at its battery; it goes on by itself when it is heard."
        return Finding(link.channel, Culprit.NODE, text, facts, remedy, gone)
    shaky = tuple(sorted(node.name for node in link.nodes if _is_shaky(node)))
    if shaky:
        text = f"The connection to {', '.join(shaky)} is lost in use again and again."
        remedy = "Bring node and adapter closer together, or ask for a stronger signal: `min_rssi`."
        return Finding(link.channel, Culprit.NODE, text, facts, remedy, shaky)
    if not link.traffic.opens:
        return Finding(link.channel, Culprit.UNKNOWN, "Nothing was asked over this adapter yet.", facts)
    if link.upstream == "disconnected":
        text = "The adapter carries; it is the broker, or the way to it, that is not there."
        remedy = "Check the broker and the gateway's network; events are kept until it is back."
        return Finding(link.channel, Culprit.BROKER, text, (*facts, "The upstream is disconnected."), remedy)
    return Finding(link.channel, Culprit.NOTHING, "The adapter carries.", facts)


def _is_gone(node: NodeOnLink) -> bool:
    return node.traffic.last_error in _NOT_THERE or node.traffic.silent


def _is_shaky(node: NodeOnLink) -> bool:
    return node.traffic.reopens >= _SHAKY_REOPENS and node.traffic.reopens * 4 > node.traffic.opens


def _facts(link: LinkFacts, radio: RadioView) -> tuple[str, ...]:
    traffic = link.traffic
    learned = ", as was learned" if radio.learned else ""
    found = [f"Connected: {len(radio.connected)} of {radio.cap} that it carries{learned}."]
    if radio.last_heard is not None:
        found.append(f"Radios heard in the last minute: {radio.hears}.")
    if radio.power_cycles:
        found.append(f"Switched off and on: {radio.power_cycles} times, last since {radio.cycled_for}.")
    if traffic.opens or traffic.errors:
        found.append(f"Connections: {traffic.opens} made, {traffic.errors} failed or lost.")
    if traffic.opens:
        found.append(f"{traffic.bytes_down} bytes went out, {traffic.bytes_up} came in.")
    return tuple(found)
