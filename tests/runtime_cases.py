"""The runtime as a wheel holds it, laid out from runtime/pyproject.toml without a build."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = ROOT / "runtime"


def project() -> dict:
    """runtime/pyproject.toml."""
    return tomllib.loads((RUNTIME / "pyproject.toml").read_text(encoding="utf-8"))


def laid_out(folder: Path) -> Path:
    """`folder` with the package in it, as the wheel has it."""
    wheel = project()["tool"]["hatch"]["build"]["targets"]["wheel"]
    skip = shutil.ignore_patterns("__pycache__")
    for package in wheel["packages"]:
        shutil.copytree(RUNTIME / package, folder / Path(package).name, ignore=skip)
    for there, here in wheel["force-include"].items():
        source = (RUNTIME / there).resolve()
        if source.is_dir():
            shutil.copytree(source, folder / here, ignore=skip)
        else:
            shutil.copy(source, folder / here)
    return folder
