"""The tree carries no path of a machine and no address of a package registry."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SLASH = "/"
# joined here, so that this file does not hold what it looks for
MACHINE = [SLASH + name + SLASH for name in ("work", "root", "home", "Users", "opt")]
SCRATCH = SLASH + "tmp" + SLASH
HOSTS = ["pypi" + ".org", "download.pytorch" + ".org", "pythonhosted" + ".org", "conda.anaconda" + ".org"]
INDEXES = ["--index" + "-url", "--extra-index" + "-url", "--find" + "-links"]
PASSED_OVER = {
    ".git",
    ".venv",
    ".ci-work",
    "__pycache__",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    "dist",
    "build",
}


def tree() -> list[Path]:
    """Files that git tracks or would track; without git, all that are not made by tools."""
    asked = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=True)
        names = [name for name in done.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = []
        for folder, below, files in os.walk(ROOT):
            below[:] = [name for name in below if name not in PASSED_OVER and not name.startswith("study-")]
            names += [os.path.relpath(os.path.join(folder, name), ROOT) for name in files]
    return [path for path in (ROOT / name for name in names) if path.is_file()]


def test_the_tree_is_read():
    names = {path.relative_to(ROOT).as_posix() for path in tree()}
    assert {"pyproject.toml", "Makefile", "constraints.txt", ".ci/run", "src/codelayer/__init__.py"} <= names


@pytest.mark.parametrize("what", [*MACHINE, SCRATCH, *HOSTS, *INDEXES])
def test_no_file_carries(what):
    found = []
    for path in tree():
        name = path.relative_to(ROOT).as_posix()
        if what == SCRATCH and name.startswith("tests/"):
            continue  # tests may speak of a temporary folder that they do not use
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{name}:{i}" for i, line in enumerate(text.splitlines(), 1) if what in line]
    assert not found, f"{what!r} stands in {', '.join(found[:10])}"


def test_the_constraints_name_one_plain_version_each():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    names = [line.split("==")[0].lower().replace("_", "-") for line in lines]
    assert all(line.count("==") == 1 and "+" not in line and "@" not in line for line in lines)
    assert len(names) == len(set(names))
    assert not [name for name in names if name.startswith(("nvidia", "cuda", "triton", "torchaudio"))]
    # one torchvision needs one torch: they change together, or pip would bring another torch
    assert {line for line in lines if line.startswith("torch")} == {"torch==2.13.0", "torchvision==0.28.0"}
    assert {"torch", "numpy", "scipy", "scikit-learn", "pytest", "ruff", "ty"} <= set(names)


def test_every_dependency_is_constrained_and_every_import_is_a_dependency():
    import ast
    import re
    import sys
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [one for group in project["optional-dependencies"].values() for one in group]
    asked = {re.split(r"[\[>=<!~ ;]", one)[0].lower() for one in [*project["dependencies"], *extras]} - {"codelayer"}
    pinned = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert asked <= pinned

    called = {"sklearn": "scikit-learn", "PIL": "pillow"}
    core = {re.split(r"[\[>=<!~ ;]", one)[0].lower() for one in project["dependencies"]}
    imported = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {one.name.split(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                imported.add(node.module.split(".")[0])
    outside = {called.get(name, name) for name in imported - set(sys.stdlib_module_names) - {"codelayer"}}
    assert outside <= core, f"imported but not a core dependency: {outside - core}"
