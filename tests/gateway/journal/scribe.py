"""A process that fills a journal and acknowledges every commit: ``python -m … FOLDER``.

Each acknowledgement is a line in a file that is traced like the journal's own, so the
trace has them in order; it holds a fingerprint of everything that must be found again.
"""

import asyncio
import hashlib
import json
import os
import random
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path

from flashers.api import Component, Digest, Firmware, Role, Seen, Stamp
from gateway.attempt import advance
from gateway.attempt.steps import Finish
from gateway.attempt.telling import done_told, phase_told
from gateway.journal import Database, Journal
from gateway.journal.journal import Told
from gateway.model.outcomes import Outcome, Phase
from gateway.model.records import Observation, Part, Record, Rules, Target

NAME = "journal.sqlite"
ROUNDS = 5
_TABLES = ("meta", "attempts", "deployments", "events", "nodes", "known_goods", "baselines", "traces")
_PAGES_BEFORE_CHECKPOINT = 25
"""So few that the short life of a test sees many checkpoints."""


def fingerprint(connection: sqlite3.Connection) -> str:
    """Of all that the journal holds, whatever pages it lies on."""
    held = [connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in _TABLES]
    held.append(connection.execute("SELECT name, seq FROM sqlite_sequence ORDER BY 1").fetchall())
    return hashlib.sha256(repr(held).encode()).hexdigest()


def record(number: int, node: str = "n1", deployment: str | None = None) -> Record:
    """An attempt that has just been made."""
    target = Target(Digest.sha256(b"new"), Firmware(Digest.sha256(b"new"), "2"), 100, "raw", version="2")
    return Record(number, node, "p", (Part(Component(), target),), Rules(), deployment=deployment)


def stamp() -> Stamp:
    """A clock for journals of which nobody reads the time."""
    return Stamp(1_800_000_000_000, True)


async def main(folder: Path) -> None:
    chance = random.Random(7)
    ack = os.open(folder / f"{NAME}.ack", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    journal = Journal(Database(folder / NAME), "gw", stamp)
    for life in range(2):
        await journal.open()
        await _acknowledge(journal, ack)
        await journal.database.run(
            lambda connection: connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_BEFORE_CHECKPOINT}")
        )
        for number in range(ROUNDS):
            await _round(journal, ack, chance, f"d{life}-{number}")
        await journal.close()
        journal = Journal(Database(folder / NAME), "gw", stamp)


async def _round(journal: Journal, ack: int, chance: random.Random, deployment: str) -> None:
    """One attempt from its making to its end, with everything that is kept on the way."""
    node = f"n{chance.randrange(4)}"
    await journal.save_deployment(
        deployment, "{}", revision=1, is_open=True, told=[Told("deployment.accepted")]
    )
    await _acknowledge(journal, ack)
    made = await journal.create(lambda number: record(number, node, deployment), phase_told)
    await _acknowledge(journal, ack)
    for phase in (Phase.PREPARING, Phase.TRANSFERRING, Phase.PROVING):
        made = replace(made, phase=phase, turns=made.turns + 1, cancel_by="x" * chance.randrange(3000))
        await journal.save(made, [phase_told(made)])
        await _acknowledge(journal, ack)
    await journal.save_seen(node, Observation(Seen(Role.APP)))
    await _acknowledge(journal, ack)
    ended = advance.finish(made, Finish(Outcome.SUCCEEDED), Seen(Role.APP))
    await journal.save(ended, [done_told(ended)], known_good={"app": ended.parts[0].want})
    await _acknowledge(journal, ack)
    await journal.acknowledged([event.id.sequence for event in await journal.unsent(3)])
    await _acknowledge(journal, ack)


async def _acknowledge(journal: Journal, ack: int) -> None:
    print_of = await journal.database.run(fingerprint)
    os.write(ack, json.dumps(print_of).encode())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
