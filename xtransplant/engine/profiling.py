"""Measurements: rows, seconds and memory of a block of work, and speeds of matrix products."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CDLL
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from xtransplant.models.families import Model
from xtransplant.models.hooks import Hook, hooks

MATMUL_SECONDS = 2.0
"""Minimum time for which matrix products are repeated to measure their speed."""


@dataclass
class Work:
    """The measurements of a block of work; complete when the block has ended.

    Attributes:
        rows: number of single-token rows that went through each decoder layer.
        rows_per_batch: maximum number of rows that went through the last layer at once.
        seconds: wall time.
        peak_bytes: peak memory beyond what was in use before; None if the system does not report
            it.
    """

    rows: list[int]
    rows_per_batch: int = 0
    seconds: float = 0.0
    peak_bytes: int | None = None


@contextmanager
def measured(model: Model) -> Iterator[Work]:
    """Measure the work that a block does with a model."""
    work = Work(rows=[0] * model.n_layers)

    def counter(layer: int) -> Hook:
        def count(hidden: torch.Tensor) -> None:
            if hidden.shape[1] == 1:
                work.rows[layer] += hidden.shape[0]
                if layer == model.n_layers - 1:
                    work.rows_per_batch = max(work.rows_per_batch, hidden.shape[0])

        return count

    before = _reset_peak(model.device)
    with hooks(on_output=[(part, counter(layer)) for layer, part in enumerate(model.layers)]):
        start = time.perf_counter()
        yield work
        _finish(model.device)
        work.seconds = time.perf_counter() - start
    peak = _peak(model.device)
    work.peak_bytes = None if peak is None or before is None else peak - before


@torch.inference_mode()
def model_matmul_rate(model: Model, n_rows: int) -> float:
    """Measure floating-point operations per second of the model's own matrix products.

    Only the linear layers are applied, one after the other, to `n_rows` rows.
    """
    linears = [part for part in model.hf.modules() if isinstance(part, nn.Linear)]
    inputs = {
        linear.in_features: torch.randn(n_rows, linear.in_features).to(linear.weight)
        for linear in linears
    }
    flops = 2.0 * n_rows * sum(linear.weight.numel() for linear in linears)
    rounds, start = 0, 0.0
    while rounds < 2 or time.perf_counter() - start < MATMUL_SECONDS:
        if rounds == 1:  # the first round warms up
            _finish(model.device)
            start = time.perf_counter()
        for linear in linears:
            linear(inputs[linear.in_features])
        _finish(model.device)
        rounds += 1
    return flops * (rounds - 1) / (time.perf_counter() - start)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_peak(device: torch.device) -> int | None:
    """Reset the peak of memory use to the current use; return the current use in bytes."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    try:
        CDLL(None).malloc_trim(0)  # return freed memory, whose reuse would not be measured
        Path("/proc/self/clear_refs").write_text("5")  # Linux: resets the peak to the current use
    except (OSError, AttributeError):
        return None
    return _status("VmRSS")


def _peak(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return _status("VmHWM")


def _status(field: str) -> int | None:
    """Return a field of this process's memory use on Linux, in bytes; None if it is not known."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    sizes = {line.split(":")[0]: line.split()[1] for line in lines if line.endswith("kB")}
    return int(sizes[field]) * 1024


def matmul_rate(dtype: torch.dtype, device: torch.device, size: int = 1024) -> float:
    """Measure floating-point operations per second of square matrix products, for 0.2 s."""
    left, right = torch.randn(2, size, size, device=device).to(dtype)
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < 0.2 or done < 2:
        (left @ right)[0, 0].item()
        done += 1
    return done * 2.0 * size**3 / elapsed


def device_name(device: torch.device) -> str:
    """Return a device's name, such as "cpu (2 threads)" or "cuda:0 (NVIDIA H100)"."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)"
