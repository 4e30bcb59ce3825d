"""One page of every code that Tender can say: what is true, what to do, and where it comes from.

    python -m tools.errors            writes docs/errors.md, and what `tender explain CODE` reads
    python -m tools.errors --check    exits 1 if they are not what the code says

Named errors are found by walking the subclasses of TenderError, everything else (gates,
reasons, findings, ends) by the places that construct one, read off the source: a code
that is said anywhere cannot be missing here.
"""

import ast
import importlib
import inspect
import json
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from transports.errors import TenderError

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "errors.md"
CODES = PROJECT / "gateway" / "support" / "codes.json"
PACKAGES = ("gateway", "flashers", "transports")

CONSTRUCTORS = {
    "flashers.api.data": {"Reason": 0},
    "flashers.api": {"Reason": 0},
    "gateway.model.records": {"Trouble": 0},
    "gateway.config.findings": {"Finding": 0},
    "gateway.support.ground": {"Ailment": 1},
    "gateway.verbs.seeing": {"Concern": 1},
}
"""Values that carry a code, by the module that they are imported from: where in their arguments it stands."""

KINDS = {
    "Reason": "reason",
    "Trouble": "end",
    "Finding": "text",
    "Ailment": "doctor",
    "Concern": "status",
}
KIND_WORDS = {
    "error": "An error: what was asked could not be done.",
    "reason": "A reason to wait or to refuse, shown by `tender explain NODE`.",
    "end": "Why an attempt ended as it did, or turned back.",
    "text": "A finding in a configuration or a profile.",
    "doctor": "A finding of `tender doctor`.",
    "status": "A line of `tender status`.",
}

NOT_ONE_CODE = {
    "Refused": "carries the service's own code",
}
"""Errors that have no code of their own."""

SHARED = {
    "bad-fault": "a fault's text that cannot be read, wherever it is read",
    "bad-init-packet": "the package was not made as loaders want it; said by ours, or by the loader",
    "bad-signature": "the package was not signed by the loader's key, whoever found out",
    "ble-not-heard": "the node is not on the air, seen before or when it is called",
    "disk-full": "no room, whatever it was wanted for",
    "downgrade-refused": "the package is older than the loader's rule allows, whichever protocol it speaks",
    "image-too-large": "more bytes than there is room for, said before or by the loader itself",
    "node-busy": "an attempt or a lease is in the way",
    "node-silent": "the node does not answer, whoever asked",
    "wrong-format": "the file is of another format than its reader's",
    "wrong-softdevice": "the package is for another SoftDevice, whichever protocol the loader speaks",
    "wrong-hardware": "the image is for other hardware",
}
"""Codes that several errors share, and the one meaning that they have."""

SPELLED = {
    "ble-adapter-deaf": (
        "A Bluetooth adapter hears nothing any more.",
        "It is switched off and on by itself, ever more rarely; if that does not help, unplug it.",
    ),
    "link-adapter": ("The adapter of a link is at fault.", "`tender links LINK` tells by which facts."),
    "link-cable": ("The cable of a link is at fault.", "`tender links LINK` tells by which facts."),
    "link-gateway": ("The gateway itself keeps a link from carrying.", "`tender links LINK` tells why."),
    "not-in-a-release": ("What the node runs is in no release here.", "Add its release, or a baseline."),
    "runs-nothing": ("The node answers, and runs no firmware.", "Deploy a release to it."),
    "bug": (
        "A bug in Tender or in a plugin.",
        "Report it with `tender support-bundle`; the log has the details.",
    ),
    "cancelled": ("The attempt was asked to end.", "Whoever asked knows why; deploy again to go on."),
    "config-link-twice": ("Two nodes could not be told apart by their links.", "Give each its own #ADDRESS."),
    "deadline": ("The deployment's deadline passed.", "Deploy again, with a later deadline."),
    "export-failed": (
        "The state was not exported.",
        "By the message; `tender state export` tries it at once.",
    ),
    "no-keys": ("No key is pinned.", "Pin the key of whoever makes the releases under [trust]."),
    "rolled-back": ("Nodes tried a release and run what they ran before.", "Ask the release's owner."),
    "superseded": ("Another image was asked for.", "Nothing: the newer one is under way."),
    "trust": ("Releases are let in that nobody signed, or none at all.", "Pin a key under [trust]."),
    "unsigned-allowed": ("Releases that nobody signed are flashed.", 'Set trust.unsigned = "refuse".'),
    "variable-left-aside": (
        "A variable of the environment looks like ours, and is none.",
        "Correct its name.",
    ),
    "config-unknown-key": ("There is no such key.", "Take one of those that are named."),
    "profile-unknown-key": ("There is no such key.", "Take one of those that are named."),
    "config-missing-key": ("A key is missing.", "Add it."),
    "profile-missing-key": ("A key is missing.", "Add it."),
}
"""What is put together so that it cannot be read off: in words."""

BUILT = {
    "gateway.config.findings": ("config-", "profile-"),
    "gateway.config.sources": ("config-",),
    "gateway.profiles.resolve": ("profile-",),
    "gateway.profiles.read": ("",),
}
"""Modules that put codes together of a prefix and the first word of what their functions return."""

Texts = dict[str, list[tuple[int, str]]]
"""What names are given, with the lines where that is done."""

_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+|paused|draining|wave|exhausted|trust|bug|cancelled|wounded")


@dataclass(slots=True)
class Entry:
    """One code."""

    code: str
    kinds: set[str] = field(default_factory=set)
    says: dict[str, None] = field(default_factory=dict)
    remedies: dict[str, None] = field(default_factory=dict)
    places: set[str] = field(default_factory=set)

    def plain(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "kinds": sorted(self.kinds),
            "says": list(self.says),
            "remedies": list(self.remedies),
            "from": sorted(self.places),
        }


@cache
def errors() -> list[type[TenderError]]:
    """Every named error of the product, by name."""
    for package in PACKAGES:
        for info in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not info.name.endswith("__main__"):
                importlib.import_module(info.name)
    found: set[type[TenderError]] = set()
    left = [TenderError]
    while left:
        for kind in left.pop().__subclasses__():
            if kind.__module__.partition(".")[0] in PACKAGES and kind not in found:
                found.add(kind)
                left.append(kind)
    return sorted(found, key=lambda kind: (kind.__module__, kind.__qualname__))


@dataclass(frozen=True, slots=True)
class Said:
    """A place that constructs a value with a code; ``codes`` is empty where it comes from another value."""

    module: str
    line: int
    kind: str
    codes: tuple[str, ...]
    says: str
    remedy: str
    source: str


def said() -> Iterator[Said]:
    """Every such place in the source."""
    for package in PACKAGES:
        for file in sorted((PROJECT / package).rglob("*.py")):
            module = ".".join(file.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
            yield from _said_in(module, ast.parse(file.read_text(), str(file)))


def _said_in(module: str, tree: ast.Module) -> Iterator[Said]:
    constants = _strings_by_name(tree)
    names = {
        alias.asname or alias.name: (alias.name, CONSTRUCTORS[node.module][alias.name])
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in CONSTRUCTORS
        for alias in node.names
        if alias.name in CONSTRUCTORS[node.module]
    }
    names |= {name: (name, position) for name, position in CONSTRUCTORS.get(module, {}).items()}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            continue
        local = {**constants, **_strings_by_name(function)}
        for call in _calls(function):
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            if name in names and (found := _argument(call, names[name][1], "code")) is not None:
                yield _place(module, call, names[name], found, local)


def _place(module: str, call: ast.Call, what: tuple[str, int], code: ast.expr, local: Texts) -> Said:
    name, position = what
    # A finding has where and key between its code and what it says.
    offset = 3 if name == "Finding" else 1
    says = _argument(call, position + offset, "message")
    remedy = _argument(call, position + offset + 1, "remedy")
    return Said(
        module,
        call.lineno,
        KINDS[name],
        _codes(module, code, local),
        _text(says, local, call.lineno),
        _text(remedy, local, call.lineno),
        ast.unparse(code),
    )


def _codes(module: str, code: ast.expr, local: Texts) -> tuple[str, ...]:
    match code:
        case ast.Constant(value=str() as text):
            return (text,)
        case ast.IfExp(body=one, orelse=other):
            return (*_codes(module, one, local), *_codes(module, other, local))
        case ast.Name(id=name) if name in local:
            return tuple(sorted({text for _, text in local[name] if _CODE.fullmatch(text)}))
        case _:
            return ()


def built() -> Iterator[Said]:
    """Codes that are put together: the first words of the tuples that a module's functions return."""
    for module, prefixes in BUILT.items():
        tree = ast.parse((PROJECT / f"{module.replace('.', '/')}.py").read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Return | ast.Assign):
                value = node.value
                if isinstance(value, ast.Tuple) and len(value.elts) == 3:
                    first, says, remedy = value.elts
                    if isinstance(first, ast.Constant) and not _text(says, {}):
                        continue
                    for word in _words(first, tree):
                        for prefix in prefixes:
                            yield Said(
                                module,
                                node.lineno,
                                "text",
                                (prefix + word,),
                                _text(says, {}),
                                _text(remedy, {}),
                                "",
                            )


def _words(first: ast.expr, tree: ast.Module) -> list[str]:
    match first:
        case ast.Constant(value=str() as text):
            return [text]
        case ast.Name(id=name):
            return sorted({text for _, text in _strings_by_name(tree).get(name, ()) if "-" in text})
        case _:
            return []


def _calls(function: ast.AST) -> Iterator[ast.Call]:
    """The calls of a function itself; those of functions within it are theirs."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from _calls(child)


def _strings_by_name(tree: ast.AST) -> Texts:
    """Every text that a name is given here, with its line."""
    found: Texts = {}
    for node in ast.walk(tree):
        pairs: list[tuple[ast.expr, ast.expr]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            pairs = [(node.target, node.value)]
        for target, value in pairs:
            for name, given in _pairs(target, value):
                found.setdefault(name, []).extend((given.lineno, text) for text in _constants(given))
    return found


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    match target, value:
        case ast.Name(id=name), _:
            yield name, value
        case ast.Tuple(elts=names), ast.Tuple(elts=values):
            for one, other in zip(names, values, strict=False):
                yield from _pairs(one, other)
        case _:
            pass


def _constants(value: ast.expr) -> Iterator[str]:
    match value:
        case ast.Constant(value=str() as text):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from _constants(one)
            yield from _constants(other)
        case ast.JoinedStr():
            yield _text(value, {})
        case ast.BinOp(left=left, op=ast.Add()):
            yield from _constants(left)
        case _:
            pass


def _argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position < len(call.args) and not any(
        isinstance(each, ast.Starred) for each in call.args[: position + 1]
    ):
        return call.args[position]
    return None


def _text(value: ast.expr | None, local: Texts, line: int = 1 << 30) -> str:
    """What it says; what is only known when it is said is an ellipsis."""
    match value:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
        case ast.IfExp(body=one, orelse=other):
            return _text(one, local, line) or _text(other, local, line)
        case ast.BinOp(left=left, op=ast.Add()):
            return _text(left, local, line)
        case ast.Name(id=name):
            before = [text for at, text in local.get(name, ()) if at <= line and " " in text]
            return before[-1] if before else ""
        case _:
            return ""


@cache
def entries() -> dict[str, Entry]:
    """Every code, with all that is known of it."""
    found: dict[str, Entry] = {}
    for kind in errors():
        if kind.__name__ in NOT_ONE_CODE:
            continue
        entry = found.setdefault(kind.code, Entry(kind.code))
        entry.kinds.add("error")
        entry.says[_first_sentence(kind)] = None
        entry.remedies[kind.remedy] = None
        entry.places.add(f"{kind.__module__}.{kind.__qualname__}")
    for each in (*said(), *built()):
        for code in filter(None, each.codes):
            entry = found.setdefault(code, Entry(code))
            entry.kinds.add(each.kind)
            entry.places.add(each.module)
            if each.says.strip("… ."):
                entry.says[_one_line(each.says)] = None
            if each.remedy.strip("… ."):
                entry.remedies[_one_line(each.remedy)] = None
    for code, (says, remedy) in SPELLED.items():
        if code in found:
            found[code].says.setdefault(says)
            found[code].remedies.setdefault(remedy)
    return dict(sorted(found.items()))


def _first_sentence(kind: type[TenderError]) -> str:
    return _one_line((inspect.getdoc(kind) or "").partition("\n\n")[0])


def _one_line(text: str) -> str:
    return " ".join(text.split())


def page(found: dict[str, Entry]) -> str:
    """The page."""
    lines = [
        "# Every code that Tender says",
        "",
        "A code is for searching and for programs; it keeps its meaning.  With it come what is so and what",
        "may be done next.  `tender explain CODE` shows one of these on the gateway.  An ellipsis stands for",
        "what is known only when it is said.  This page is made from the code by `make docs`.",
        "",
    ]
    for entry in found.values():
        lines += [f"## `{entry.code}`", ""]
        lines += [f"{KIND_WORDS[kind]}  " for kind in sorted(entry.kinds)]
        lines += ["", *(f"- {_shown(text)}" for text in entry.says)]
        lines += [f"- **What to do:** {_shown(text)}" for text in entry.remedies]
        lines += [f"- From {', '.join(f'`{place}`' for place in sorted(entry.places))}", ""]
    return "\n".join(lines)


def _shown(text: str) -> str:
    return text.replace("<", "&lt;").replace("``", "`")


def codes(found: dict[str, Entry]) -> str:
    """What `tender explain CODE` reads."""
    return (
        json.dumps({code: entry.plain() for code, entry in found.items()}, indent=1, ensure_ascii=False)
        + "\n"
    )


def main(arguments: list[str]) -> int:
    """Write both, or compare."""
    found = entries()
    stale = False
    for file, text in ((PAGE, page(found)), (CODES, codes(found))):
        if "--check" in arguments:
            stale |= not file.exists() or file.read_text() != text
        else:
            file.write_text(text)
    if stale:
        print("docs/errors.md is not what the code says: run `make docs`", file=sys.stderr)
    return int(stale)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
