"""How attempts end: what the owner of a node has to expect.

Both tables are checked against the walk in both directions: nothing else may happen, and
all of this does.  Where it says ``-`` the image is not walked: on such a node it comes to
the same as another one in the table.
"""

from gateway.model.outcomes import Outcome

UNDISTURBED = """
                                      healthy     unhealthy   fades       stops       crashes
swap                                  succeeded   rolled-back -           wounded     rolled-back
swap, restartable                     succeeded   rolled-back -           rolled-back -
swap, boot proved by version          succeeded   -           -           -           -
swap, late soak                       succeeded   -           rolled-back wounded     -
swap that forgets                     -           -           wounded     -           -
swap that forgets, known-good         -           -           rolled-back -           -
overwrite                             succeeded   rolled-back -           wounded     wounded
overwrite, no way back                succeeded   wounded     -           wounded     wounded
slot switch                           succeeded   rolled-back -           wounded     wounded
direct-xip, no way back               succeeded   wounded     -           wounded     wounded
direct-xip with revert                succeeded   rolled-back -           wounded     failed
one slot                              succeeded   rolled-back -           rolled-back rolled-back
one slot, restored                    succeeded   rolled-back -           -           rolled-back
one slot, no way back                 succeeded   wounded     -           wounded     wounded
one slot, no boot proof               flashed     -           -           -           -
one slot, no boot proof, no way back  flashed     -           -           -           -
one slot, named by version            succeeded   -           -           -           rolled-back
serial recovery                       succeeded   rolled-back -           wounded     wounded
serial recovery by pin                succeeded   rolled-back -           rolled-back rolled-back
serial recovery, no way back          succeeded   wounded     -           wounded     wounded
pulled                                succeeded   rolled-back -           wounded     rolled-back
pulled, reverts unsaid                succeeded   rolled-back -           wounded     failed
pulled, no way back                   succeeded   wounded     -           wounded     rolled-back
two components                        succeeded   rolled-back -           -           rolled-back

                                      hangs       rejected    early       lies        poses       mute
swap                                  wounded     failed      rolled-back rolled-back rolled-back rolled-back
swap, restartable                     rolled-back -           rolled-back -           -           -
swap, boot proved by version          -           -           -           rolled-back -           -
swap, late soak                       -           -           -           -           -           -
swap that forgets                     -           -           -           -           -           -
swap that forgets, known-good         -           -           -           -           -           -
overwrite                             -           failed      -           failed      changed     flashed
overwrite, no way back                -           failed      -           failed      changed     flashed
slot switch                           -           failed      -           failed      changed     flashed
direct-xip, no way back               -           failed      -           failed      changed     flashed
direct-xip with revert                wounded     failed      wounded     rolled-back rolled-back rolled-back
one slot                              -           rolled-back -           -           -           rolled-back
one slot, restored                    -           -           -           -           -           -
one slot, no way back                 -           wounded     -           -           -           wounded
one slot, no boot proof               -           flashed     -           -           -           -
one slot, no boot proof, no way back  -           wounded     -           -           -           -
one slot, named by version            -           -           -           failed      -           -
serial recovery                       -           rolled-back -           rolled-back changed     rolled-back
serial recovery by pin                -           rolled-back -           rolled-back changed     rolled-back
serial recovery, no way back          -           wounded     -           wounded     changed     wounded
pulled                                -           rolled-back -           rolled-back changed     flashed
pulled, reverts unsaid                -           failed      -           failed      changed     flashed
pulled, no way back                   -           rolled-back -           rolled-back changed     flashed
two components                        -           rolled-back rolled-back -           -           -
"""
"""What becomes of each kind of image if nothing else goes wrong (``changed`` is changed-by-others)."""

AFTER_FAULTS = """
                                      none     one        two             three
swap                                  succ     succ       back|succ       back|fail|succ
swap, restartable                     succ     succ       back|succ       back|fail|succ
swap, boot proved by version          succ     succ       back|succ       back|fail|succ
swap, late soak                       succ     succ       back|succ       back|fail|succ
swap that forgets                     succ     succ       back|succ       back|fail|succ|wound
swap that forgets, known-good         succ     succ       back|succ       back|fail|succ
overwrite                             succ     succ       fail|succ       back|fail|succ
overwrite, no way back                succ     succ       fail|succ       fail|succ|wound
slot switch                           succ     succ       fail|succ       back|fail|succ
direct-xip, no way back               succ     succ       succ            fail|succ|wound
direct-xip with revert                succ     fail|succ  back|fail|succ  back|fail|succ
one slot                              succ     succ       succ            back|fail|succ
one slot, restored                    succ     succ       succ            back|fail|succ
one slot, no way back                 succ     succ       succ            fail|succ|wound
one slot, no boot proof               flashed  flashed    flashed         fail|flashed|refused
one slot, no boot proof, no way back  flashed  flashed    flashed         fail|flashed|refused|wound
one slot, named by version            succ     succ       succ            back|fail|succ
serial recovery                       succ     succ       back|succ       back|fail|succ
serial recovery by pin                succ     succ       back|succ       back|fail|succ
serial recovery, no way back          succ     succ       succ|wound      fail|succ|wound
pulled                                succ     succ       fail|succ       back|fail|succ
pulled, reverts unsaid                succ     succ       fail|succ       back|fail|succ
pulled, no way back                   succ     succ       fail|succ       fail|succ|wound
two components                        succ     succ       back|succ       back|fail|succ
"""
"""What becomes of a healthy image when so many faults pass over its attempt.

The faults are the gateway killed, the node's power cut, the link lost for a moment, a
plugin that raises.  After one the target is reached all the same; two can lose both
starts that a target has, three all starts of any step, and then the attempt ends (``back``
is rolled-back).  One kind of node differs: its loader erases what it takes back, so that a
target whose power failed before it was seen running looks like one that was rejected.
"""

_SHORT = {
    "succ": Outcome.SUCCEEDED,
    "back": Outcome.ROLLED_BACK,
    "fail": Outcome.FAILED,
    "wound": Outcome.WOUNDED,
    "changed": Outcome.CHANGED_BY_OTHERS,
}


def cells(table: str) -> dict[tuple[str, str], set[Outcome]]:
    """A table's cells by row and column; the columns stand under their heads."""
    found = {}
    for block in table.strip("\n").split("\n\n"):
        head, *rows = block.splitlines()
        columns = [(head.index(f" {name}") + 1, name) for name in head.split()]
        ends = [start for start, _ in columns[1:]] + [None]
        for row in rows:
            for (start, name), end in zip(columns, ends, strict=True):
                words = row[start:end].strip()
                if words != "-":
                    found[row[: columns[0][0]].strip(), name] = {_outcome(word) for word in words.split("|")}
    return found


def _outcome(word: str) -> Outcome:
    return _SHORT.get(word) or Outcome(word)
