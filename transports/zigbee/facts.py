"""What zigpy knows of a node, in our words."""

from zigpy.device import ZigbeeDevice

from transports.zcl import NodeFacts


def facts_of(device: ZigbeeDevice, heard: float | None) -> NodeFacts:
    """What is known of a node; ``heard`` is when it last sent anything, in the loop's time.

    A node whose descriptor is unknown counts as awake: it has just joined, and is being asked.
    Its hops are known once it sent a route record, which is a list of the routers in between.
    """
    descriptor = device.node_desc
    endpoints = [endpoint for number, endpoint in device.endpoints.items() if number]
    return NodeFacts(
        ieee=str(device.ieee),
        nwk=int(device.nwk),
        sleepy=descriptor is not None and not descriptor.is_receiver_on_when_idle,
        mains=descriptor is not None and bool(descriptor.is_mains_powered),
        manufacturer_code=None if device.manufacturer_id is None else int(device.manufacturer_id),
        manufacturer=device.manufacturer,
        model=device.model,
        # zigpy counts a node as initialized before it has asked for its model.
        interviewed=device.is_initialized and device.original_signature is not None,
        servers={each.endpoint_id: tuple(int(cluster) for cluster in each.in_clusters) for each in endpoints},
        clients={
            each.endpoint_id: tuple(int(cluster) for cluster in each.out_clusters) for each in endpoints
        },
        last_heard=heard,
        last_seen_unix=device.last_seen or None,
        lqi=None if device.lqi is None else int(device.lqi),
        hops=None if device.relays is None else len(device.relays) + 1,
    )
