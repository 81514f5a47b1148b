"""Scripts in children of a process that has loaded the heavy libraries: each child starts fresh, without their import.

Reads  a script, a folder, an environment.
Gives  its exit status and what it printed. Our own package is imported by every script anew.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

HEAVY = ["torch", "pandas", "sklearn.ensemble", "sklearn.linear_model", "sklearn.neighbors", "scipy.stats"]


def run_script(script: Path, environment: Mapping[str, str], seconds: float) -> tuple[int | None, str]:
    """Run a script in its folder; the status is None where it took longer than `seconds`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    said = script.with_suffix(".said")
    child = context.Process(target=_run, args=(str(script), dict(environment), str(said)))
    child.start()
    child.join(seconds)
    status = child.exitcode
    if status is None:
        child.kill()
        child.join()
    text = said.read_text(encoding="utf-8", errors="replace") if said.exists() else ""
    said.unlink(missing_ok=True)
    return status, text


def _run(script: str, environment: dict[str, str], said: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(Path(script).parent)
    out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)
    here = str(Path(__file__).parent)
    sys.path[:] = [str(Path(script).parent), *(one for one in sys.path if not one.startswith(here))]
    sys.argv = [script]
    warnings.filterwarnings("error", category=DeprecationWarning, module="__main__")
    runpy.run_path(script, run_name="__main__")
