"""The saved form: what is written comes back, and whatever else lies there is refused by name."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codelayer import bundle
from codelayer.bundle import parts
from codelayer.errors import BundleError, RunError

PLAN = {"objective": "mask(0.3) + l1(0.001)", "seed": 7, "shape": (8, 8), "name": "Größe \ud800", "rate": 1e-3}
TENSORS = {"encoder.0": np.arange(12, dtype=np.float32).reshape(3, 4), "step": np.array(5, np.int64)}
GOLDEN = {"rows": np.ones((2, 3), np.float32), "codes": np.zeros((2, 2), np.float32)}
ENV = os.environ | {"PYTHONPATH": str(Path(bundle.__file__).parents[2])}
PARTS = ["bundle.json", "golden.safetensors", "weights.safetensors"]


@pytest.fixture(params=["saved", "saved.zip"])
def saved(request, tmp_path):
    return bundle.write(tmp_path / request.param, "pca", PLAN, TENSORS, GOLDEN, {"score": 0.5})


@pytest.fixture
def folder(tmp_path):
    return bundle.write(tmp_path / "saved", "pca", PLAN, TENSORS, GOLDEN, {"score": 0.5})


def same(one, other):
    one, other = ({k: (v.dtype, v.shape, v.tobytes()) for k, v in arrays.items()} for arrays in (one, other))
    return one == other


def rewritten(path: Path, change, hashed=True) -> Path:
    """The folder with its bundle.json changed, and hashed again as a careful forger would."""
    about = json.loads((path / "bundle.json").read_bytes())
    change(about)
    if hashed:
        about["sha256"] = parts.sha256(parts.canonical(about))
    (path / "bundle.json").write_text(json.dumps(about))
    return path


def with_part(path: Path, name: str, data: bytes) -> Path:
    (path / name).write_bytes(data)
    noted = {"bytes": len(data), "sha256": parts.sha256(data)}
    return rewritten(path, lambda about: about["parts"].update({name: noted}))


def zip_of(path: Path, entries) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in entries:
            archive.writestr(entry, data)
    return path


def test_everything_written_comes_back(saved):
    back = bundle.read(saved)
    assert back.kind == "pca" and back.facts == {"score": 0.5} and back.path == saved
    assert back.plan == PLAN | {"shape": [8, 8]}
    assert same(back.tensors, TENSORS) and same(back.golden, GOLDEN)


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "f4", "f8"]
)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)])
def test_arrays_of_every_kind_and_shape_come_back_bit_for_bit(tmp_path, dtype, shape):
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    back = bundle.read(bundle.write(tmp_path / "b.zip", "x", {}, {"a": np.asarray(array)}))
    assert same(back.tensors, {"a": np.asarray(array)}) and back.golden == {}


def test_views_foreign_byte_order_and_special_numbers_come_back_as_values(tmp_path):
    base = np.arange(12.0).reshape(3, 4)
    odd = {"turned": base.T, "every_second": base[:, ::2], "fortran": np.asfortranarray(base)}
    odd |= {"big": base.astype(">f8"), "special": np.array([np.nan, np.inf, -0.0])}
    back = bundle.read(bundle.write(tmp_path / "b", "x", {}, odd)).tensors
    for name, array in odd.items():
        np.testing.assert_array_equal(back[name], array)
    assert np.signbit(back["special"][2])


def test_plan_numbers_that_json_lacks_come_back(tmp_path):
    facts = {"loss": np.nan, "best": np.inf, "list": (np.float32(0.5), np.int64(3), -np.inf, np.bool_(True))}
    path = bundle.write(tmp_path / "b", "x", {}, {}, facts=facts)
    back = bundle.read(path).facts
    assert np.isnan(back["loss"]) and back["best"] == np.inf and back["list"] == [0.5, 3, -np.inf, True]
    json.loads((path / "bundle.json").read_bytes(), parse_constant=pytest.fail)


@pytest.mark.parametrize("odd", [{1: 2}, np.ones(2), {1, 2}, {"$float": 1}, b"x"])
def test_a_plan_that_json_cannot_hold_is_a_wrong_call(tmp_path, odd):
    with pytest.raises(TypeError):
        bundle.write(tmp_path / "b", "x", {"a": odd}, {})
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("tensor", [np.array(["a"]), np.array([object()]), [1.0], np.ones(2, complex)])
def test_a_tensor_that_is_no_array_of_numbers_is_a_wrong_call(tmp_path, tensor):
    with pytest.raises(TypeError, match="tensor 'a'"):
        bundle.write(tmp_path / "b", "x", {}, {"a": tensor})


def test_equal_contents_give_equal_bytes(tmp_path):
    one, two = (bundle.write(tmp_path / name, "pca", PLAN, TENSORS, GOLDEN) for name in ("1.zip", "2.zip"))
    assert one.read_bytes() == two.read_bytes()
    assert bundle.size_bytes(one) == one.stat().st_size


def test_size_counts_the_three_parts_only(folder):
    size = bundle.size_bytes(folder)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.zip").write_bytes(bytes(1000))
    assert bundle.size_bytes(folder) == size == sum((folder / name).stat().st_size for name in PARTS)


def test_writing_again_replaces_and_leaves_no_trace(saved):
    bundle.write(saved, "pca", {}, {"new": np.zeros(2)})
    assert list(bundle.read(saved).tensors) == ["new"]
    assert [one.name for one in saved.parent.iterdir()] == [saved.name]


def test_checkpoints_and_lock_in_a_folder_stay_and_are_passed_over(folder):
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "kept.pkl").write_bytes(b"x")
    (folder / ".lock").touch()
    bundle.write(folder, "pca", {}, {})
    assert (folder / "checkpoints" / "kept.pkl").exists() and (folder / ".lock").exists()
    assert bundle.read(folder).plan == {}


def test_a_folder_that_holds_something_else_is_never_written_into(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "d.zip").mkdir()
    for path in (tmp_path, tmp_path / "notes.txt", tmp_path / "d.zip"):
        with pytest.raises(BundleError, match="choose another path"):
            bundle.write(path, "x", {}, {})
    assert sorted(one.name for one in tmp_path.iterdir()) == ["d.zip", "notes.txt"]


def test_a_folder_cut_short_is_refused_and_can_be_written_again(folder):
    (folder / "bundle.json").unlink()
    with pytest.raises(BundleError, match=r"holds no bundle\.json"):
        bundle.read(folder)
    (folder / "checkpoints").mkdir()
    with pytest.raises(BundleError, match="it continues"):
        bundle.read(folder)
    assert bundle.read(bundle.write(folder, "pca", PLAN, TENSORS)).kind == "pca"


def test_nothing_there_is_said_with_the_path(tmp_path):
    with pytest.raises(BundleError, match=r"there is no bundle at .*gone"):
        bundle.read(tmp_path / "gone")
    (tmp_path / "empty.zip").touch()
    with pytest.raises(BundleError, match="is not a bundle"):
        bundle.read(tmp_path / "empty.zip")


@pytest.mark.parametrize("name", PARTS)
def test_a_missing_truncated_or_altered_part_is_named(folder, name):
    whole = (folder / name).read_bytes()
    for data in (b"", whole[:-1], whole + b" ", whole[: len(whole) // 2], whole[:-9] + b"!" + whole[-8:]):
        (folder / name).write_bytes(data)
        if name == "bundle.json" and data == whole + b" ":
            continue  # white space around JSON means nothing
        with pytest.raises(BundleError, match="saved"):
            bundle.read(folder)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        bundle.read(folder)


@pytest.mark.parametrize("name", ["x.pkl", "run.py", "weights.pt", "bundle.json.bak", ".git"])
def test_anything_a_bundle_never_holds_is_named(folder, tmp_path, name):
    entries = [(part, (folder / part).read_bytes()) for part in PARTS] + [(name, b"")]
    (folder / name).touch()
    for path in (folder, zip_of(tmp_path / "b.zip", entries)):
        with pytest.raises(BundleError, match=f"carries '{name}', which a bundle never holds"):
            bundle.read(path)


def test_a_newer_format_names_who_wrote_it_and_asks_to_upgrade(folder):
    rewritten(folder, lambda about: about.update(format=9, written_by="codelayer 7.1", more={}), hashed=False)
    (folder / "new_part").touch()
    with pytest.raises(BundleError, match=r"codelayer 7\.1 in format 9; .*up to 1\n  upgrade"):
        bundle.read(folder)


CHANGES = [{"format": 0}, {"format": "1"}, {"kind": None}, {"plan": []}, {"extra": 1}, {"parts": {}}]
CHANGES += [{"parts": {"bundle.json": {}, "x.pkl": {}}}, {"parts": {"weights.safetensors": 3, "golden.safetensors": 3}}]


@pytest.mark.parametrize("change", CHANGES)
def test_a_bundle_json_of_another_make_is_refused_even_when_hashed(folder, change):
    with pytest.raises(BundleError):
        bundle.read(rewritten(folder, lambda about: about.update(change)))


@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[1]", b'{"format": 1, "format": 1}', b"[" * 100_000, b'{"a":' * 70 + b"1" + b"}" * 70, b"\xff",
     b"1" * 10_000, b'{"format": NaN}', b'{"format": 1e999}', b'{"$float": []}'],
)  # fmt: skip
def test_hostile_json_is_refused(folder, text):
    (folder / "bundle.json").write_bytes(text)
    with pytest.raises(BundleError):
        bundle.read(folder)


def test_an_oversized_json_is_refused_before_it_is_read(folder):
    with open(folder / "bundle.json", "r+b") as file:
        file.truncate(bundle.MAX_BYTES["bundle.json"] + 1)
    with pytest.raises(BundleError, match="at most"):
        bundle.read(folder)


def header(text: bytes, length: int | None = None, payload: bytes = b"") -> bytes:
    return (len(text) if length is None else length).to_bytes(8, "little") + text + payload


ENTRY = b'{"dtype":"F32","shape":[%s],"data_offsets":[0,8]}'


ONE = b'{"a":' + ENTRY % b"2" + b"}"
MANY = b"{" + b",".join(b'"%d":' % i + ENTRY % b"2" for i in range(10_001)) + b"}"
WEIGHTS = [b"", b"\x00" * 7, header(b"{}", 2**63), header(b"{}", 1000), header(b"[" * 5000 + b"]" * 5000)]
WEIGHTS += [header(ONE, payload=bytes(9)), header(ONE.replace(b"F32", b"PYTHON"), payload=bytes(8))]
WEIGHTS += [header(ONE.replace(b"[2]", shape), payload=bytes(8)) for shape in (b"[3]", b"[4611686018427387904,4]")]
WEIGHTS += [header(ONE[:-1] + b"," + ONE[1:], payload=bytes(8)), header(MANY, payload=bytes(8))]


@pytest.mark.parametrize("data", WEIGHTS, ids=range(len(WEIGHTS)))
def test_hostile_weights_are_refused_even_when_hashed(folder, data):
    with pytest.raises(BundleError):
        bundle.read(with_part(folder, "weights.safetensors", data))


@pytest.mark.skipif(os.name == "nt", reason="links and devices of POSIX")
def test_a_part_that_is_a_link_or_a_pipe_is_refused(folder, tmp_path):
    for name in PARTS:
        shutil.move(folder / name, tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
        with pytest.raises(BundleError, match="is a link"):
            bundle.read(folder)
        (folder / name).unlink()
        shutil.move(tmp_path / name, folder / name)
    (folder / "weights.safetensors").unlink()
    os.mkfifo(folder / "weights.safetensors")
    with pytest.raises(BundleError, match="is a link"):
        bundle.read(folder)


@pytest.mark.parametrize("name", ["../bundle.json", "/etc/bundle.json", "a/../bundle.json", "C:\\bundle.json", "x/"])
def test_a_zip_with_names_that_lead_elsewhere_is_refused(folder, tmp_path, name):
    entries = [(part, (folder / part).read_bytes()) for part in PARTS] + [(name, b"x" if name[-1] != "/" else b"")]
    with pytest.raises(BundleError, match="never holds"):
        bundle.read(zip_of(tmp_path / "b.zip", entries))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_name_twice_a_link_or_compression_is_refused(folder, tmp_path):
    entries = [(part, (folder / part).read_bytes()) for part in PARTS]
    with pytest.raises(BundleError, match="twice"):
        bundle.read(zip_of(tmp_path / "twice.zip", [*entries, entries[0]]))
    link = zipfile.ZipInfo("weights.safetensors")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(BundleError, match="link"):
        bundle.read(zip_of(tmp_path / "link.zip", [*entries[:2], (link, b"/etc/passwd")]))
    packed = zipfile.ZipInfo("weights.safetensors")
    packed.compress_type = zipfile.ZIP_DEFLATED
    with pytest.raises(BundleError, match="unpack it and give the folder"):
        bundle.read(zip_of(tmp_path / "bomb.zip", [*entries[:2], (packed, bytes(1 << 22))]))


def test_a_zip_that_says_encrypted_lies_about_sizes_or_follows_a_script_is_refused(folder, tmp_path):
    path = bundle.write(tmp_path / "b.zip", "x", {}, TENSORS)
    whole = path.read_bytes()
    first = whole.index(b"PK\x01\x02")
    huge = (2**32 - 2).to_bytes(4, "little")
    encrypted = whole[: first + 8] + b"\x01\x00" + whole[first + 10 :]
    longer = whole[: first + 24] + huge + whole[first + 28 :]
    both = whole[: first + 20] + huge * 2 + whole[first + 28 :]
    for data in (encrypted, longer, both, b"#!/bin/sh\nexit\n" + whole):
        path.write_bytes(data)
        with pytest.raises(BundleError):
            bundle.read(path)


def mutated(content: bytes, data) -> bytes:
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        content = content[:at] + data.draw(st.binary(max_size=8)) + content[at + data.draw(st.integers(0, 8)) :]
    return content


@settings(deadline=None, max_examples=40, derandomize=True)
@given(data=st.data())
def test_weights_mutated_and_hashed_again_give_arrays_or_a_bundle_error(tmp_path_factory, data):
    path = bundle.write(tmp_path_factory.mktemp("forged") / "f", "pca", {}, TENSORS)
    with_part(path, "weights.safetensors", mutated((path / "weights.safetensors").read_bytes(), data))
    with contextlib.suppress(BundleError):
        assert all(isinstance(array, np.ndarray) for array in bundle.read(path).tensors.values())


@settings(deadline=None, max_examples=50, derandomize=True)
@given(data=st.data())
def test_mutated_bytes_give_equal_content_or_a_bundle_error(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("fuzz")
    both = [root / "z.zip", root / "f"]
    path, folder = (bundle.write(one, "pca", PLAN, TENSORS, GOLDEN, {"loss": np.inf}) for one in both)
    target = data.draw(st.sampled_from([path, *(folder / name for name in PARTS)]))
    target.write_bytes(mutated(target.read_bytes(), data))
    try:
        back = bundle.read(path if target == path else folder)
    except BundleError:
        return
    assert same(back.tensors, TENSORS) and same(back.golden, GOLDEN)
    assert back.plan == PLAN | {"shape": [8, 8]} and back.facts == {"loss": float("inf")} and back.kind == "pca"


def test_restore_finds_the_class_of_a_kind_or_the_closest_name(folder, monkeypatch):
    monkeypatch.setitem(bundle.find.__globals__["PARTS"], "kind", {})

    @bundle.kind("pca")
    class Home:
        @classmethod
        def from_bundle(cls, saved):
            return saved.plan["seed"], saved.plan["objective"]

    read = bundle.read(folder)
    assert bundle.restore(read) == (7, "mask(0.3) + l1(0.001)")
    read.plan.pop("seed")
    with pytest.raises(BundleError, match="KeyError"):
        bundle.restore(read)
    read.kind = "pcs"
    with pytest.raises(BundleError, match="did you mean 'pca'"):
        bundle.restore(read)


def in_new_process(code: str, *args: Path, limit: int | None = None) -> subprocess.CompletedProcess:
    limited = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({limit}, {limit}))\n" if limit else ""
    command = [sys.executable, "-c", limited + code, *map(str, args)]
    return subprocess.run(command, env=ENV, capture_output=True, text=True, check=False)


def test_another_process_reads_the_same_bits_without_torch_or_sklearn(saved):
    code = "import sys; from codelayer import bundle; b = bundle.read(sys.argv[1])\n"
    code += "print(b.tensors['encoder.0'].tobytes().hex(), {'torch', 'sklearn', 'pandas'} & set(sys.modules))"
    done = in_new_process(code, saved)
    assert done.stdout.split() == [TENSORS["encoder.0"].tobytes().hex(), "set()"], done.stderr


def test_a_disk_that_has_no_room_keeps_the_old_bundle(saved):
    code = "import sys, numpy as np; from codelayer import bundle\n"
    code += "bundle.write(sys.argv[1], 'pca', {}, {'big': np.zeros(1_000_000)})"
    done = in_new_process(code, saved, limit=100_000)
    assert "RunError: the disk is full" in done.stderr and "it continues" in done.stderr
    assert bundle.read(saved).facts == {"score": 0.5}
    assert [one.name for one in saved.parent.iterdir()] == [saved.name]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_and_a_forbidden_place_are_told_apart(tmp_path):
    with pytest.raises(RunError, match="the disk is full"), bundle.writing(tmp_path):
        Path("/dev/full").write_bytes(b"x")
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        bundle.write(tmp_path / "file" / "b", "x", {}, {})


def test_a_writer_killed_at_any_moment_leaves_the_old_bundle_the_new_one_or_none(folder):
    code = "import sys, numpy as np; from codelayer import bundle\nprint('go', flush=True)\n"
    code += "for i in range(100_000): bundle.write(sys.argv[1], 'pca', {'i': i}, {'a': np.full(10_000, i)})"
    command = [sys.executable, "-c", code, str(folder)]
    for wait in (0.02, 0.05, 0.11):
        with subprocess.Popen(command, env=ENV, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None and writer.stdout.readline() == "go\n"
            with pytest.raises(subprocess.TimeoutExpired):
                writer.wait(wait)
            writer.kill()
        try:
            back = bundle.read(folder)
        except BundleError as error:
            assert "holds no bundle.json" in str(error)
        else:
            assert "i" not in back.plan or (back.tensors["a"] == back.plan["i"]).all()
