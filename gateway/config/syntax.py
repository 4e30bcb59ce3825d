"""What the TOML reader says of a text that is not TOML, apart from where it says it."""

import re

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")


def syntax_error(error: Exception, file: str) -> tuple[str, str]:
    """The complaint, and ``file:line``; of a file that is not even text as well."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply", file
    if isinstance(error, UnicodeDecodeError):
        line = bytes(error.object).count(b"\n", 0, error.start) + 1
        return "not UTF-8 text", f"{file}:{line}"
    found = _PLACE.search(str(error))
    line_text = f"{file}:{found[1]}" if found is not None and found[1] else file
    return f"not TOML: {_PLACE.sub('', str(error))}", line_text
