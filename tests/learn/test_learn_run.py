"""The run folder: a stopped run continues, a finished one says so, and nobody else gets in."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

import codelayer.learn.run as module
from codelayer import bundle
from codelayer.errors import BundleError, DataError, RunError
from codelayer.learn.run import RunFolder, write_atomic

OPTIONS = {"command": "learn", "epochs": 10, "net": "mlp(512)", "sizes": (3, 4), "patience": math.inf}
OPEN = "import sys, time; from codelayer.learn.run import RunFolder\n"
OPEN += "run = RunFolder(sys.argv[1], {'epochs': 10}, 'abc')\n"


@contextmanager
def another_process(path: Path, then: str = ""):
    """A second process that opened the run, said "open", and waits; killed with SIGKILL at the end."""
    code = OPEN + then + "\nprint('open', flush=True); time.sleep(60)"
    env = os.environ | {"PYTHONPATH": str(Path(bundle.__file__).parents[2])}
    with subprocess.Popen([sys.executable, "-c", code, str(path)], env=env, stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None and other.stdout.readline() == "open\n"
            yield other
        finally:
            other.kill()


def noted_in(path: Path):
    return lambda: bundle.read(path).facts.get("run") if (path / "bundle.json").exists() else None


def save(path: Path, run: RunFolder) -> None:
    bundle.write(path, "pca", {}, {}, facts={"run": run.record})


def test_a_new_folder_is_made_with_its_options_and_the_data(tmp_path):
    with RunFolder(tmp_path / "a" / "b", OPTIONS, "abc") as run:
        assert not run.resumed and not run.done
        assert run.state == tmp_path / "a" / "b" / "checkpoints"
        noted = bundle.from_json((run.state / "run.json").read_bytes())
    assert noted["options"] == OPTIONS | {"sizes": [3, 4]} and noted["fingerprint"] == "abc"


def test_an_equal_run_resumes_and_a_finished_one_is_done(tmp_path):
    RunFolder(tmp_path, OPTIONS, "abc").close()
    with RunFolder(tmp_path, OPTIONS, "abc") as run:
        assert run.resumed and not run.done
        run.finish()
        (tmp_path / "results.csv").touch()
    with RunFolder(tmp_path, OPTIONS, "abc") as run:
        assert run.resumed and run.done
    assert (tmp_path / "results.csv").exists()


def test_other_options_or_data_are_refused_with_both_values(tmp_path):
    RunFolder(tmp_path, OPTIONS, "abc").close()
    with pytest.raises(RunError, match=r"a run with epochs=10, now epochs=20 was asked\n  choose another --out or rep"):
        RunFolder(tmp_path, OPTIONS | {"epochs": 20, "net": "conv()"}, "abc")
    with pytest.raises(RunError, match="a run with no seed, now seed=1 was asked"):
        RunFolder(tmp_path, OPTIONS | {"seed": 1}, "abc")
    with pytest.raises(RunError, match="a run with net='mlp.512.', now no net was asked"):
        RunFolder(tmp_path, {name: value for name, value in OPTIONS.items() if name != "net"}, "abc")
    with pytest.raises(RunError, match=r"other data \(abc, now abd\)"):
        RunFolder(tmp_path, OPTIONS, "abd")
    with pytest.raises(RunError, match="patience=inf, now patience=nan"):
        RunFolder(tmp_path, OPTIONS | {"patience": math.nan}, "abc")
    RunFolder(tmp_path, OPTIONS, "abc").close()


def test_foreign_content_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match=r"holds no run: 'thesis\.txt'"):
        RunFolder(tmp_path, OPTIONS, "abc")
    with pytest.raises(RunError, match="is a file"):
        RunFolder(tmp_path / "thesis.txt", OPTIONS, "abc")
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.txt"]


def test_checkpoints_of_another_program_are_foreign(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "model.ckpt").touch()
    with pytest.raises(RunError, match=r"checkpoints/model\.ckpt"):
        RunFolder(tmp_path, OPTIONS, "abc")


def test_a_start_killed_before_its_record_is_started_anew(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for left in (".lock", ".run.json.1a2b.tmp", ".last.zip.3c4d.tmp"):
        (tmp_path / "checkpoints" / left).touch()
    with RunFolder(tmp_path, OPTIONS, "abc") as run:
        assert not run.resumed
        assert sorted(one.name for one in run.state.iterdir()) == [".lock", "run.json"]


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"{}", b"[" * 100_000, b'{"options": 3}', b"\xff"])
def test_a_damaged_record_is_refused_in_a_sentence(tmp_path, text):
    RunFolder(tmp_path, OPTIONS, "abc").close()
    (tmp_path / "checkpoints" / "run.json").write_bytes(text)
    with pytest.raises(RunError, match="choose another --out"):
        RunFolder(tmp_path, OPTIONS, "abc")


def test_a_finished_learn_is_a_bundle_and_nothing_else(tmp_path):
    out = tmp_path / "out"
    with RunFolder(out, OPTIONS, "abc", finished=noted_in(out)) as run:
        bundle.write(run.state / "last.zip", "checkpoint", {}, {})
        (run.state / "more").mkdir()
        save(out, run)
        run.finish(remove_state=True)
    assert sorted(one.name for one in out.iterdir()) == ["bundle.json", "golden.safetensors", "weights.safetensors"]
    with RunFolder(out, OPTIONS, "abc", finished=noted_in(out)) as run:
        assert run.resumed and run.done and not run.state.exists()
        run.finish(remove_state=True)
    with pytest.raises(RunError, match="epochs=10, now epochs=11"):
        RunFolder(out, OPTIONS | {"epochs": 11}, "abc", finished=noted_in(out))
    assert RunFolder(out, OPTIONS, "abc", finished=run.record).done


def test_a_bundle_that_no_run_made_is_foreign(tmp_path):
    bundle.write(tmp_path / "b", "pca", {}, {})
    with pytest.raises(RunError, match="holds no run"):
        RunFolder(tmp_path / "b", OPTIONS, "abc", finished=noted_in(tmp_path / "b"))


def test_a_finish_cut_short_anywhere_is_done_at_the_next_call(tmp_path):
    for cut in range(4):
        out = tmp_path / str(cut)
        with RunFolder(out, OPTIONS, "abc", finished=noted_in(out)) as run:
            save(out, run)
            if cut:
                run._note(finished=True, remove=True)
            if cut > 1:
                (run.state / "run.json").unlink()
            if cut > 2:
                (run.state / ".lock").unlink()
        with RunFolder(out, OPTIONS, "abc", finished=noted_in(out)) as run:
            assert run.done and run.resumed
        assert not (out / "checkpoints").exists() and bundle.read(out).kind == "pca"


def test_a_bundle_cut_short_does_not_hinder_the_run_that_writes_it_again(tmp_path):
    out = tmp_path / "out"
    with RunFolder(out, OPTIONS, "abc", finished=noted_in(out)) as run:
        save(out, run)
    (out / "weights.safetensors").unlink()
    with RunFolder(out, OPTIONS, "abc", finished=noted_in(out)) as run:
        assert run.resumed and not run.done
        save(out, run)
        run.finish(remove_state=True)
    (out / "weights.safetensors").unlink()
    with pytest.raises(BundleError, match=r"lacks weights\.safetensors"):
        RunFolder(out, OPTIONS, "abc", finished=noted_in(out))


def test_two_processes_cannot_share_a_folder_and_sigkill_releases_it(tmp_path):
    with another_process(tmp_path) as other:
        with pytest.raises(RunError, match=f"in use by another codelayer run .process {other.pid}.\n  wait"):
            RunFolder(tmp_path, {"epochs": 10}, "abc")
        other.kill()
        other.wait()
        with RunFolder(tmp_path, {"epochs": 10}, "abc") as run:
            assert run.resumed and not run.done


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_orphaned_worker_does_not_hold_the_lock_of_a_killed_run(tmp_path):
    fork = "import os\nworker = os.fork()\nif not worker: run.close(); time.sleep(20); os._exit(0)\n"
    fork += "(run.state / 'pid').write_text(str(worker))"
    with another_process(tmp_path, fork), pytest.raises(RunError, match="in use"):
        RunFolder(tmp_path, {"epochs": 10}, "abc")
    worker = int((tmp_path / "checkpoints" / "pid").read_text())
    RunFolder(tmp_path, {"epochs": 10}, "abc").close()
    os.kill(worker, 9)


def test_one_process_cannot_open_a_folder_twice_and_an_error_lets_go(tmp_path):
    with pytest.raises(ZeroDivisionError), RunFolder(tmp_path, OPTIONS, "abc"):
        with pytest.raises(RunError, match="in use"):
            RunFolder(tmp_path, OPTIONS, "abc")
        raise ZeroDivisionError
    with RunFolder(tmp_path, OPTIONS, "abc", keep_lock=False), RunFolder(tmp_path, OPTIONS, "abc") as run:
        assert run.resumed


def test_many_processes_that_start_at_once_let_exactly_one_in(tmp_path):
    code = "import sys\nfrom codelayer.errors import RunError\ntry:\n    from codelayer.learn.run import RunFolder\n"
    code += "    run = RunFolder(sys.argv[1], {}, 'a')\n    print('in', flush=True)\nexcept RunError:\n"
    code += "    print('out', flush=True)\nsys.stdin.read()"
    env = os.environ | {"PYTHONPATH": str(Path(bundle.__file__).parents[2])}
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    several = [subprocess.Popen(command, env=env, text=True, **pipes) for _ in range(4)]
    said = [one.stdout.readline() for one in several]
    for one in several:
        one.communicate("")
    assert sorted(said) == ["in\n", "out\n", "out\n", "out\n"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_leaves_the_old_file_and_says_what_to_do(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    code = limit + "import sys; from codelayer.learn.run import write_atomic; write_atomic(sys.argv[1], bytes(1000))"
    write_atomic(tmp_path / "file", b"old")
    env = os.environ | {"PYTHONPATH": str(Path(bundle.__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert "the disk is full" in done.stderr and "give the same command again: it continues" in done.stderr
    assert (tmp_path / "file").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_a_place_that_cannot_be_written_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        RunFolder(tmp_path / "file" / "out", OPTIONS, "abc")


def test_the_module_needs_no_torch():
    code = "import sys, codelayer.learn.run; print({'torch', 'sklearn'} & set(sys.modules))"
    env = os.environ | {"PYTHONPATH": str(Path(module.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_run_that_was_refused_at_once_leaves_nothing_behind(tmp_path):
    path = tmp_path / "out"
    with pytest.raises(DataError), RunFolder(path, {"net": "mlp(0)"}, "data"):
        raise DataError("mlp(0) is no net", "widths are >= 1")
    assert not path.exists()
    with RunFolder(path, {"net": "mlp(8)"}, "data") as run:
        assert not run.resumed


def test_a_run_that_had_begun_keeps_its_state_when_it_fails(tmp_path):
    path = tmp_path / "out"
    with pytest.raises(DataError), RunFolder(path, {"net": "mlp(8)"}, "data") as run:
        (run.state / "training.zip").write_bytes(b"checkpoint")
        raise DataError("a later mistake", "mend it")
    assert (path / "checkpoints" / "training.zip").exists()
