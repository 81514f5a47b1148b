"""What a stopped layer transfer has finished: source nets and outcomes, in the folder of its run.

Reads  STATE/source-SEED.safetensors, STATE/outcomes.jsonl.
Gives  `LayerState`: what is there, and adding to it.
Skips  whether it is the same run: `RunFolder` compares. A last line that was cut short counts for nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from ..bundle import write_atomic, writing
from ..nets.backbone import Backbone
from .copies import Learned

HEAD = ("head weight", "head bias")


class LayerState:
    """Finished parts of a run.

    folder  where they are kept; None keeps nothing
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._found: dict[tuple[int, int, str], tuple[np.ndarray, float, float]] = {}
        if folder is not None and (folder / "outcomes.jsonl").exists():
            self._read(folder / "outcomes.jsonl")

    def _read(self, path: Path) -> None:
        good = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                one = json.loads(line)
                bits = np.unpackbits(np.frombuffer(bytes.fromhex(one["right"]), np.uint8))[: one["rows"]].astype(bool)
                choose = float("nan") if one["choose"] is None else float(one["choose"])
                self._found[one["seed"], one["labels"], one["treatment"]] = (bits, choose, float(one["seconds"]))
            except (ValueError, KeyError, TypeError):  # cut short when the run was killed: it is done again
                continue
            good.append(line)
        write_atomic(path, "".join(f"{line}\n" for line in good).encode())

    def outcome(self, seed: int, labels: int, treatment: str) -> tuple[np.ndarray, float, float] | None:
        """(right, choose, seconds) of a finished treatment."""
        return self._found.get((seed, labels, treatment))

    def keep_outcome(
        self, seed: int, labels: int, treatment: str, right: np.ndarray, choose: float, seconds: float
    ) -> None:
        """Note a finished treatment, once."""
        if self.folder is None or (seed, labels, treatment) in self._found:
            return
        self._found[seed, labels, treatment] = (right, choose, seconds)
        one: dict[str, Any] = {"seed": seed, "labels": labels, "treatment": treatment, "seconds": seconds}
        one |= {"choose": choose if np.isfinite(choose) else None, "rows": len(right)}
        one["right"] = np.packbits(right).tobytes().hex()
        with writing(self.folder), (self.folder / "outcomes.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(one) + "\n")

    def source(self, seed: int, shape: Backbone, classes: np.ndarray) -> Learned | None:
        """A finished source net, or None where there is none or it is damaged."""
        path = None if self.folder is None else self.folder / f"source-{seed}.safetensors"
        if path is None or not path.exists():
            return None
        try:
            arrays = load(path.read_bytes())
            weight, bias = (arrays.pop(name) for name in HEAD)
            net = shape.copy()
            net.net.load_state_dict({name: torch.from_numpy(one) for name, one in arrays.items()})
        except (SafetensorError, KeyError, RuntimeError, ValueError):  # it is trained again, to the same bits
            return None
        net.trained = net.calibrated = True
        return Learned(net, weight, bias, classes)

    def keep_source(self, seed: int, found: Learned) -> None:
        """Write a source net."""
        if self.folder is None:
            return
        state = {name: one.detach().numpy() for name, one in found.net.net.state_dict().items()}
        arrays = {**state, HEAD[0]: found.weight, HEAD[1]: found.bias}
        data = save({name: np.ascontiguousarray(one) for name, one in arrays.items()})
        write_atomic(self.folder / f"source-{seed}.safetensors", data)
