"""The small wrong changes: what a hurried hand, or a misread document, would do to the code.

A change is a node of the syntax tree and what takes its place.  Nothing is changed whose
change says nothing: annotations, docstrings, decorators, log lines, the texts of errors.
"""

import ast
import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Path = tuple[tuple[str, int | None], ...]
"""From a module to a node: fields, with the index where a field is a list."""

Members = Mapping[str, tuple[str, ...]]
"""The enums that a module can name, each with its members in order."""

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}

ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}

SAYS_NOTHING = {"annotation", "returns", "decorator_list", "type_params", "type_comment"}
LOGGERS = {"log", "logger", "_log", "_logger", "logging"}
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]*")
"""A string that a program compares or sends; a sentence is for people."""


@dataclass(frozen=True, slots=True)
class Change:
    """One node of a module, and what takes its place."""

    module: ast.Module
    path: Path
    statement: Path
    """The way to the statement (or the ``case``) that holds the node, or is it."""
    after: ast.AST
    lines: range
    """Where that statement is; a test that reaches none of these lines cannot notice."""

    @property
    def line(self) -> int:
        """Where it is."""
        return int(getattr(at(self.module, self.path), "lineno", self.lines.start))

    @property
    def text(self) -> str:
        """What was and what is, for people and for the list of equivalents."""
        return f"{head(at(self.module, self.statement))}  ->  {head(at(self.applied(), self.statement))}"

    def applied(self) -> ast.Module:
        """A copy of the module with this change in it."""
        changed = copy.deepcopy(self.module)
        *way, (field, index) = self.path
        parent = at(changed, tuple(way))
        if index is None:
            setattr(parent, field, self.after)
        else:
            getattr(parent, field)[index] = self.after
        return ast.fix_missing_locations(changed)


def at(node: ast.AST, path: Path) -> ast.AST:
    """The node at the end of a path."""
    for field, index in path:
        value = getattr(node, field)
        node = value if index is None else value[index]
    return node


def head(node: ast.AST) -> str:
    """A statement's source on one line, without the statements inside it."""
    if getattr(node, "body", None) or isinstance(node, ast.Match):
        node = copy.copy(node)
        for field in ("body", "orelse", "finalbody", "handlers", "cases", "decorator_list"):
            if isinstance(getattr(node, field, None), list):
                setattr(node, field, [])
    return re.sub(r"\s+", " ", ast.unparse(node)).strip()


def changes(module: ast.Module, members: Members) -> Iterator[Change]:
    """Every change of a module, in the order of its text."""
    seen: set[tuple[Path, str]] = set()
    for path, statement, node, lines in walk(module, (), (), range(1, 2)):
        for after in replacements(node, members):
            key = path, ast.unparse(ast.fix_missing_locations(after))
            if key not in seen:
                seen.add(key)
                yield Change(module, path, statement, after, lines)


def walk(
    node: ast.AST, path: Path, statement: Path, lines: range
) -> Iterator[tuple[Path, Path, ast.AST, range]]:
    """Each node below that is worth a change, with its statement and the lines of that."""
    for field, value in ast.iter_fields(node):
        if field in SAYS_NOTHING:
            continue
        children = value if isinstance(value, list) else [value]
        for index, child in enumerate(children):
            if not isinstance(child, ast.AST) or says_nothing(child, node):
                continue
            below = (*path, (field, index if isinstance(value, list) else None))
            holder = below if isinstance(child, ast.stmt | ast.match_case) else statement
            own = lines_of(child, lines)
            yield below, holder, child, own
            yield from walk(child, below, holder, own)


def lines_of(node: ast.AST, outer: range) -> range:
    """The lines of a statement: for one with a body only those before the body."""
    if not isinstance(node, ast.stmt | ast.match_case):
        return outer
    first = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
    body: list[ast.stmt] = getattr(node, "body", [])
    if isinstance(node, ast.Match):
        return range(first, node.cases[0].pattern.lineno)
    if body:
        return range(first, max(first + 1, body[0].lineno))
    return range(first, (getattr(node, "end_lineno", None) or first) + 1)


def says_nothing(node: ast.AST, parent: ast.AST) -> bool:
    """Whether a change in here would be none, or would be a matter of words only."""
    match node:
        case (
            ast.Expr(value=ast.Constant()) | ast.JoinedStr() | ast.Import() | ast.ImportFrom() | ast.Assert()
        ):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))) if name in LOGGERS:
            return True
        case ast.Expr(value=ast.Call(func=ast.Name(id="assert_never"))):
            return True
        case ast.Assign(targets=[ast.Name(id=name)]) if name.startswith("__") or is_type(node.value):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Constant(value=str()) if isinstance(parent, ast.FormattedValue):
            return True
        case _:
            return False


def is_type(node: ast.AST) -> bool:
    """Whether an expression at the right of ``=`` is a type: ``Step = Probe | Finish``."""
    match node:
        case ast.BinOp(op=ast.BitOr()):
            return is_type(node.left) and is_type(node.right)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name[:1].isupper() and not name.isupper()
        case ast.Constant(value=None) | ast.Subscript():
            return True
        case _:
            return False


def replacements(node: ast.AST, members: Members) -> Iterator[ast.AST]:
    """What may wrongly stand in a node's place."""
    match node:
        case ast.Compare():
            yield from comparisons(node)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.BinOp() if not is_type(node):
            yield ast.BinOp(node.left, ARITHMETIC.get(type(node.op), ast.Add)(), node.right)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
            yield node.operand
        case ast.Constant():
            yield from constants(node)
        case ast.Attribute(value=ast.Name(id=enum), attr=member) if member in members.get(enum, ()):
            names = members[enum]
            if len(names) > 1:
                other = names[(names.index(member) + 1) % len(names)]
                yield ast.Attribute(node.value, other, ast.Load())
        case ast.stmt() | ast.match_case():
            yield from statements(node)
        case _:
            pass
    if isinstance(node, ast.IfExp):
        yield ast.IfExp(negated(node.test), node.body, node.orelse)
    if isinstance(node, ast.comprehension) and node.ifs:
        ifs = [negated(node.ifs[0]), *node.ifs[1:]]
        yield ast.comprehension(node.target, node.iter, ifs, node.is_async)


def comparisons(node: ast.Compare) -> Iterator[ast.AST]:
    """The boundary moved by one, or the answer turned round."""
    for index, operator in enumerate(node.ops):
        ops = list(node.ops)
        ops[index] = COMPARISONS[type(operator)]()
        yield ast.Compare(node.left, ops, node.comparators)


def constants(node: ast.Constant) -> Iterator[ast.AST]:
    """A neighbouring value."""
    match node.value:
        case bool():
            yield ast.Constant(not node.value)
        case int() | float():
            yield ast.Constant(node.value + 1)
        case bytes():
            yield ast.Constant(node.value + b"\x00")
        case str() if WORD.fullmatch(node.value):
            yield ast.Constant(f"{node.value}-x")
        case _:
            pass


def statements(node: ast.stmt | ast.match_case) -> Iterator[ast.AST]:
    """A condition turned round, a step forgotten, a way out taken differently."""
    match node:
        case ast.If():
            yield ast.If(negated(node.test), node.body, node.orelse)
        case ast.While():
            yield ast.While(negated(node.test), node.body, node.orelse)
        case ast.Return(value=value) if value is not None and not is_none(value):
            yield ast.Return(ast.Constant(None))
        case ast.AugAssign():
            yield ast.Pass()
            yield ast.AugAssign(node.target, ARITHMETIC.get(type(node.op), ast.Add)(), node.value)
        case ast.Expr() | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case ast.match_case(guard=guard) if guard is not None:
            yield ast.match_case(node.pattern, negated(guard), node.body)
        case ast.match_case():
            if not cannot_happen(node):
                yield ast.match_case(node.pattern, ast.Constant(False), node.body)
        case _:
            pass


def cannot_happen(case: ast.match_case) -> bool:
    """Whether a case only says that it is never reached."""
    return "assert_never" in ast.unparse(case.body[0])


def negated(test: ast.expr) -> ast.expr:
    """The opposite condition."""
    return (
        test.operand
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        else ast.UnaryOp(ast.Not(), test)
    )


def is_none(node: ast.expr) -> bool:
    """Whether it is the constant None."""
    return isinstance(node, ast.Constant) and node.value is None
