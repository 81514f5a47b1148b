"""Before anything is allocated: does this net with its training fit into memory?

Reads  plan, objective and net; what memory the machine has left.
Gives  a refusal that names the bytes, where even the least a training takes is more than that.
Skips  the rows (they are there already), what layers between input and code keep for the gradient, the projector of
       views(): the estimate is a lower bound, so that nothing is refused that would fit.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from ..errors import SentenceError
from ..nets import Plan
from ..objective import Objective

COPIES = 4  # weight, gradient and Adam's two moments (Kingma and Ba 2015, algorithm 1)
NUMBER = 4  # bytes of a float32
CGROUP = Path("/sys/fs/cgroup")


def least_bytes(plan: Plan, objective: Objective, net: Any, batch: int) -> tuple[int, int]:
    """(bytes of weights, gradients and moments; bytes of one batch and its codes), at least. Nothing is allocated."""
    outputs = objective.outputs(plan)
    with torch.device("meta"):
        made = net.build(plan, outputs, objective.loss is not None)
    weights = sum(one.numel() for one in made.parameters())
    per_row = plan.features + outputs + plan.code_size
    return COPIES * NUMBER * weights, NUMBER * batch * per_row


def available_bytes(device: str) -> int | None:
    """What the device has left, or None where that cannot be told."""
    place = torch.device(device)
    if place.type == "cuda":
        return torch.cuda.mem_get_info(place)[0]
    return None if place.type != "cpu" else _host_bytes(Path("/proc/meminfo"), CGROUP)


def _host_bytes(meminfo: Path, cgroup: Path) -> int | None:
    found = [_unused(meminfo), _below_limit(cgroup)]
    known = [one for one in found if one is not None]
    if known:
        return min(known)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _unused(meminfo: Path) -> int | None:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)
    except (OSError, ValueError, IndexError):
        return None


def _below_limit(cgroup: Path) -> int | None:
    """What a container may still take; files in its cache can be given up."""
    try:
        most, used = (int((cgroup / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        stat = (cgroup / "memory.stat").read_text(encoding="ascii").splitlines()
        cached = next((int(line.split()[1]) for line in stat if line.startswith("file ")), 0)
    except (OSError, ValueError, IndexError):  # no container, or "max"
        return None
    return max(0, most - used + cached)


def check_memory(plan: Plan, objective: Objective, net: Any, batch: int, device: str) -> None:
    """Refuse a net whose training cannot fit.

    errors  SentenceError with the estimate, what is available and what to make smaller
    """
    weights, rows = least_bytes(plan, objective, net, batch)
    available = available_bytes(device)
    if available is None or weights + rows <= available:
        return
    problem = (
        f"code_size={plan.code_size} with {plan.features} encoded features takes at least "
        f"{(weights + rows) / 1e9:.3g} GB (weights with gradients and Adam's moments {weights / 1e9:.3g} GB, "
        f"a batch of {batch} rows {rows / 1e9:.3g} GB), but {available / 1e9:.3g} GB are available"
    )
    smaller = "a smaller code_size or narrower net" if weights >= rows else "a smaller batch_size or code_size"
    raise SentenceError(problem, f"choose {smaller}, or free memory")


def check_dictionary(code_size: int, features: int) -> None:
    """Refuse a dictionary whose atoms, and what it remembers of all codes, cannot fit.

    errors  SentenceError with the estimate and what is available
    """
    taken, available = NUMBER * code_size * (2 * features + 3 * code_size), available_bytes("cpu")
    if available is not None and taken > available:
        raise SentenceError(
            f"code_size={code_size} with {features} encoded features takes at least {taken / 1e9:.3g} GB, "
            f"but {available / 1e9:.3g} GB are available",
            "choose a smaller code_size, or free memory",
        )
