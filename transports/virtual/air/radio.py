"""A controller on the virtual air, with the faults of bumble's mended.

Known faults of bumble 0.0.236's controller, and what is done about each:

- it claims LL Privacy and extended advertising, and answers only the way of old: Linux then
  never ends a connection.  Both feature bits are masked.
- packets of 27 bytes: raised to 251.
- cancelling a connection under way does nothing: it ends the attempt here.
- a reset does nothing: here the radio forgets its connections, what it was hearing and calling.
- every report has the same signal strength: here it has the one of the pair.
"""

import asyncio
from typing import Any, Protocol, runtime_checkable

from bumble import hci, ll
from bumble.controller import Controller

_OCTETS = 251
_TIME_US = 2120
"""What a packet of 251 bytes takes on the 1M PHY (Core Specification, Vol 6, Part B, 4.5.10)."""
_BUFFERS = 64


@runtime_checkable
class Leaving(Protocol):
    """An air that can be left without a goodbye."""

    def forsake(self, controller: Controller) -> None:
        """The radio forgot its connections."""
        ...


class RadioController(Controller):
    """bumble's controller, as a real one behaves."""

    le_features = Controller.le_features & ~(
        hci.LeFeatureMask.LL_PRIVACY
        | hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
        | hci.LeFeatureMask.LE_PERIODIC_ADVERTISING
    )
    le_acl_data_packet_length = _OCTETS
    acl_data_packet_length = _OCTETS
    total_num_le_acl_data_packets = _BUFFERS
    supported_max_tx_octets = _OCTETS
    supported_max_rx_octets = _OCTETS
    supported_max_tx_time = _TIME_US
    supported_max_rx_time = _TIME_US
    suggested_max_tx_octets = _OCTETS
    suggested_max_tx_time = _TIME_US

    station: object
    """Where it is: a node's radio has a controller for each of its roles, all in the same place."""
    _hears_at = -50
    hung = False
    """Whether the adapter has hung: it takes commands and answers none."""

    def __init__(
        self, name: str, *, link: Any, public_address: str | None = None, station: object = None
    ) -> None:
        super().__init__(name, link=link, public_address=public_address)
        self.station = station if station is not None else self

    def hear(self, packet: ll.AdvertisingPdu, rssi: int) -> None:
        """A packet on an advertising channel arrived with this strength."""
        self._hears_at = rssi
        self.on_ll_advertising_pdu(packet)

    def forget(self) -> None:
        """Be as after a reset; the other ends of connections are told nothing."""
        if isinstance(self.link, Leaving):
            self.link.forsake(self)
        self.le_connections.clear()
        self.pending_le_connection = None
        self.le_scan_enable = False
        self.le_legacy_advertiser.stop()

    def on_packet(self, packet: bytes) -> None:
        """From the host."""
        if not self.hung:
            super().on_packet(packet)

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """To the host; a report says how strong the packet was."""
        if self.hung:
            return
        if isinstance(packet, hci.HCI_LE_Advertising_Report_Event):
            for report in packet.reports:
                report.rssi = self._hears_at
            packet = hci.HCI_LE_Advertising_Report_Event(packet.reports)
        super().send_hci_packet(packet)

    def on_hci_reset_command(self, _command: hci.HCI_Reset_Command) -> hci.HCI_StatusReturnParameters:
        """Forget everything that goes on."""
        self.forget()
        return super().on_hci_reset_command(_command)

    def on_hci_le_create_connection_cancel_command(self, command: hci.HCI_Command) -> Any:
        """End the attempt, and say that it ended."""
        del command
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        # The command's own answer comes first (Core Specification, Vol 4, Part E, 7.8.13).
        asyncio.get_running_loop().call_soon(self._attempt_ended, pending.peer_address)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def _attempt_ended(self, peer: hci.Address) -> None:
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=peer.address_type,
                peer_address=peer,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )
