"""``make bench``: a table for people, and the same as JSON in ``bench/out/bench.json``."""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import Row

_PARTS = ("smp", "ble", "zigbee", "stk500", "service", "extras", "fifty")
_OUT = Path(__file__).parent / "out" / "bench.json"


def main() -> int:
    """Measure what is asked for; exits 0 whatever the figures are."""
    parser = argparse.ArgumentParser(prog="bench", description="our speed beside that of other tools")
    parser.add_argument("parts", nargs="*", choices=[*_PARTS, []], help="only these")
    parser.add_argument("--runs", type=int, default=5, help="interleaved runs of each contender")
    parser.add_argument("--peers", type=Path, default=Path(".peers"), help="the peers' environment")
    arguments = parser.parse_args()
    parts = arguments.parts or list(_PARTS)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="tender-bench-") as name:
        folder = Path(name)
        for part in parts:
            print(f"measuring {part} …", file=sys.stderr)
            rows += _measure(part, folder, arguments.runs, arguments.peers)
    _show(rows)
    _OUT.parent.mkdir(exist_ok=True)
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "at": datetime.now(UTC).isoformat()}
    _OUT.write_text(json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=2) + "\n")
    return 0


def _measure(part: str, folder: Path, runs: int, peers: Path) -> list[Row]:
    # Each part has peers of its own, which may not be there: import late.
    if part == "smp":
        from bench import smp

        return smp.measure(folder, runs=runs, peers=peers)
    if part == "ble":
        from bench import ble

        return ble.measure(peers)
    if part == "zigbee":
        from bench import zigbee

        return zigbee.measure(folder / "zigbee", runs=runs)
    if part == "stk500":
        from bench import stk500

        return stk500.measure(folder, runs=runs)
    if part == "extras":
        from bench import extras

        return extras.measure_extras(folder / "extras")
    if part == "fifty":
        from bench import extras

        return extras.measure_fifty(folder / "fifty")
    from bench import service

    return service.measure(folder)


def _show(rows: list[Row]) -> None:
    table = Table(box=None, padding=(0, 1), header_style="bold")
    for header in ("measured", "figure", "goal", ""):
        table.add_column(header)
    for row in rows:
        mark = {True: "[green]held[/]", False: "[red]missed[/]", None: ""}[row.held]
        table.add_row(row.what, row.figure, row.goal, mark)
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table)


if __name__ == "__main__":
    raise SystemExit(main())
