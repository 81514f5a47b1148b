"""A run folder: what lets a stopped `learn` or `study` continue, and keeps two of them out of one folder.

    RUN/checkpoints/.lock     held by the operating system while a process works here; dies with that process
    RUN/checkpoints/run.json  options, fingerprint of the data, finished or not
    RUN/checkpoints/...       whatever the caller needs to continue
    RUN/...                   the results

Reads  options (plain JSON) and a fingerprint of the data, and compares them with those of the run found there.
Gives  `RunFolder` (resumed? done?), and `write_atomic` for every file that a crash must not leave half-written.
Skips  the checkpoints themselves: they are bundles (`codelayer.bundle`) and belong to the loop.

    with RunFolder(out, {"command": "learn", "epochs": 10}, fingerprint, finished=noted) as run:
        if not run.done:
            ...                                 # continue from run.state when run.resumed
            bundle.write(out, ..., facts={"run": run.record})
            run.finish(remove_state=True)       # RUN is now a bundle and nothing else

A run that an error with `gives_up` ended (it diverged) goes on with the same options, and begins anew with others.

where `noted()` gives `bundle.read(out).facts.get("run")`, or None while out holds no bundle.json.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from .. import bundle
from ..bundle import from_json, plain, write_atomic, writing
from ..errors import BundleError, CodelayerError, RunError

__all__ = ["STATE", "RunFolder", "noted_run", "write_atomic"]

STATE = "checkpoints"
OTHER = "choose another --out or repeat the options"
Finished = Callable[[], Mapping[str, Any] | None] | Mapping[str, Any] | None


class RunFolder:
    """One output folder, locked for this process until `close` (or the end of the `with`).

    path         the folder; made when missing
    options      plain JSON, compared name by name with those of the run that is there
    fingerprint  of the data, any text
    keep_lock    False lets go of the lock as soon as the comparison is made
    finished     what a finished folder without state notes about itself ({"options", "fingerprint"}), or a
                 function that reads it; with it an equal run is `done`, and what is left of its state is removed

    state    Path of RUN/checkpoints, where the caller keeps what it needs to continue
    resumed  an equal run was found here, finished or not
    done     that run is complete: there is nothing left to do
    record   {"options", "fingerprint"}: put it into the facts of the bundle that ends the run

    errors  RunError: another process works here, another run or foreign files are here, the disk refuses
    """

    def __init__(
        self,
        path: str | Path,
        options: Mapping[str, Any],
        fingerprint: str,
        keep_lock: bool = True,
        finished: Finished = None,
    ) -> None:
        self.path = Path(path)
        self.state = self.path / STATE
        same = from_json(json.dumps(plain(options)).encode())  # tuples are lists, as they will be when read back
        self.record: dict[str, Any] = {"options": same, "fingerprint": fingerprint}
        self.resumed = self.done = False
        self._lock: int | None = None
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path} is a file, not a folder", "choose another --out")
        self._finished = finished
        noted = self._noted()
        if noted is not None and not self.state.exists():
            self._compare(noted)
            self.done = True
            return
        if noted is None:
            self._refuse_foreign()
        with writing(self.path):
            self.state.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.state / ".lock", self.path)
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        if not keep_lock:
            self.close()

    def finish(self, remove_state: bool = False) -> None:
        """Note that the run is complete; with `remove_state` its checkpoints, record and lock go, and it is closed.

        Call it when the results are on the disk: cut short at any moment, the next RunFolder sees `done` and ends it.
        """
        self.done = True
        if self.state.is_dir():
            self._note(finished=True, remove=remove_state)
        if remove_state:
            self._remove_state()

    def close(self) -> None:
        """Let go of the lock; the folder stays as it is."""
        if self._lock in _HELD:
            _HELD.discard(self._lock)
            os.close(self._lock)
        self._lock = None

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if getattr(error, "gives_up", False) and self.state.is_dir():
            self._note(finished=False, remove=False, given_up=True)
        elif isinstance(error, CodelayerError) and not self.resumed:
            self._undo()
        self.close()

    def _undo(self) -> None:
        """Forget a run that was refused before it made anything, so that the mended command is not held against it."""
        if self.state.is_dir() and {entry.name for entry in self.state.iterdir()} <= {"run.json", ".lock"}:
            self._remove_state()
            with suppress(OSError):  # what else lies there is not ours
                self.path.rmdir()

    def _noted(self) -> Mapping[str, Any] | None:
        """What the finished folder notes about itself; a bundle cut short counts for nothing while state is there."""
        try:
            noted = self._finished() if callable(self._finished) and self.path.exists() else self._finished
        except BundleError:
            if not self.state.exists():
                raise
            return None
        return noted if isinstance(noted, Mapping) else None

    def _open(self) -> None:
        for left in self.state.glob(".*.tmp"):  # written halfway when the process was killed
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        found, noted = _read(self.state / "run.json"), self._noted()
        if found is None and noted is None:
            self._note(finished=False, remove=False)
            return
        try:
            self._compare(found if found is not None else noted or {})
        except RunError:
            if noted is not None or found is None or found.get("given_up") is not True:
                raise
            self._begin_anew()
            return
        self.done = noted is not None or (found or {}).get("finished") is True
        if noted is not None or (found or {}).get("remove") is True:
            self._remove_state()

    def _begin_anew(self) -> None:
        """Of a run that was given up only what can be loaded by itself is kept beside the new one."""
        for entry in self.state.iterdir():
            if entry.name.startswith("training"):
                entry.unlink()
        self._note(finished=False, remove=False)

    def _note(self, finished: bool, remove: bool, given_up: bool = False) -> None:
        noted = self.record | {"finished": finished, "remove": remove, "given_up": given_up}
        write_atomic(self.state / "run.json", json.dumps(plain(noted), indent=1).encode())

    def _compare(self, found: Mapping[str, Any]) -> None:
        before, asked = found.get("options"), self.record["options"]
        if not isinstance(before, Mapping):
            raise RunError(f"{self.path} holds a run whose options cannot be read", "choose another --out")
        for name in [*asked, *(one for one in before if one not in asked)]:
            if name not in before or name not in asked or plain(before[name]) != plain(asked[name]):
                was, now = _said(before, name), _said(asked, name)
                raise RunError(f"{self.path} holds a run with {was}, now {now} was asked", OTHER)
        if found.get("fingerprint") != self.record["fingerprint"]:
            was, now = str(found.get("fingerprint"))[:16], self.record["fingerprint"][:16]
            raise RunError(f"{self.path} holds a run on other data ({was}, now {now})", "choose another --out")
        self.resumed = True

    def _refuse_foreign(self) -> None:
        if (self.state / "run.json").exists() or not self.path.exists():
            return
        inside = [one.name for one in self.path.iterdir() if one.name != STATE]
        if self.state.is_dir():
            inside += [f"{STATE}/{one.name}" for one in self.state.iterdir() if one.name[0] != "."]
        if inside:
            problem = f"{self.path} is not empty and holds no run: {min(inside)!r} is in it"
            raise RunError(problem, "choose another --out: a folder that is new or empty")

    def _remove_state(self) -> None:
        """Remove RUN/checkpoints: the record last but one, so that a removal cut short is seen as finished."""
        with writing(self.state):
            for entry in self.state.iterdir() if self.state.is_dir() else ():
                if entry.name not in ("run.json", ".lock"):
                    shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
            (self.state / "run.json").unlink(missing_ok=True)
            if os.name == "nt":
                self.close()
            (self.state / ".lock").unlink(missing_ok=True)
            with suppress(OSError):  # a process that waited may have made its own lock in here
                self.state.rmdir()
        self.close()


_HELD: set[int] = set()


def noted_run(path: Path) -> Mapping[str, Any] | None:
    """What a finished run notes about itself in its bundle, or None where there is none."""
    if not (path / bundle.ABOUT).exists():
        return None
    return bundle.read(path).facts.get("run")


def _let_go() -> None:
    for handle in _HELD:
        os.close(handle)
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    # a forked worker shares the lock: without this an orphan would hold it after the run itself was killed
    os.register_at_fork(after_in_child=_let_go)


def _locked(file: Path, folder: Path) -> int:
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _take(handle)
            # a run that ended in between has removed this file: then the lock is on nothing, and is taken anew
            if os.path.exists(file) and os.path.samestat(os.fstat(handle), os.stat(file)):
                os.ftruncate(handle, 0)
                os.write(handle, f"{os.getpid()}\n".encode())
                _HELD.add(handle)
                return handle
        except (BlockingIOError, PermissionError):
            owner = ""
            with suppress(OSError, ValueError):
                owner = f" (process {int(file.read_text())})"
            os.close(handle)
            remedy = "wait for it to end, or choose another --out"
            raise RunError(f"{folder} is in use by another codelayer run{owner}", remedy) from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _take(handle: int) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found = from_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{file} cannot be read: {error}", "choose another --out") from error
    if not isinstance(found, dict):
        raise RunError(f"{file} is not the record of a run", "choose another --out")
    return found


def _said(options: Mapping[str, Any], name: str) -> str:
    return f"{name}={options[name]!r}" if name in options else f"no {name}"
