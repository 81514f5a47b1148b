"""Every command and every snippet of README.md and docs/ is run, in order, in one folder per document.

Fences  ```bash, ```sh and ```console are commands (in console those behind "$ "), ```python is a script of its own;
        ```text and the like are shown only.
Skips   a fence below the line `<!-- not run: reason -->`; and the lines that install (git, make, pip, python -m
        venv): .ci/run does those itself. A fence below `<!-- exits N -->` must end with that status.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from warm_python import run_script

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS, SHOWN = ("bash", "sh", "console"), ("text", "json", "csv", "toml")
INSTALLING = re.compile(r"(git|make|pip|python3? -m (venv|pip)|\S*/bin/(pip|python -m pip)|source|\.) ")
SECONDS = 600


@dataclass(frozen=True)
class Fence:
    """A fenced block: its language, text, first line's number, and the comment above it."""

    language: str
    text: str
    line: int
    above: str

    @property
    def reason(self) -> str | None:
        """Why it is not run; None when it is."""
        found = re.fullmatch(r"<!-- not run:\s*(.*?)\s*-->", self.above)
        return found[1] if found else None

    @property
    def status(self) -> int:
        """The exit status it must have."""
        found = re.fullmatch(r"<!-- exits (\d+) -->", self.above)
        return int(found[1]) if found else 0

    @property
    def commands(self) -> str:
        """The shell's text, without prompts, shown output and the lines that install."""
        lines = self.text.splitlines()
        if self.language == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return "\n".join(line for line in lines if not INSTALLING.match(line))


def fences(path: Path) -> Iterator[Fence]:
    lines = path.read_text(encoding="utf-8").splitlines()
    start: int | None = None
    for i, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if start is None:
            start = i
        else:
            above = next((text.strip() for text in reversed(lines[:start]) if text.strip()), "")
            yield Fence(lines[start][3:].strip(), "\n".join(lines[start + 1 : i]) + "\n", start + 1, above)
            start = None
    assert start is None, f"{path.name}:{start} opens a fence that is never closed"


def environment() -> dict[str, str]:
    """That of a user with the package's environment on the path and nothing else of ours."""
    kept = {name: value for name, value in os.environ.items() if name not in ("CODELAYER_DATA", "PYTHONHOME")}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return kept | {"PATH": path, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


def run(path: Path, fence: Fence, folder: Path) -> None:
    if fence.language == "python":
        (folder / "snippet.py").write_text(fence.text, encoding="utf-8")
        status, said = run_script(folder / "snippet.py", environment(), SECONDS)
    else:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", fence.commands],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
        )
        status, said = done.returncode, done.stdout
    if status != fence.status:
        pytest.fail(f"{path.name}:{fence.line} exits {status}\n{fence.text}\n{said[-5000:]}", pytrace=False)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_snippet_of_a_document_runs(path, tmp_path):
    for fence in fences(path):
        runs = fence.language == "python" or fence.commands.strip()
        if fence.language in (*COMMANDS, "python") and runs and fence.reason is None:
            run(path, fence, tmp_path)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_fence_says_its_language_and_why_it_is_not_run(path):
    for fence in fences(path):
        where = f"{path.name}:{fence.line}"
        assert fence.language in (*COMMANDS, *SHOWN, "python"), f"{where} has the language {fence.language!r}"
        assert fence.reason is None or len(fence.reason.split()) >= 3, f"{where} is not run, without a reason"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_readme_shows_make_study_and_make_test_first():
    lines = [line for fence in fences(ROOT / "README.md") for line in fence.text.splitlines() if line.strip()]
    assert [line for line in lines if not line.startswith(("git clone", "cd "))][:2] == ["make study", "make test"]


def test_the_map_names_every_page():
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")} - {"index.md"}
    assert {page for page in pages if f"({page})" not in text} == set()
