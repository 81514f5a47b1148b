"""Runs, bundles and files that the tests of the commands share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import codelayer
from codelayer import Head, Headed, Pca, Table, commands
from codelayer.data import load_data
from codelayer.measure import linear_probe

SOURCE = str(Path(codelayer.__file__).parents[1])
ENVIRONMENT = os.environ | {"PYTHONPATH": SOURCE, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment in which another process finds this package."""
    return ENVIRONMENT


@pytest.fixture(scope="session")
def codelayer_command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`codelayer WORDS...` in a process of its own."""

    def run(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "codelayer", *map(str, words)]
        given = {"env": ENVIRONMENT, "capture_output": True, "text": True, "timeout": 120} | options
        return subprocess.run(line, **given)  # type: ignore[call-overload]

    return run


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on pictures, in the units of digits."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    commands.learn("digits", out=str(out), net="mlp(16)", code_size=4, epochs=2)
    return out


@pytest.fixture(scope="session")
def people_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with numbers, categories, an id, a constant, missing cells and an odd one."""
    rng = np.random.default_rng(0)
    lines = ["id,city,age,income,planet"]
    for i in range(80):
        city = "" if i % 20 == 3 else ("Rome", "Oslo", "Lima")[i % 3]
        age = "old" if i == 40 else f"{rng.normal(40, 9):.1f}"
        income = "" if i % 15 == 5 else f"{rng.normal(9, 2):.3f}"
        lines.append(f"r{i:03d},{city},{age},{income},earth")
    path = tmp_path_factory.mktemp("tables") / "people.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def people_run(tmp_path_factory: pytest.TempPathFactory, people_csv: Path) -> Path:
    """A finished run on the table."""
    out = tmp_path_factory.mktemp("runs") / "people"
    commands.learn(str(people_csv), out=str(out), net="mlp(8)", code_size=3, epochs=2)
    return out


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures in two classes, one of them broken."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    for i in range(12):
        place = folder / ("cat", "dog")[i % 2]
        place.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(place / f"{i:02d}.png")
    (folder / "cat" / "04.png").write_bytes(b"this is no picture")
    return folder


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a code with its head: classes of iris from its table."""
    data = load_data("iris")
    code = Pca(2).fit(data.x)
    probe = linear_probe(code.transform(data.x), "class").fit(code.transform(data.x), data.labels)
    path = tmp_path_factory.mktemp("bundles") / "iris"
    Headed(code, Head.from_probe(probe, "class")).save(path)
    return path


@pytest.fixture(scope="session")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a code with a head that predicts a number from a table of two columns."""
    rng = np.random.default_rng(2)
    table = Table({"a": rng.normal(size=50), "b": rng.normal(size=50)})
    code = Pca(2).fit(table)
    codes = code.transform(table)
    probe = linear_probe(codes, "number").fit(codes, table.column("a") * 3 + 1)
    path = tmp_path_factory.mktemp("bundles") / "number"
    Headed(code, Head.from_probe(probe, "number")).save(path)
    return path
