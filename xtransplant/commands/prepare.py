"""`xtransplant prepare`: fetch data, tokenizer and weights to this machine, once."""

from __future__ import annotations

from xtransplant.config.schema import RunConfig
from xtransplant.models.loading import fetch_model
from xtransplant.runner.plan import checkpoint_arguments, make_plan
from xtransplant.terminal import Console


def run_prepare(config: RunConfig, console: Console) -> None:
    """Fetch and convert all inputs of a run, which then needs no network.

    The full plan is made, so mistakes in the configuration are found here.
    """
    with console.steps() as on_step:
        plan = make_plan(config, on_step)
        fetch_model(
            **checkpoint_arguments(config.model),
            allow_pickle=config.model.allow_pickle,
            on_step=on_step,
        )
    counts = ", ".join(f"{language} {n:,}" for language, n in plan.n_instances.items())
    console.plan_table(
        [
            ("data", plan.data["read"]),
            ("licence", plan.data["licence"]),
            ("instances", counts),
            ("model", config.model.id),
            ("off line", "HF_HUB_OFFLINE=1 xtransplant run with the same arguments"),
        ]
    )
