"""A virtual Zigbee node: power, starts, and whom in it a frame is for.

What it does follows from its flash: at every start the loader starts what is pending there, and the
application is read out of the active slot.  Time is the event loop's.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum

from flashers.api import Digest, Truth, VirtualSetup
from flashers.sim import Behaviour, PowerCut
from flashers.zigbee_ota.build import IMAGE_TYPE, MANUFACTURER, address_number, file_version
from flashers.zigbee_ota.codec import BadCommand, Request, Status, frame, general, read_answer
from flashers.zigbee_ota.codec.words import (
    BASIC,
    IDENTIFY,
    OTA,
    POLL_CONTROL,
    POWER,
    TEMPERATURE,
    General,
)
from flashers.zigbee_ota.params import OtaParams
from flashers.zigbee_ota.virtual.attributes import table
from flashers.zigbee_ota.virtual.board import Counts, Own
from flashers.zigbee_ota.virtual.client import OtaClient
from flashers.zigbee_ota.virtual.clusters import Clusters, default
from flashers.zigbee_ota.virtual.loader import boot, revert
from flashers.zigbee_ota.virtual.options import BadOption, NodeOptions
from flashers.zigbee_ota.virtual.reporting import Reports
from flashers.zigbee_ota.virtual.sleeping import Sleep
from flashers.zigbee_ota.virtual.store import Contents, Store
from flashers.zigbee_ota.virtual.timers import Timers
from transports.zcl import EndpointDescription, NodeDescription, Zcl, ZigbeeRadio

_TEMPERATURE_SENSOR = 0x0302
_SILENT = {Behaviour.CRASHES, Behaviour.HANGS}
_UNWELL = {Behaviour.UNHEALTHY, Behaviour.CONFIRMS_EARLY}


class Where(StrEnum):
    """What a virtual node is doing."""

    OFF = "off"
    BOOTING = "booting"
    APP = "app"
    HUNG = "hung"
    """It executes, and is not on the network."""
    DEAD = "dead"
    """There is nothing that could be started."""


class VirtualZigbeeNode:
    """Implements :class:`flashers.api.ZigbeeNode`, and is what the network drives."""

    def __init__(self, setup: VirtualSetup) -> None:
        params = setup.params
        if not isinstance(params, OtaParams):
            raise BadOption(f"{type(params).__name__} are no parameters of a Zigbee node")
        self.params = params
        self.options = options = NodeOptions.parse(setup.options)
        if params.reverts and options.layout == "external":
            raise BadOption("a loader that copied over the old image has nothing to take back to")
        self.store = Store(options.page, options.slot_pages, external=options.layout == "external")
        for data in setup.flash.values():
            self._preload(data)
        self.where = Where.OFF
        self.counts = Counts()
        self.name = setup.name
        self.timers = Timers(self._guarded)
        self.own = Own(
            _first(options.manufacturer, params.manufacturer, MANUFACTURER),
            _first(options.image_type, params.image_type, IMAGE_TYPE),
            _first(options.hardware, params.hardware, 1),
            0,
        )
        self.running: Contents | None = None
        self._off_for: float | None = None
        self._tsn = 0
        self._radio: ZigbeeRadio | None = None
        self._live_on("00:12:4b:00:00:00:00:01")
        self._boot(at_once=True)

    def _preload(self, data: bytes) -> None:
        if len(data) > self.store.room:
            raise BadOption(f"{len(data)} bytes do not fit into a slot of {self.store.room}")
        self.store.preload(data)
        if self.store.contents(0) is None:
            raise BadOption("that is no OTA file for a virtual node")

    def _live_on(self, ieee: str) -> None:
        self.own = replace(self.own, ieee=address_number(ieee))
        options, endpoint = self.options, self.params.endpoint or 1
        servers: tuple[int, ...] = (BASIC, IDENTIFY, TEMPERATURE)
        if options.sleepy:
            servers += (POWER, POLL_CONTROL)
        self._description = NodeDescription(
            ieee,
            (EndpointDescription(endpoint, _TEMPERATURE_SENSOR, servers, (OTA,)),),
            manufacturer_code=self.own.manufacturer,
            sleepy=options.sleepy,
            mains=not options.sleepy,
            router=not options.sleepy,
        )
        self.endpoint = endpoint
        self.client = OtaClient(self)
        known = table(self)
        usual = (TEMPERATURE, 0x0000, options.report_every)
        self._reports = Reports(self.store, self.timers, known, self._say, usual, self.counts)
        self._clusters = Clusters(known, self._reports.configure, self._reports.configured)
        self.sleep = Sleep(options, self.timers, self._say, lambda: self.client.attentive)

    # What a test may ask and do

    @property
    def operations(self) -> int:
        """Flash operations since the node was made."""
        return self.store.flash.operations

    def cut_power_at(self, operation: int, *, torn: bool = False, off_for: float | None = 1.0) -> None:
        """Lose power at this flash operation, and come back after ``off_for`` seconds."""
        self._off_for = off_for
        self.store.flash.cut_power_at(operation, torn=torn)

    def truth(self) -> Truth:
        """What is really the case, from the flash itself; a firmware is known by the digest of its file."""
        runs = self.running if self.where in {Where.APP, Where.HUNG} else None
        running: Mapping[int, Digest] = {} if runs is None else {0: Digest.sha256(runs.whole)}
        settings = self.store.settings
        settled = runs is not None and settings.trial is None and not settings.pending
        return Truth(running, settled, self._would_boot(), powered=self.where is not Where.OFF)

    def _would_boot(self) -> bool:
        slots = (self.store.settings.active, self.store.standby if self.store.settings.pending else 0)
        found = (self.store.contents(slot) for slot in slots)
        return any(each is not None and each.app is not None for each in found)

    @property
    def version(self) -> int:
        """CurrentFileVersion, as it tells it."""
        return (self._honest_version() + (self.options.lies or 0)) & 0xFFFFFFFF

    @property
    def true_version(self) -> int:
        """The version in the header of what runs."""
        return 0 if self.running is None else self.running.header.file.version

    def _honest_version(self) -> int:
        runs = self.running
        if runs is None:
            return 0
        if runs.app is not None and runs.app.behaviour is Behaviour.LIES:
            return file_version(runs.app.spoken_version)
        told = self.store.settings.told
        return runs.header.file.version if told is None else told

    def power_off(self) -> None:
        """Cut the power: all but the flash is gone."""
        self._stop()
        self.where = Where.OFF

    def power_on(self) -> None:
        """Give power again."""
        if self.where is Where.OFF:
            self._boot()

    def wake(self) -> None:
        """Somebody presses its button: it asks by itself what there is for it."""
        if self.where is Where.APP:
            self._guarded(self.client.query)

    # Starts

    def start_staged(self) -> None:
        """As in the contract of a board."""
        self.store.save(pending=True)
        self._boot()

    def _boot(self, *, at_once: bool = False) -> None:
        self._stop()
        self.where = Where.BOOTING
        if at_once:  # it has been running for long when its life begins here
            self._guarded(self._start)
        else:
            self.timers.later("boot", self.options.boot_time, self._start)

    def _start(self) -> None:
        self.counts.boots += 1
        self.store.load()
        updated = self.store.settings.pending
        boot(self.store, self.options, tries=self.params.reverts)
        self.counts.updates += updated
        self.running = self.store.contents(self.store.settings.active)
        app = None if self.running is None else self.running.app
        if app is None:
            self.where = Where.DEAD
            return
        if app.behaviour in _SILENT:
            self.where = Where.HUNG
            if self.store.settings.trial is not None:
                self.timers.later("watchdog", self.options.boot_time, self._taken_back)
            return
        if self.store.settings.trial is not None:
            self.store.save(trial=None)
        if updated and self.options.drops_reports:
            self.store.save(reporting=None)
        self.where = Where.APP
        if updated and self.options.mute_after_boot:
            self.timers.later("mute", self.options.mute_after_boot, self._join)
        else:
            self._join()

    def _taken_back(self) -> None:
        revert(self.store)
        self._boot()

    def _join(self) -> None:
        app = None if self.running is None else self.running.app
        if self._radio is None or app is None:
            return
        self._radio.appear()
        self.sleep.begin()
        self.client.started()
        if app.behaviour not in _UNWELL:
            self._reports.begin()

    def _stop(self) -> None:
        self.timers.forget()
        self.running = None
        if self._radio is not None:
            self._radio.vanish()

    def _guarded(self, what: Callable[[], None]) -> None:
        try:
            what()
        except PowerCut:
            self.power_off()
            if self._off_for is not None:
                self.timers.later("power", self._off_for, self.power_on)

    # The network

    def zigbee(self, name: str, ieee: str) -> "VirtualZigbeeNode":
        """As in the contract."""
        self.name = name
        self._live_on(ieee)
        return self

    @property
    def description(self) -> NodeDescription:
        """As in the contract."""
        return self._description

    def attach(self, radio: ZigbeeRadio) -> None:
        """As in the contract."""
        self._radio = self.sleep.radio = radio
        if self.where is Where.APP:
            self._join()

    def received(self, frame: Zcl) -> None:
        """As in the contract."""
        if self.where is Where.APP and frame.endpoint == self.endpoint:
            self._guarded(lambda: self._take(frame))

    def _take(self, frame: Zcl) -> None:
        if frame.general:
            answer = self._clusters.answer(frame)
            if answer is not None:
                self._say(answer)
            elif frame.cluster == OTA and frame.command == General.DEFAULT_RESPONSE:
                self._refused(frame)
            return
        status = self._command(frame)
        if status is not Status.SUCCESS or not frame.no_default:
            self._say(default(frame, status))

    def _command(self, frame: Zcl) -> Status:
        if frame.cluster == OTA:
            try:
                said = read_answer(frame)
            except BadCommand:
                return Status.MALFORMED_COMMAND
            self.client.received(said)
            return Status.SUCCESS
        if frame.cluster == POLL_CONTROL and self.options.sleepy:
            return self.sleep.command(frame)
        if frame.cluster == IDENTIFY and frame.command == 0x00:
            self.counts.identified += 1
            return Status.SUCCESS
        return Status.UNSUPPORTED_COMMAND

    def _refused(self, frame: Zcl) -> None:
        try:
            command, status = general.decode_default(frame.payload)
        except BadCommand:
            return
        self.client.refused(command, status)

    # What the client may do with it: the contract of a board

    def ask(self, request: Request) -> None:
        """As in the contract."""
        self._say(frame(request, endpoint=self.endpoint, tsn=self._number()))

    def complain(self, command: int, status: int) -> None:
        """As in the contract."""
        payload = general.encode_default(command, status)
        self._say(Zcl(OTA, General.DEFAULT_RESPONSE, payload, endpoint=self.endpoint, general=True))

    def attentive(self) -> None:
        """As in the contract."""
        self.sleep.review()

    def _say(self, frame: Zcl) -> None:
        if self._radio is None:
            return
        if frame.tsn is None:
            frame = replace(frame, tsn=self._number(), endpoint=self.endpoint)
        self._radio.send(frame)

    def _number(self) -> int:
        if not self.options.repeats_tsn:
            self._tsn = (self._tsn + 1) % 256
        return self._tsn


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
