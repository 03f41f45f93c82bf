"""The filter language: text to typed values (syntax.py), by a lark grammar. One language for filters and conditions.

Lenient in reading, strict in saying what is wrong: `if (a) and (b)` needs no outer parentheses, the last ";" may be
missing, strings may stand in single quotes, a lone "." line ends the file as in a pasted dialogue. Every refusal names
filter, line, column and the cure. The parser does not recurse, so no nesting can exhaust the stack; what is built is
refused beyond DEPTH_MAX, because what comes later does recurse.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any as Anything
from typing import NoReturn

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args

from pratique.policy.syntax import (
    NUMBER_MAX,
    Action,
    All,
    Any,
    Condition,
    Filter,
    If,
    Not,
    Number,
    ProgramError,
    Rule,
    Step,
    Text,
    Value,
    Where,
    Word,
)

FILTERS_CHARS_MAX = 4_194_304  # some 20,000 filters; a larger file is a mistake, not a policy
DEPTH_MAX = 100  # blocks, parentheses and `else if` inside one another; people stay below 10
NAME_CHARS_MAX = 100  # with its "message filter:" a name fits into a reason of 256 characters

_GRAMMAR = r"""
file: (filter ";"*)*
filter: IDENT ":" statement
statement: IF or_ block [ELSE (block | statement)]
?or_: and_ (_OR and_)*
?and_: unary (_AND unary)*
?unary: rule | "(" or_ ")" | _NOT unary -> not_
rule: IDENT [arguments] [OP value]
arguments: "(" [value ("," value)*] ")"
block: "{" (action ";" | statement | ";")* [action] "}"
action: IDENT arguments
?value: STRING | NUMBER | IDENT

IF.2: /if(?![A-Za-z0-9_-])/i
ELSE.2: /else(?![A-Za-z0-9_-])/i
_NOT.2: /not(?![A-Za-z0-9_-])/i
_AND.2: /and(?![A-Za-z0-9_-])/i
_OR.2: /or(?![A-Za-z0-9_-])/i
OP: "==" | "!=" | "<=" | ">=" | "<" | ">"
IDENT: /[A-Za-z][A-Za-z0-9_-]*/
NUMBER: /[0-9]+[KkMm]?(?![A-Za-z0-9_.\/:-])/
STRING: /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/
COMMENT: /#[^\n]*/ | /\/\*[\s\S]*?\*\//
%ignore COMMENT
%ignore /[ \t\r\n\f]+/
"""

_SCRAPS = re.compile(
    r"""(?P<skip>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*|/\*.*?\*/)"""
    r"""|(?P<end>^\.[ \t]*\r?$)|(?P<name>[A-Za-z][A-Za-z0-9_-]*)[ \t\r\n]*:""",
    re.MULTILINE | re.DOTALL,
)
_ESCAPE = {quote: re.compile(rf"\\([{quote}\\])") for quote in "\"'"}  # any other backslash is kept
_SAYINGS = {
    "SEMICOLON": '";"',
    "COMMA": '","',
    "COLON": '":"',
    "LPAR": '"("',
    "RPAR": '")"',
    "LBRACE": '"{"',
    "RBRACE": '"}"',
    "OP": "a comparison (== != < <= > >=)",
    "STRING": 'a text in "quotes"',
    "NUMBER": "a number",
    "IDENT": "a name",
    "IF": '"if"',
    "ELSE": '"else"',
    "_AND": '"and"',
    "_OR": '"or"',
    "_NOT": '"not"',
    "$END": "the end",
}


def parse_filters(text: str) -> tuple[Filter, ...]:
    """All filters of a file, in order. Raises ProgramError."""
    text = _until_lone_dot(text)
    filters: tuple[Filter, ...] = _parse(text, "file", "")
    seen: dict[str, int] = {}
    for one in filters:
        where = Where(one.name, one.line, one.column)
        if len(one.name) > NAME_CHARS_MAX:
            raise where.error(
                "the filter's name is too long", f"use at most {NAME_CHARS_MAX} letters, digits, '-' and '_'"
            )
        if one.name in seen:
            raise where.error(
                f"a filter named {one.name!r} stands in line {seen[one.name]} already", "give every filter its own name"
            )
        seen[one.name] = one.line
        if one.body.depth > DEPTH_MAX:
            raise where.error(f"nested more than {DEPTH_MAX} deep", "split the filter into several")
    return filters


def parse_condition(text: str, name: str) -> Condition:
    """One condition, as outbreak rules have it; `name` is what an error calls it."""
    condition: Condition = _parse(text, "or_", name)
    if condition.depth > DEPTH_MAX:
        raise ProgramError(name, 1, 1, f"nested more than {DEPTH_MAX} deep", "split the rule into several")
    return condition


def _parse(text: str, start: str, name: str) -> Anything:
    if len(text) > FILTERS_CHARS_MAX:
        raise ProgramError(name, 1, 1, f"more than {FILTERS_CHARS_MAX} characters", "split or shorten the filters")
    try:
        return _parser().parse(text, start=start)
    except UnexpectedInput as wrong:
        _refuse(wrong, text, name)


def _until_lone_dot(text: str) -> str:
    text = text.removeprefix("\ufeff")
    for scrap in _SCRAPS.finditer(text):
        if scrap["end"] is not None:
            return text[: scrap.start()]
    return text


def _name_before(text: str, position: int) -> str:
    """The filter that an error at `position` lies in."""
    last = ""
    for scrap in _SCRAPS.finditer(text, 0, position + 1):
        last = scrap["name"] or last
    return last


def _refuse(wrong: UnexpectedInput, text: str, name: str) -> NoReturn:
    position = wrong.pos_in_stream or 0
    if isinstance(wrong, UnexpectedToken) and wrong.token.type == "$END":
        position = len(text.rstrip())
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    raise ProgramError(name or _name_before(text, position), line, column, *_why(wrong, text, position)) from None


def _why(wrong: UnexpectedInput, text: str, position: int) -> tuple[str, str]:
    if isinstance(wrong, UnexpectedCharacters):
        found = text[position]
        if found in "\"'":
            return "a text begins here and does not end on this line", f"close it with {found}"
        if text.startswith("/*", position):
            return "a comment begins here and does not end", "close it with */"
        if found == "=":
            return "'=' compares nothing", "write == to compare"
        return f"{found!r} has no meaning here", "write texts and addresses in double quotes"
    expected = getattr(wrong, "accepts", None) or getattr(wrong, "expected", None) or ()
    found = repr(str(wrong.token)) if isinstance(wrong, UnexpectedToken) and str(wrong.token) else "the end"
    return f"{found} is not expected here", f"expected {_list(expected)}"


def _list(expected: Iterable[str]) -> str:
    sayings = sorted({_SAYINGS.get(name, f'"{name}"') for name in expected})
    return " or ".join(filter(None, [", ".join(sayings[:-1]), *sayings[-1:]])) or "nothing more"


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", start=["file", "or_"], transformer=_Builder(), maybe_placeholders=True)


def _depth(items: Iterable[Condition | Step]) -> int:
    return 1 + max((item.depth for item in items), default=0)


def _value(found: Value | Token) -> Value:
    if isinstance(found, Token):
        return Word(str(found), found.line or 0, found.column or 0)
    return found


@v_args(inline=True)
class _Builder(Transformer[Token, Anything]):
    """Builds the typed values while the parser reduces, so that nothing recurses."""

    def file(self, *filters: Filter) -> tuple[Filter, ...]:
        return filters

    def filter(self, name: Token, body: If) -> Filter:
        return Filter(str(name), body, name.line or 0, name.column or 0)

    def statement(
        self, keyword: Token, condition: Condition, then: tuple[Step, ...], *tail: Token | If | tuple[Step, ...] | None
    ) -> If:
        last = tail[-1] if tail else None
        otherwise = (last,) if isinstance(last, If) else last if isinstance(last, tuple) else ()
        depth = _depth((condition, *then, *otherwise))
        return If(condition, then, otherwise, keyword.line or 0, keyword.column or 0, depth)

    def or_(self, *items: Condition) -> Any:
        return Any(items, _depth(items))

    def and_(self, *items: Condition) -> All:
        return All(items, _depth(items))

    def not_(self, item: Condition) -> Not:
        return Not(item, item.depth + 1)

    def rule(self, name: Token, args: tuple[Value, ...] | None, op: Token | None, value: Value | Token | None) -> Rule:
        found = None if value is None else _value(value)
        return Rule(name.lower(), args or (), str(op or ""), found, name.line or 0, name.column or 0)

    def arguments(self, *args: Value | Token | None) -> tuple[Value, ...]:
        return tuple(_value(arg) for arg in args if arg is not None)

    def block(self, *steps: Step | None) -> tuple[Step, ...]:
        return tuple(step for step in steps if step is not None)

    def action(self, name: Token, args: tuple[Value, ...]) -> Action:
        return Action(name.lower(), args, name.line or 0, name.column or 0)

    def STRING(self, token: Token) -> Text:
        return Text(_ESCAPE[token[0]].sub(r"\1", token[1:-1]), token.line or 0, token.column or 0)

    def NUMBER(self, token: Token) -> Number:
        factor = {"K": 1024, "M": 1024 * 1024}.get(token[-1].upper(), 1)
        digits = token[:-1] if factor > 1 else token
        # of a thousand digits int() takes quadratic time or refuses; what is beyond NUMBER_MAX the compiler refuses
        number = min(int(digits) * factor, NUMBER_MAX + 1) if len(digits) <= 16 else NUMBER_MAX + 1
        return Number(number, token.line or 0, token.column or 0)
