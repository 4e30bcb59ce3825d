"""How the Zigbee networks are: for the status, for whoever asks why a node is not reached, for people."""

from collections.abc import Mapping

from flashers.api import Reason
from gateway.model.links import NetworkSight, NodeOnNetwork
from gateway.service.site import Site
from gateway.service.zigbee.reach import place_of
from transports.links import Medium
from transports.zcl import NodeFacts


class NetworkWatch:
    """Every network of a gateway that was asked for, whether it could be opened or not."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def reasons(self) -> tuple[Reason, ...]:
        """What is the matter with networks, one reason for each kind of trouble."""
        found: dict[str, list[Reason]] = {}
        for name in self._site.networks.names(self._named()):
            reason = self._site.zigbee.trouble(name)
            if reason is not None:
                found.setdefault(reason.code, []).append(reason)
        return tuple(
            Reason(code, "  ".join(each.message for each in reasons), reasons[0].remedy)
            for code, reasons in found.items()
        )

    def view(self, channel: str) -> NetworkSight | None:
        """A network as it is shown; None for a channel that is none."""
        scheme, _, name = channel.partition(":")
        if scheme != "zigbee":
            return None
        reach = self._site.zigbee
        trouble, network = reach.trouble(name), reach.network(name)
        said = ("", "") if trouble is None else (trouble.message.removesuffix("."), trouble.remedy)
        if network is not None and network.state.trouble:
            said = (network.state.trouble, said[1])
        concurrent = reach.networks.concurrent(name)
        if network is None:
            return NetworkSight(False, *said, concurrent, nodes=self._nodes(channel, {}))
        state, known = network.state, network.nodes()
        return NetworkSight(
            state.up,
            *said,
            concurrent,
            channel=state.channel,
            pan_id=state.pan_id,
            coordinator=state.coordinator,
            firmware=state.firmware,
            joining_s=round(state.joining_for, 1),
            members=len(known),
            nodes=self._nodes(channel, known),
        )

    def _nodes(self, channel: str, known: Mapping[str, NodeFacts]) -> tuple[NodeOnNetwork, ...]:
        hearing, found = self._site.zigbee.hearing, []
        for name, table in sorted(self._site.nodes.items()):
            spec = table.spec
            if spec.channel != channel:
                continue
            place = place_of(spec)
            facts = known.get(place.partition("#")[2])
            ago = hearing.ago(place)
            found.append(
                NodeOnNetwork(
                    name,
                    joined=facts is not None,
                    sleepy=facts is not None and facts.sleepy,
                    heard=hearing.last(place),
                    heard_s=None if ago is None else round(ago, 1),
                    hops=facts.hops if facts is not None else None,
                    lqi=facts.lqi if facts is not None else None,
                )
            )
        return tuple(found)

    def _named(self) -> set[str]:
        specs = [table.spec for table in self._site.nodes.values()]
        return {spec.target for spec in specs if spec.medium is Medium.ZIGBEE}
