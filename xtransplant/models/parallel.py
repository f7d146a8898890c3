"""Tensor parallelism: each process started by torchrun holds a part of every matrix of the model.

All processes compute the same rows. Only the first one writes results.
"""

from __future__ import annotations

import atexit
import os
from typing import Any, TypeVar

import torch
from torch import distributed
from transformers.distributed.configuration_utils import DistributedConfig

from xtransplant.errors import ConfigError, ModelError

T = TypeVar("T")


def n_processes() -> int:
    """Return the number of processes that share the model; 1 without torchrun."""
    return int(os.environ["WORLD_SIZE"]) if distributed.is_torchelastic_launched() else 1


def is_first() -> bool:
    """Return whether this process writes results and messages."""
    return n_processes() == 1 or os.environ["RANK"] == "0"


def placement(device: torch.device, device_map: str | None, config: Any) -> dict[str, Any]:
    """Return transformers' arguments that place the weights: on devices, or by a parallel plan.

    Raises:
        ConfigError: `device_map` is used together with torchrun.
        ModelError: torchrun is used, but transformers has no plan for the architecture.
    """
    if n_processes() == 1:
        return {"device_map": device_map or str(device)}
    if device_map:
        raise ConfigError(
            f"device_map={device_map} spreads layers in one process, and torchrun started "
            f"{n_processes()}; leave out one of them"
        )
    plans = [getattr(c, "base_model_tp_plan", None) for c in (config, config.get_text_config())]
    if not any(plans):
        raise ModelError(
            f"transformers has no plan for sharing the matrices of model type "
            f"{config.model_type!r} among {n_processes()} processes; start one process without "
            "torchrun, with device_map=auto if one device cannot hold the model"
        )
    _join()
    return {"distributed_config": DistributedConfig(tp_plan="auto")}


def from_first(value: T) -> T:
    """Return the first process's value in all of them."""
    if n_processes() == 1:
        return value
    _join()
    values: list[Any] = [value]
    distributed.broadcast_object_list(values, src=0)
    received: T = values[0]
    return received


def _join() -> None:
    if distributed.is_initialized():
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl"
    distributed.init_process_group(backend)
    atexit.register(distributed.destroy_process_group)
