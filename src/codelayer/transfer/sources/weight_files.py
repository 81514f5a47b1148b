"""Weights of a net that a library builds: read from safetensors, compared with the net, fetched from a hub.

Reads  a path, or a repository of the Hugging Face hub and a file's name in it.
Gives  tensors by name, put into a net, or the first name that does not fit.
Skips  pickles, which are refused before they are opened.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ...bundle.onnxfile import library
from ...errors import BundleError, CodelayerError, DataError
from ..files import checked_file

SECONDS = 5  # to find out whether a hub can be reached at all
COUNTER = "num_batches_tracked"  # of batch normalisation; some files leave it out, nothing reads it
SUFFIX = ".safetensors"


def split_file(rest: str) -> tuple[str, str]:
    """NAME and FILE of "NAME@FILE"; FILE is "" where there is none."""
    name, _, file = rest.partition("@")
    return name, file


def read_tensors(text: str) -> dict[str, Tensor]:
    """The tensors in "PATH.safetensors" or "PATH.safetensors#sha256=HEX".

    errors  DataError: no such file; BundleError: a pickle, another hash, no safetensors, half of a file
    """
    path = checked_file(text)
    if path.suffix.lower() != SUFFIX:
        raise DataError(f"{path} is no file of weights", f"give a {SUFFIX} file")
    try:
        return load_file(path)
    except (safetensors.SafetensorError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}", "fetch it again: it may be half of it") from None


def put(net: nn.Module, tensors: Mapping[str, Tensor], name: str, file: str) -> None:
    """Fill a net with tensors that have exactly its names and shapes.

    errors  BundleError with the first that does not fit
    """
    state = net.state_dict()
    for key, value in state.items():
        if key not in tensors:
            if key.endswith(COUNTER):
                continue
            wrong = f"it lacks {key} {tuple(value.shape)}"
        elif tensors[key].shape != value.shape:
            wrong = f"{key} has shape {tuple(tensors[key].shape)} there, {tuple(value.shape)} in the net"
        elif tensors[key].is_floating_point() and not bool(torch.isfinite(tensors[key]).all()):
            wrong = f"{key} holds values that are not finite"
        else:
            continue
        raise not_for(file, name, wrong)
    extra = [key for key in tensors if key not in state]
    if extra:
        raise not_for(file, name, f"the net has no {extra[0]} {tuple(tensors[extra[0]].shape)}")
    net.load_state_dict(dict(tensors), strict=False)


def not_for(file: str, name: str, wrong: str) -> BundleError:
    """The error of weights that belong to another net."""
    return BundleError(f"{file} is not for {name}: {wrong}", "name the net that these weights were saved from")


def hub_file(repository: str, file: str, name: str, instead: str) -> Path:
    """A file of the Hugging Face hub, from the cache or fetched.

    name     of the backbone, for the error
    instead  what to do without a network
    errors   CodelayerError: the hub cannot be reached within SECONDS, or does not have the file
    """
    hub: Any = library("huggingface_hub", "timm")
    cached = hub.try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Path(cached)
    if not _reachable(hub):
        raise CodelayerError(f"the weights of {name} are not on this machine and the network is not there", instead)
    try:
        return Path(hub.hf_hub_download(repository, file, etag_timeout=SECONDS))
    except Exception as error:  # the hub's client has many, of several libraries; all mean that there is no file
        reason = " ".join(str(error).split())[:200]
        raise CodelayerError(f"{file} of {repository} could not be fetched ({reason})", instead) from None


def _reachable(hub: Any) -> bool:
    """Whether the hub answers at all, whatever it says; its own client would try for most of a minute."""
    constants = hub.constants
    if constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "0") not in ("0", ""):
        return False
    if not constants.ENDPOINT.startswith(("https://", "http://")):
        return False
    try:
        with urllib.request.urlopen(constants.ENDPOINT, timeout=SECONDS):
            return True
    except urllib.error.HTTPError:
        return True
    except (OSError, ValueError):
        return False
