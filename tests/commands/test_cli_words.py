"""The words of the command line: help, options and defaults are those of the functions, and help is instant."""

from __future__ import annotations

import inspect
import os
import re
import resource
import subprocess
import sys

import pytest

from codelayer import Autoencoder, Study, __version__, cli, commands
from codelayer.ship import commands as ship

HEAVY = ("torch", "numpy", "sklearn", "scipy", "pyarrow", "pandas", "rich")
COMMANDS = {function.__name__: function for function in commands.COMMANDS}
COMMANDS |= {f"ship {function.__name__}": function for function in ship.COMMANDS}
OPTIONS = [
    (name, one) for name, function in COMMANDS.items() for one in inspect.signature(function).parameters.values()
]


def printed(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(words) == 0
    return capsys.readouterr().out


def test_the_commands_are_these():
    found = [name for name in COMMANDS if not name.startswith("ship ")]
    assert found == ["study", "learn", "encode", "decode", "reconstruct", "predict", "measure", "info"]
    assert "ship export" in COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_parameter_has_a_line_of_help_and_no_line_speaks_of_another(name):
    text, helps = cli.explained(COMMANDS[name])
    assert list(helps) == list(inspect.signature(COMMANDS[name]).parameters)
    assert all(10 < len(line) < 250 for line in helps.values())
    summary = text.splitlines()[0]
    assert summary.endswith((".", "?")) and len(summary) <= 62, "it would be cut in the list of commands"
    documented = re.findall(r"^(\w+): ", inspect.getdoc(COMMANDS[name]) or "", re.MULTILINE)
    assert documented == list(helps)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_every_option_with_its_default(name, capsys):
    told = " ".join(printed([*name.split(), "--help"], capsys).split())
    for one in inspect.signature(COMMANDS[name]).parameters.values():
        if one.kind is not inspect.Parameter.KEYWORD_ONLY:
            assert f"{one.name.upper()} " in told
            continue
        flag = f"--{one.name.strip('_').replace('_', '-')} "
        assert flag in told
        if isinstance(one.default, int | float | str) and not isinstance(one.default, bool):
            assert f"[default: {one.default}]" in told.split(flag, 1)[1].split(" --")[0]
        assert f"--no-{one.name}" not in told


def test_the_words_reach_the_function_as_python_would_give_them():
    line = ["learn", "x.csv", "--out", "run", "--drop", "a", "--drop", "b c", "--epochs", "12", "--seed", "3"]
    function, values = cli.make_app()(line, standalone_mode=False)
    assert function is commands.learn
    assert values["drop"] == ("a", "b c") and values["seed"] == 3 and values["data"] == "x.csv"
    function, values = cli.make_app()(["study", "iris", "--quick", "--time-limit", "1.5"], standalone_mode=False)
    assert values["quick"] is True and values["time_limit"] == 1.5 and values["code_size"] is None
    assert values["objective"] == () and values["label"] is None
    defaults = {one.name: one.default for one in inspect.signature(commands.study).parameters.values()}
    assert {n: v for n, v in values.items() if n not in ("data", "quick", "time_limit")} == {
        n: v for n, v in defaults.items() if n not in ("data", "quick", "time_limit")
    }


def test_defaults_are_those_of_the_estimator_and_the_study():
    learn = inspect.signature(commands.learn).parameters
    estimator = Autoencoder().get_params()
    for name in ("code_size", "objective", "net", "epochs"):
        assert learn[name].default == estimator[name]
    fit = inspect.signature(Autoencoder.fit_epochs).parameters
    assert learn["checkpoint_seconds"].default == fit["checkpoint_seconds"].default
    asked = inspect.signature(Study).parameters
    plural = {"objective": "objectives"}
    for name, one in inspect.signature(commands.study).parameters.items():
        if name != "data":
            assert one.default == asked[plural.get(name, name)].default, name


def test_help_and_version_load_nothing_heavy(environment):
    code = (
        "import sys; from codelayer.cli import main\n"
        "assert [main(['--help']), main(['study', '--help']), main(['--version'])] == [0, 0, 0]\n"
        f"print('loaded', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"
    assert f"codelayer {__version__}" in done.stdout.splitlines()


@pytest.mark.skipif(os.name != "posix", reason="time of child processes is a POSIX figure")
def test_help_takes_less_than_half_a_second_of_the_processor(codelayer_command):
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert codelayer_command("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < 0.5


def test_without_a_command_help_is_printed_and_the_status_says_wrong_use(capsys):
    assert cli.main([]) == 2
    assert "codelayer study digits" in capsys.readouterr().out
