"""Compare versions as numbers, because every tool writes them another way.

imgtool says ``1.2.3+4``, an MCUmgr node ``1.2.3.4``, smpclient ``1.2.3-build4``: all
one version.  A missing build number is zero.
"""

import re

_NUMBER = re.compile(r"\d+")


def version_key(text: str) -> tuple[int, ...] | None:
    """The numbers of a version, without trailing zeros; None where it has none."""
    numbers = [int(part) for part in _NUMBER.findall(text)]
    if not numbers:
        return None
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def same_version(one: str, other: str) -> bool:
    """Whether two texts name one version; texts without numbers are compared as they are."""
    first, second = version_key(one), version_key(other)
    if first is None or second is None:
        return one == other
    return first == second
