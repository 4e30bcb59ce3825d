"""One life of a coordinator: from its port being opened until it goes away.

zigpy's application is made anew for each, from the network's database; what it raises as it starts
becomes a sentence that says what is wrong with the coordinator, and what to do.
"""

import asyncio
import logging
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zigpy.exceptions
from zigpy.backups import NetworkBackup

from transports.errors import TenderError
from transports.zigbee import restarts
from transports.zigbee.air import Air
from transports.zigbee.application import CLOSING, Application, application_of
from transports.zigbee.errors import CoordinatorLost, NetworkTrouble
from transports.zigbee.founding import Found, Identity, judge
from transports.zigbee.networks import NetworkSettings
from transports.zigbee.radios import configuration, controller

log = logging.getLogger(__name__)

STARTING = 180.0
"""Seconds for a coordinator to come up; forming a network scans the channels first."""
DATABASE = "zigbee.db"


@dataclass(frozen=True, slots=True)
class Life:
    """A started application, and what is sent through it."""

    app: Application
    air: Air
    found: Found


async def loaded(settings: NetworkSettings, folder: Path) -> Application:
    """An application that knows the network's nodes, its radio not opened.

    Raises:
        BadLink: the radio's library is not installed.
        NetworkTrouble: the database cannot be read, or the settings are not the radio's.
    """
    kind: Any = application_of(controller(settings.radio))
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    database = folder / DATABASE
    opening: asyncio.Task[Application] = asyncio.ensure_future(
        kind.new(configuration(settings, database), start_radio=False)
    )
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        # A database that is half open has nobody who would close it.
        await asyncio.wait({opening})
        if not opening.cancelled() and opening.exception() is None:
            await closed(opening.result())
        raise
    except (sqlite3.Error, OSError, zigpy.exceptions.CorruptDatabase) as error:
        raise NetworkTrouble(
            f"the network's database {database} cannot be read: {error}",
            remedy=f"Move {database} away: the coordinator's network is taken up again, "
            "and nodes are found as they speak.",
        ) from error


async def come_up(app: Application, name: str, settings: NetworkSettings) -> Found:
    """Open the radio, and form or resume the network.

    Raises:
        CoordinatorLost: it is not there, or does not answer.
        NetworkTrouble: it holds another network than ours, or none where we have one.
    """
    starting = asyncio.ensure_future(_started(app, name, settings))
    lost = asyncio.ensure_future(app.lost.wait())
    both: set[asyncio.Future[Any]] = {starting, lost}
    try:
        await asyncio.wait(both, timeout=STARTING, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            raise CoordinatorLost(f"the coordinator at {settings.path} went away, or hung, as it started")
        return starting.result()
    except TenderError:
        raise
    except zigpy.exceptions.CannotWriteNetworkSettings as error:
        raise NetworkTrouble(f"the coordinator cannot be given this network: {error}") from error
    except asyncio.CancelledError:
        if not starting.cancelled():
            raise
        raise CoordinatorLost(f"the coordinator at {settings.path} was closed as it started") from None
    except Exception as error:  # radio libraries raise whatever they like as they start
        raise CoordinatorLost(trouble(error, settings)) from error
    finally:
        for each in both:
            each.cancel()
            each.add_done_callback(_seen)
        await asyncio.wait(both, timeout=CLOSING)


def _seen(future: "asyncio.Future[Any]") -> None:
    """What became of it was said already."""
    if not future.cancelled():
        future.exception()


async def _started(app: Application, name: str, settings: NetworkSettings) -> Found:
    await app.connect()
    try:
        found = judge(name, await _held(app), _ours(app))
        if found is Found.FORM:
            log.info("network=%s is formed", name)
            await app.form_network()
        elif found is Found.ADOPT:
            log.info("network=%s is the one that its coordinator holds", name)
        await app.initialize(auto_form=False)
    except TimeoutError as error:
        raise CoordinatorLost(
            f"the coordinator at {settings.path} stopped answering as it started"
        ) from error
    restarts.watch(app)
    return found


async def restored(settings: NetworkSettings, folder: Path, content: dict[str, Any]) -> None:
    """Write a backup's network onto the coordinator, over whatever it holds.

    Raises:
        CoordinatorLost: it is not there.
        NetworkTrouble: the backup cannot be read, or the coordinator does not take it.
    """
    try:
        backup = NetworkBackup.from_dict(content)
    except (ValueError, KeyError, TypeError) as error:
        raise NetworkTrouble(f"the backup cannot be read: {error!r}") from error
    app = await loaded(settings, folder)
    try:
        async with asyncio.timeout(STARTING):
            await app.connect()
            await app.backups.restore_backup(backup)
    except (
        zigpy.exceptions.CannotWriteNetworkSettings,
        zigpy.exceptions.DestructiveWriteNetworkSettings,
        zigpy.exceptions.FormationFailure,
        ValueError,
    ) as error:
        raise NetworkTrouble(f"the coordinator does not take this backup: {error}") from error
    except Exception as error:
        raise CoordinatorLost(trouble(error, settings)) from error
    finally:
        await closed(app)


async def closed(app: Application) -> None:
    """Close the radio and the database; it is done also where the caller is cancelled meanwhile."""
    closing = asyncio.ensure_future(_close(app))
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:
        await asyncio.wait({closing})
        raise


async def _close(app: Application) -> None:
    try:
        await app.shutdown()
    except Exception as error:  # noqa: BLE001 - a port that cannot be closed is closed by being left
        log.info("closing: %r", error)


def trouble(error: BaseException, settings: NetworkSettings) -> str:
    """One sentence for what a library raised as it opened a coordinator."""
    cause = error.__cause__ if isinstance(error, zigpy.exceptions.TransientConnectionError) else error
    match cause:
        case FileNotFoundError():
            return f"there is no {settings.path}"
        case PermissionError():
            return f"{settings.path} may not be opened, or another program holds it: {cause}"
        case TimeoutError():
            return f"nobody answers at {settings.path}: is it a coordinator of kind {settings.radio.value!r}?"
        case OSError():
            return f"{settings.path}: {cause.strerror or cause}"
        case _:
            return f"{settings.path}: {cause!r}"


async def _held(app: Application) -> Identity | None:
    try:
        await app.load_network_info(load_devices=False)
    except zigpy.exceptions.NetworkNotFormed:
        return None
    return _identity(app.state.network_info, app.state.node_info)


def _ours(app: Application) -> Identity | None:
    backup = app.backups.most_recent_backup()
    return None if backup is None else _identity(backup.network_info, backup.node_info)


def _identity(network: Any, node: Any) -> Identity:
    return Identity(str(network.extended_pan_id).lower(), str(network.network_key.key), str(node.ieee))
