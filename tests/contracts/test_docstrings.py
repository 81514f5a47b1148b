"""Docstrings say what the signatures say: no ghost parameters, no stale defaults, nothing public without one.

Three forms are read: a numpy "Parameters" section ("code_size : int, default=32"), the short form of functions and
records ("name   text", two spaces or more) and, in the modules of commands, one line "name: text" per parameter.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest

import codelayer
from codelayer.measure import Metric

WORDS = {"errors", "returns", "yields", "more", "Fitted"}
SECTION = re.compile(r"^(\w+)\n-{3,}$", re.MULTILINE)
NUMPY = re.compile(r"^(\w+(?:, \w+)*)(?: : (.*)|)$")
SHORT = re.compile(r"^(\w+(?:, \w+)*) {2,}\S")
COMMAND = re.compile(r"^(\w+): \S")
COMMANDS = (
    "codelayer.commands.",
    "codelayer.ship.commands.",
    "codelayer.ship.fitcommand.",
    "codelayer.ship.exportcommand.",
    "codelayer.transfer.layerscommand.",
)
DEFAULT = re.compile(r"default=(\"[^\"]*\"|'[^']*'|[-+\w.()]+)")


def modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(codelayer.__path__, "codelayer."):
        yield importlib.import_module(found.name)


def plain(thing: Any) -> Any:
    return thing.function if isinstance(thing, Metric) else thing


def public() -> dict[str, Any]:
    """Every function and class that a module of the package defines under a public name, and their methods."""
    found: dict[str, Any] = {}
    for module in modules():
        for name, thing in vars(module).items():
            thing = plain(thing)
            if name.startswith("_") or not (inspect.isfunction(thing) or inspect.isclass(thing)):
                continue
            if thing.__module__ == module.__name__:
                found[f"{module.__name__}.{name}"] = thing
    return found


PUBLIC = public()
CLASSES = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing)}
METHODS = {
    f"{place}.{name}": method
    for place, owner in CLASSES.items()
    if not getattr(owner, "_is_protocol", False)
    for name, method in vars(owner).items()
    if not name.startswith("_") and inspect.isfunction(getattr(method, "__func__", method))
}
CALLABLES = PUBLIC | METHODS


def own_doc(thing: Any) -> str:
    return inspect.cleandoc(getattr(thing, "__doc__", None) or "")


def parameters(thing: Any) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(getattr(thing, "__func__", thing)).parameters)
    except (ValueError, TypeError):
        return {}


def members(owner: type) -> set[str]:
    """What an instance is known to carry: fields, annotated names, properties and methods, inherited ones too."""
    found = set(dir(owner))
    for one in owner.__mro__:
        found |= set(getattr(one, "__annotations__", {}))
        source = inspect.getsource(one) if one.__module__.startswith("codelayer") else ""
        found |= set(re.findall(r"self\.(\w+)\b[^=\n(]*=", source))
    return found


def numpy_parameters(doc: str) -> dict[str, str]:
    """Names of the "Parameters" section with what stands behind the colon."""
    parts = SECTION.split(doc)
    body = dict(zip(parts[1::2], parts[2::2], strict=True)).get("Parameters", "")
    found: dict[str, str] = {}
    for line in body.splitlines():
        match = NUMPY.match(line)
        if match:
            found |= dict.fromkeys(match[1].split(", "), match[2] or "")
    return found


def short_parameters(doc: str, form: re.Pattern[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in SECTION.split(doc)[0].splitlines():
        match = form.match(line)
        if match:
            found |= dict.fromkeys(match[1].split(", "), line)
    return found


def described(place: str, thing: Any) -> dict[str, str]:
    doc = own_doc(thing)
    if place.startswith(COMMANDS):
        return short_parameters(doc, COMMAND)
    return numpy_parameters(doc) | short_parameters(doc, SHORT)


@pytest.mark.parametrize("name", sorted(set(codelayer.__all__) - {"measure", "RECIPES"}))
def test_every_name_of_the_package_has_a_docstring(name):
    assert own_doc(getattr(codelayer, name)), f"codelayer.{name} has no docstring"


def test_every_module_function_class_and_method_that_is_public_has_a_docstring():
    bare = [module.__name__ for module in modules() if not (module.__doc__ or "").strip()]
    bare += [place for place, thing in CALLABLES.items() if not inherited_doc(place, thing)]
    assert not bare, f"without a docstring: {', '.join(sorted(bare))}"


def inherited_doc(place: str, thing: Any) -> str | None:
    owner, _, name = place.rpartition(".")
    if owner not in CLASSES:
        # dataclasses write their own signature where a docstring is missing
        return None if (thing.__doc__ or "").startswith(f"{thing.__name__}(") else thing.__doc__
    return inspect.getdoc(getattr(CLASSES[owner], name))


@pytest.mark.parametrize("module", ["codelayer", *(m.__name__ for m in modules() if hasattr(m, "__all__"))])
def test_every_name_in_an_all_is_there(module):
    home = importlib.import_module(module)
    assert [name for name in home.__all__ if not hasattr(home, name)] == []


@pytest.mark.parametrize("place", sorted(CALLABLES))
def test_a_docstring_names_only_parameters_that_exist(place):
    thing = CALLABLES[place]
    names = set(parameters(thing)) | WORDS
    if inspect.isclass(thing):
        names |= members(thing)
    ghosts = set(described(place, thing)) - names
    assert not ghosts, f"{place} describes {', '.join(sorted(ghosts))}, which it does not have"


@pytest.mark.parametrize("place", sorted(p for p, t in CALLABLES.items() if numpy_parameters(own_doc(t))))
def test_a_parameters_section_leaves_no_parameter_out(place):
    thing = CALLABLES[place]
    told = set(numpy_parameters(own_doc(thing)))
    real = {name for name in parameters(thing) if name != "self" and not name.endswith("_")}
    assert told == real


@pytest.mark.parametrize("place", sorted(p for p in CALLABLES if p.startswith(COMMANDS)))
def test_a_command_describes_every_parameter_it_has(place):
    thing = CALLABLES[place]
    assert list(described(place, thing)) == list(parameters(thing))


@pytest.mark.parametrize("place", sorted(p for p, t in CALLABLES.items() if DEFAULT.search(own_doc(t))))
def test_defaults_in_a_docstring_are_those_of_the_signature(place):
    thing = CALLABLES[place]
    real = parameters(thing)
    for name, text in described(place, thing).items():
        told = DEFAULT.search(text)
        if told and name in real:
            assert ast.literal_eval(told[1]) == real[name].default, f"{place}: {name}"


def test_the_dataclasses_of_the_package_are_seen():
    assert sum(dataclasses.is_dataclass(one) for one in CLASSES.values()) > 20
    assert "codelayer.learn.autoencoder.Autoencoder.fit" in METHODS
    assert numpy_parameters(own_doc(codelayer.Autoencoder))["code_size"] == "int, default=32"
