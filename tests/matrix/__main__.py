"""Run one fate again and tell what happened: ``python -m tests.matrix smp-swap/healthy 'kill@8+ cut@5~'``."""

import sys

from tests.matrix.cases import CASES
from tests.matrix.fates import Fate
from tests.matrix.judge import Wrong, judge, said
from tests.matrix.products import run


def main(name: str, fate: str = "") -> int:
    """Tell it; 1 if the run is bad."""
    case = CASES[name]
    found = run(case, Fate.parse(fate))
    out = sys.stdout.write
    for line in found.world.story:
        out(f"{line}\n")
    for record in found.ended.records:
        result = record.result
        assert result is not None
        starts = dict(record.starts)
        out(f"attempt {record.id}: {result.outcome} {result.code} {result.rollback} {starts}\n")
    out(f"{said(found.world, found.ended.settled)}; {found.writes} writes, {found.operations} operations\n")
    try:
        judge(found.world, found.ended, case.ends)
    except Wrong as wrong:
        out(f"{wrong}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
