"""The parts by name, and the one notation that joins them: "mask(0.3) + relu() + l1(0.001)".

Reads  names, literals, fractions (1/32), nested terms and `+`. Nothing is evaluated.
Gives  small frozen dataclasses, and their canonical spelling back (`spell`).
Skips  meaning: whether terms fit together is decided in `objective`, and torch is not imported here.

In the spelling the first field is always written, further ones only where they differ from their default.
A dataclass whose first field is a tuple takes any number of positional arguments: mlp(512, 256).
"""

from __future__ import annotations

import ast
import dataclasses
import math
import types
import typing
import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .errors import SentenceError, did_you_mean

PARTS: dict[str, dict[str, type]] = {}
MAX_TEXT = 4000
MAX_NUMBER = 2**53  # beyond it whole numbers and floats part

T = TypeVar("T", bound=type)


def part(slot: str, name: str = "") -> Callable[[T], T]:
    """Register a frozen dataclass under its slot; its name is the class name in snake case."""

    def register(cls: T) -> T:
        named: Any = cls
        named.slot = slot
        named.name = name or _snake(cls.__name__)
        PARTS.setdefault(slot, {})[named.name] = cls
        return cls

    return register


def names(*slots: str) -> list[str]:
    """The known names of the slots (all slots of the notation when none is given), sorted."""
    return sorted({name for slot in (slots or _terms_slots()) for name in PARTS.get(slot, {})})


def find(name: str, *slots: str) -> Any:
    """The class registered as `name` in one of the slots.

    errors  SentenceError with the closest known name
    """
    for slot in slots or _terms_slots():
        if name in PARTS.get(slot, {}):
            return PARTS[slot][name]
    kind = slots[0] if len(slots) == 1 else "term"
    known = names(*slots)
    raise SentenceError(f"no {kind} is called {quoted(name)}{did_you_mean(name, known)}", f"known: {', '.join(known)}")


def read(text: str, *slots: str) -> list[Any]:
    """Turn "mask(0.3) + l1(0.001)" into its parts, in the order written.

    errors  SentenceError: not in the notation, an unknown name, a wrong argument
    """
    try:
        return [_build(node, text, slots) for node in _terms(_parse(text), text)]
    except RecursionError:
        raise SentenceError(f"{quoted(text)} is nested too deeply", "terms hold terms at most once or twice") from None


def split(text: str) -> list[tuple[str, str]]:
    """(name, text) of each term of a sentence in the order written, whether the name is known or not.

    errors  SentenceError: not in the notation
    """
    found = []
    for node in _terms(_parse(text), text):
        called = node.func if isinstance(node, ast.Call) else node
        if not isinstance(called, ast.Name):
            raise SentenceError(f"{quoted(ast.unparse(node))} in {quoted(text)} is not a term", "write name(...)")
        found.append((called.id, ast.unparse(node)))
    return found


def spell(parts: Iterable[Any]) -> str:
    """The canonical text of parts; `read` of it gives equal parts."""
    return " + ".join(_spell_one(one) for one in parts)


def quoted(text: object) -> str:
    """A text as an error message shows it: in quotes, the middle of a long one left out."""
    written = repr(text)
    return written if len(written) <= 240 else f"{written[:160]} ... {written[-60:]}"


def _terms_slots() -> list[str]:
    # kinds of bundles share the registry, but are no words of the notation
    return [slot for slot in PARTS if slot != "kind"]


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def _parse(text: str) -> ast.expr:
    example = 'write terms joined by +, for example "mask(0.3) + l1(0.001)"'
    if isinstance(text, str) and len(text) > MAX_TEXT:
        raise SentenceError(f"a sentence of {len(text)} characters is too long", f"at most {MAX_TEXT} are read")
    if not isinstance(text, str) or not text.strip():
        raise SentenceError(f"{quoted(text)} is not a sentence", example)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's hints on odd spellings speak of code, not of sentences
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f" at character {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise SentenceError(f"{quoted(text)} cannot be read{where}", example) from None


def _terms(node: ast.expr, text: str) -> list[ast.expr]:
    found: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        found.append(node.right)
        node = node.left
    return [node, *reversed(found)]


def _build(node: ast.expr, text: str, slots: tuple[str, ...]) -> Any:
    if isinstance(node, ast.Name):
        node = ast.Call(func=node, args=[], keywords=[])
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise SentenceError(
            f"{quoted(ast.unparse(node))} in {quoted(text)} is not a term",
            "only names with literal arguments are read, joined by +",
        )
    cls = find(node.func.id, *slots)
    args = [_value(arg, text) for arg in node.args]
    if any(word.arg is None for word in node.keywords):
        raise SentenceError(f"{quoted(text)} has a ** argument", "write each option by its name")
    options = {str(word.arg): _value(word.value, text) for word in node.keywords}
    if len(options) < len(node.keywords):
        raise SentenceError(f"{cls.name}() was given an option twice in {quoted(text)}", "give it once")
    return construct(cls, args, options)


def _value(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Call | ast.Name):
        return _build(node, text, ())
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | str | None):
        return node.value
    if isinstance(node, ast.Tuple) and node.elts and all(_number(one) is not None for one in node.elts):
        return tuple(_value(one, text) for one in node.elts)
    number = _number(node)
    if number is None:
        raise SentenceError(
            f"{quoted(ast.unparse(node))} in {quoted(text)} is not a literal",
            "arguments are numbers, fractions such as 1/32, words in quotes, True, False, None or terms",
        )
    if not abs(number) <= MAX_NUMBER:
        raise SentenceError(f"a number in {quoted(text)} is too large", f"at most {MAX_NUMBER} is read")
    return number


def _number(node: ast.expr) -> int | float | None:
    """A number, its negative, or a fraction of numbers; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value if abs(node.value) <= MAX_NUMBER else math.inf
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        top, bottom = _number(node.left), _number(node.right)
        return top / bottom if top is not None and bottom else None
    return None


def construct(cls: Any, args: list[Any], options: dict[str, Any]) -> Any:
    """Make one part from its arguments, checked against the field types.

    errors  SentenceError naming the option, the value and what is allowed
    """
    fields = [field.name for field in dataclasses.fields(cls)]
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    if fields and _is_many(hints[fields[0]]):
        if args:
            values[fields[0]] = tuple(args)
    elif len(args) > len(fields):
        takes = ", ".join(fields) or "no argument"
        raise SentenceError(f"{cls.name}() was given {len(args)} arguments", f"it takes {takes}")
    else:
        values = dict(zip(fields, args, strict=False))
    for option, value in options.items():
        if option not in fields:
            raise SentenceError(
                f"{cls.name}() has no option {option!r}{did_you_mean(option, fields)}",
                f"its options: {', '.join(fields) or 'none'}",
            )
        if option in values:
            raise SentenceError(f"{cls.name}() was given {option!r} twice", "give it once")
        values[option] = value
    for option, value in values.items():
        if not _fits(value, hints[option]):
            raise SentenceError(
                f"{cls.name}({option}={quoted(value)}) is not possible",
                f"{option} is {_words(hints[option])}",
            )
        if hints[option] is float:
            values[option] = float(value)  # l1(1) and l1(1.0) are one sentence
    missing = [
        field.name
        for field in dataclasses.fields(cls)
        if field.name not in values
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise SentenceError(f"{cls.name}() needs {missing[0]}", f"its options: {', '.join(fields)}")
    return cls(**values)


def _is_many(hint: Any) -> bool:
    return typing.get_origin(hint) is tuple


def _fits(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    if _is_many(hint):
        return isinstance(value, tuple) and all(_fits(one, typing.get_args(hint)[0]) for one in value)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in typing.get_args(hint))
    if hint is None or hint is type(None):
        return value is None
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(value, hint) if isinstance(hint, type) else True


def _words(hint: Any) -> str:
    if _is_many(hint):
        return f"any number of {_words(typing.get_args(hint)[0]).removeprefix('a ')}s"
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_words(one) for one in typing.get_args(hint))
    words = {int: "a whole number", float: "a number", str: "a word", bool: "True or False", type(None): "None"}
    return words.get(hint, "a term")


def _spell_one(one: Any) -> str:
    written: list[str] = []
    for i, field in enumerate(dataclasses.fields(one)):
        value = getattr(one, field.name)
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if i == 0 and isinstance(value, tuple):
            written += [_spell_value(item) for item in value]
        elif i == 0 and value is not None:
            written.append(_spell_value(value))
        elif value != default:
            written.append(f"{field.name}={_spell_value(value)}")
    return f"{one.name}({', '.join(written)})"


def _spell_value(value: Any) -> str:
    return _spell_one(value) if dataclasses.is_dataclass(value) else repr(value)
