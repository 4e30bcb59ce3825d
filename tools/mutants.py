"""Change the code in small wrong ways, and see that a test notices each of them.

    python -m tools.mutants [MODULE…] [--sample N] [--seed S] [--json FILE]

`tools/mutants.toml` says which tests guard which modules, and lists the changes that make
no difference, each with its reason.  The working tree is never touched.  Ends with 1 if
more than one in twenty changes goes unnoticed.
"""

import argparse
import json
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.mutation.trial import Result, Target, TargetBroken, Trial, Verdict, progress, sample

UNNOTICED = (Verdict.SURVIVED, Verdict.NOT_REACHED)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    options = parsed(arguments)
    root: Path = options.root.resolve()
    table = tomllib.loads(options.config.read_text())
    equivalents = frozenset((row["module"], row["change"]) for row in table.get("equivalent", ()))
    with tempfile.TemporaryDirectory() as folder:
        # What does not change is compiled once, and that outside the working tree.
        sys.pycache_prefix, sys.dont_write_bytecode = folder, False
        return tried(options, root, table["target"], equivalents)


def tried(
    options: argparse.Namespace,
    root: Path,
    targets: Sequence[Mapping[str, Any]],
    equivalents: frozenset[tuple[str, str]],
) -> int:
    """Try the targets one after the other; returns the exit code."""
    results: list[Result] = []
    started = time.monotonic()
    for row in targets:
        target = Target(tuple(row["modules"]), tuple(row["tests"]), tuple(row.get("leave_out", ())))
        files = target.files(root)
        if files and not any(is_asked_for(file, root, options.modules) for file in files):
            continue
        trial = Trial(root, target, equivalents, options.workers)
        try:
            trial.prepare()
        except TargetBroken as error:
            print(f"mutants: {error}", file=sys.stderr)
            return 2
        mutants = [mutant for mutant in trial.mutants() if is_asked_for(mutant.file, root, options.modules)]
        mutants = sample(mutants, options.sample, options.seed)
        for count, result in enumerate(trial.judge(mutants), 1):
            results.append(result)
            progress(f"{mutants[0].file.parent.relative_to(root)}: {count} of {len(mutants)}")
    progress("")
    if not results:
        print(f"mutants: no target has {' '.join(options.modules)}", file=sys.stderr)
        return 2
    report(results, root, time.monotonic() - started)
    if options.json:
        options.json.write_text(json.dumps([as_json(result, root) for result in results], indent=1) + "\n")
    counted = sum(result.verdict is not Verdict.EQUIVALENT for result in results)
    unnoticed = sum(result.verdict in UNNOTICED for result in results)
    return int(unnoticed > counted * options.limit / 100)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(prog="mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="only these modules, e.g. gateway/attempt/decide.py")
    parser.add_argument("--sample", type=int, metavar="N", help="try N changes of each target, not all")
    parser.add_argument("--seed", type=int, default=1, help="which sample (default 1)")
    parser.add_argument(
        "--limit", type=float, default=5.0, metavar="PERCENT", help="may go unnoticed (default 5)"
    )
    parser.add_argument("--workers", type=int, default=2, help="changes tried at a time (default 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every verdict to a file")
    parser.add_argument("--config", type=Path, default=here / "mutants.toml", help="the table of targets")
    parser.add_argument("--root", type=Path, default=here.parent, help="the project's folder")
    return parser.parse_args(arguments)


def is_asked_for(file: Path, root: Path, patterns: Sequence[str]) -> bool:
    """Whether a module was named on the command line, or nothing was."""
    name = file.relative_to(root).as_posix()
    return not patterns or any(name == pattern or Path(name).match(pattern) for pattern in patterns)


def report(results: Sequence[Result], root: Path, seconds: float) -> None:
    """Print what went unnoticed, then a table of the modules."""
    for result in results:
        if result.verdict in UNNOTICED:
            change, file = result.mutant.change, result.mutant.file
            before, after = change.text.split("  ->  ", 1)
            print(f"{file.relative_to(root)}:{change.line}: {result.verdict}\n  - {before}\n  + {after}")
    by_module: dict[str, Counter[Verdict]] = {}
    for result in results:
        by_module.setdefault(str(result.mutant.file.relative_to(root)), Counter())[result.verdict] += 1
    width = max(map(len, by_module), default=6)
    print(f"{'module':{width}}  " + "  ".join(str(verdict) for verdict in Verdict))
    for module, counts in by_module.items():
        print(f"{module:{width}}  " + "  ".join(f"{counts[verdict]:{len(verdict)}}" for verdict in Verdict))
    total = sum(by_module.values(), Counter[Verdict]())
    counted = total.total() - total[Verdict.EQUIVALENT]
    unnoticed = sum(total[verdict] for verdict in UNNOTICED)
    share = 100 * unnoticed / counted if counted else 0.0
    print(f"{counted} changes tried in {seconds:.0f} s, {unnoticed} unnoticed ({share:.1f} %)")


def as_json(result: Result, root: Path) -> dict[str, object]:
    """A verdict as plain data."""
    return {
        "module": result.mutant.file.relative_to(root).as_posix(),
        "line": result.mutant.change.line,
        "change": result.mutant.change.text,
        "verdict": result.verdict,
        "by": result.by,
    }


if __name__ == "__main__":
    sys.exit(main())
