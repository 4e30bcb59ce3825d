"""Options by name for what is made for virtual nodes: an unknown one is an error, not ignored."""

from collections.abc import Collection, Mapping


def checked(options: Mapping[str, str], **known: Collection[str] | None) -> Mapping[str, str]:
    """The same options, if all of them are known.

    Args:
        options: by name.
        known: for each name (with ``_`` for ``-``) the values that it may have; None for any.

    Raises:
        ValueError: a name or a value is not known.
    """
    allowed = {name.replace("_", "-"): values for name, values in known.items()}
    for name, value in options.items():
        if name not in allowed:
            raise ValueError(f"there is no option {name!r}; there are {', '.join(allowed) or 'none'}")
        values = allowed[name]
        if values is not None and value not in values:
            raise ValueError(f"{name} is not {value!r}; it is one of {', '.join(values)}")
    return options


def number(options: Mapping[str, str], name: str) -> int | None:
    """An option as a number; None if it was not given.

    Raises:
        ValueError: it is none.
    """
    if name not in options:
        return None
    try:
        return int(options[name], 0)
    except ValueError:
        raise ValueError(f"{name} is a number, not {options[name]!r}") from None
