"""The line that a complaint names is the line where the key stands."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.positions import key_lines, line_of

TEXT = '''\
# a comment with = and [brackets]
name = "a # b"   # [not.a.table]
list = [
    1, # ]
    2,
]
text = """
fake = 1
[fake]
"""
raw = \'\'\'it''s
fake = 2\'\'\'
dotted.key = 1

[table]
"quoted key" = 1
inline = { a = 1, b = [1, 2] }

[table.below]
x = 1

[[array]]
x = 1
[[array]]
y = 2
[array.in]
z = 3
[[array.deep]]
w = 4
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("name",), 2),
        (("list",), 3),
        (("text",), 7),
        (("raw",), 11),
        (("dotted", "key"), 13),
        (("table",), 15),
        (("table", "quoted key"), 16),
        (("table", "inline", "b"), 17),
        (("table", "below", "x"), 20),
        (("array", 0, "x"), 23),
        (("array", 1, "y"), 25),
        (("array", 1, "in", "z"), 27),
        (("array", 1, "deep", 0, "w"), 29),
        (("nowhere",), None),
    ],
)
def test_every_key_is_found_on_its_line(path: tuple[str | int, ...], line: int | None) -> None:
    tomllib.loads(TEXT)
    assert line_of(key_lines(TEXT), path) == line


KEY = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True),
    st.text("ab.#=[]\"' ", min_size=1, max_size=6),
)
VALUE = st.recursive(
    st.one_of(
        st.integers(-9, 9).map(str),
        st.text("ab#=[]{}' \\n", max_size=9).map(lambda text: '"' + text.replace("\\", "\\\\") + '"'),
        st.text('ab#=[]{}" \n', max_size=9).map(lambda text: f"'''{text}'''"),
        st.text("ab#=[]{}' \n", max_size=9).map(lambda text: f'"""{text}"""'),
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: "[ # ]\n" + ",\n".join(items) + "]"),
    max_leaves=4,
)


@given(st.dictionaries(KEY, VALUE, max_size=6))
def test_no_value_makes_a_key_be_sought_on_another_line(table: dict[str, str]) -> None:
    lines = ["# first"]
    expected = {}
    for key, value in table.items():
        expected[(key,)] = sum(text.count("\n") + 1 for text in lines) + 1
        quoted = key.replace('"', "'")
        expected[(quoted,)] = expected.pop((key,))
        lines.append(f'"{quoted}" = {value}')
    if len(expected) < len(table):
        return  # two keys became one
    text = "\n".join(lines)
    tomllib.loads(text)
    assert key_lines(text) == expected
