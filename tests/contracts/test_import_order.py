"""The shape of the package: one direction of imports, light starts, small files, nothing that runs saved code."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import codelayer

ROOT = Path(codelayer.__file__).parent
ORDER = [
    "errors",
    "registry",
    "report",
    "data",
    "bundle",
    "nets",
    "objective",
    "learn",
    "measure",
    "transfer",
    "export",
    "study",
    "ship",
    "apps",
    "explore",
    "commands",
    "cli",
    "__main__",
]
TORCH_FREE = ("errors", "registry", "data.schema", "bundle")
HEAVY = (
    "torch",
    "sklearn",
    "pandas",
    "polars",
    "scipy",
    "pyarrow",
    "safetensors",
    "PIL",
    "narwhals",
    "jinja2",
    "typer",
)


def module_name(path: Path) -> str:
    """The dotted name of a file below the package, "" for the package itself."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}


def top(name: str) -> str:
    return name.partition(".")[0]


def for_types_only(tree: ast.Module) -> set[int]:
    """The lines under `if TYPE_CHECKING:`, which never run."""
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    return {line for node in guards for one in node.body for line in range(one.lineno, (one.end_lineno or 0) + 1)}


def imported(name: str, tree: ast.Module, is_package: bool) -> list[tuple[int, str, str]]:
    """(line, absolute dotted module, imported name or "") of every import of a file, also inside functions."""
    found = []
    quiet = for_types_only(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            home = node.module or ""
            if node.level:
                here = name.split(".") if name else []
                up = node.level - 1 if is_package else node.level
                base = here[: len(here) - up] if up else here
                home = ".".join([codelayer.__name__, *base, *([node.module] if node.module else [])])
            found += [(node.lineno, home, alias.name) for alias in node.names]
    return [one for one in found if one[0] not in quiet]


def edges(name: str) -> list[tuple[int, str]]:
    """(line, module of this package) that a file imports; a package's lazy names count as the module they live in."""
    found = []
    for line, home, what in imported(name, TREES[name], FILES[name].name == "__init__.py"):
        if top(home) != codelayer.__name__:
            continue
        inside = home.partition(".")[2]
        whole = f"{inside}.{what}".strip(".")
        found.append((line, whole if whole in FILES else inside))
    return found


def test_every_part_has_its_place_in_the_order():
    assert {top(name) for name in FILES if name} <= set(ORDER)


def test_a_module_imports_only_to_its_left():
    bad = []
    for name in FILES:
        for line, there in edges(name):
            if name and there and top(name) != top(there) and ORDER.index(top(there)) > ORDER.index(top(name)):
                bad.append(f"{name}:{line} imports {there}")
    assert bad == []


def test_the_order_law_finds_planted_imports_of_every_form():
    forms = (
        "from ..learn.loop import train",
        "from .. import learn",
        "import codelayer.learn",
        "from codelayer import learn",
    )
    for form in forms:
        found = imported("objective.model", ast.parse(f"def f():\n    {form}"), False)
        assert any(f"{home}.{what}".startswith("codelayer.learn") for _, home, what in found), form
    assert imported("a", ast.parse("if TYPE_CHECKING:\n    from .b import c"), False) == []


def test_no_import_cycles():
    graph = {name: {there for _, there in edges(name) if there != name} for name in FILES}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"a cycle: {' -> '.join([*way[way.index(name) :], name])}"
        if name not in done:
            for there in graph[name]:
                visit(there, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("part", ["data", "measure", "report"])
def test_data_measure_and_report_know_no_torch(part):
    names = [name for name in FILES if top(name) == part]
    homes = {top(home) for name in names for _, home, _ in imported(name, TREES[name], False)}
    assert names and homes.isdisjoint({"torch", "torchvision"})


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    env = os.environ | {"PYTHONPATH": str(ROOT.parent)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_four_modules_run_where_torch_sklearn_pandas_and_report_cannot_be_imported(tmp_path):
    code = f"""
import sys
blocked = ("torch", "sklearn", "pandas", "polars", "codelayer.report")
class Wall:
    def find_spec(self, name, path=None, target=None):
        if any(name == one or name.startswith(one + ".") for one in blocked):
            raise ImportError(name + " was asked for")
sys.meta_path.insert(0, Wall())
import numpy as np
import codelayer.errors, codelayer.registry, codelayer.bundle
from codelayer.data.schema import Columns, Schema
table = Columns({{"a": [1.0, 2.0, None], "b": ["x", "y", "x"]}})
schema = Schema.from_json(Schema.fit(table).to_json())
assert np.isfinite(schema.encode(table)).all()
codelayer.bundle.write({str(tmp_path / "b")!r}, "pca", {{"schema": schema.to_json()}}, {{"w": np.eye(2)}})
print(codelayer.bundle.read({str(tmp_path / "b")!r}).kind)
"""
    assert python(code) == "pca\n"


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith(TORCH_FREE)])
def test_the_torch_free_modules_import_one_another_only_relatively(name):
    for _, home, _ in imported(name, TREES[name], FILES[name].name == "__init__.py"):
        assert not home.startswith(("torch", "sklearn", "pandas", "codelayer.report"))
        assert top(home) != "codelayer" or home.partition(".")[2].startswith(TORCH_FREE)
    plain = [node for node in ast.walk(TREES[name]) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not any("codelayer" in ast.unparse(node) for node in plain)


def test_import_codelayer_is_light():
    code = "import sys, codelayer; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = set(ast.literal_eval(python(code)))
    assert loaded.isdisjoint({*HEAVY, "numpy", "matplotlib"})


def test_every_public_name_is_found_and_listed():
    for name in codelayer.__all__:
        assert getattr(codelayer, name) is not None
    assert set(codelayer.__all__) <= set(dir(codelayer))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = codelayer.nothing


def test_no_package_exports_a_name_equal_to_one_of_its_submodules():
    packages = [name for name, path in FILES.items() if path.name == "__init__.py"]
    for name in packages:
        package = importlib.import_module(f"{codelayer.__name__}.{name}".rstrip("."))
        submodules = {one.name for one in pkgutil.iter_modules(package.__path__)}
        for shared in submodules & set(getattr(package, "__all__", ())):
            assert inspect.ismodule(getattr(package, shared)), f"{name}.{shared}"


FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}


RUNTIME = ROOT.parents[1] / "runtime" / "src"


def loading() -> dict[str, ast.Module]:
    """Every file that may read what others wrote: the package, and the runtime's own files."""
    own = {f"runtime {path.relative_to(RUNTIME)}": path for path in sorted(RUNTIME.rglob("*.py"))}
    return TREES | {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in own.items()}


def test_what_is_searched_for_unpickling_holds_shipping_export_and_runtime():
    assert {"ship.estimators", "bundle.onnxfile", "bundle.parts", "runtime codelayer_runtime/rows.py"} <= set(loading())


def test_nothing_in_the_package_unpickles_or_evaluates():
    for name, tree in loading().items():
        for _, home, what in imported(name, tree, False):
            assert top(home) not in FORBIDDEN and (home, what) != ("joblib", "load"), name
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("joblib.load", "torch.load", "eval", "exec", "__import__", "compile"), (
                    f"{name}: {called}"
                )
                for word in node.keywords:
                    assert word.arg != "allow_pickle" or ast.unparse(word.value) == "False", f"{name}:{node.lineno}"
                if called in ("np.load", "numpy.load"):
                    assert any(word.arg == "allow_pickle" for word in node.keywords), f"{name}:{node.lineno}"


@pytest.mark.parametrize("name", FILES)
def test_files_stay_readable(name):
    lines = FILES[name].read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 400
    assert max(map(len, lines), default=0) <= 160
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= 60, f"{name}.{node.name} is too long"


def test_no_assert_stands_in_for_an_error_message():
    for name, tree in TREES.items():
        assert not any(isinstance(node, ast.Assert) for node in ast.walk(tree)), name


def test_no_public_function_swallows_options():
    for name, tree in TREES.items():
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        for node in [one for home in (tree, *classes) for one in home.body]:
            if isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name == "__init__"):
                assert node.args.kwarg is None, f"{name}.{node.name}"
