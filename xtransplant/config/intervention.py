"""The intervention: what is made of a vector, and in which passes it is put into the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import isfinite

from xtransplant.config import schema
from xtransplant.errors import ConfigError, unknown
from xtransplant.types import ModuleType

VALUES: Mapping[str, Sequence[str]] = {
    "op": schema.OPERATIONS,
    "vector": schema.VECTORS,
    "steps": schema.STEPS,
    "norm": schema.NORMS,
}
"""Allowed values of each enumerated property."""


@dataclass(frozen=True, slots=True)
class Intervention:
    """A vector v is taken at the source layer, and put where the target layer's output `out` is.

    The default is the transplant of arXiv 2412.12686, section 2.

    Attributes:
        op: `replace`: v; `add`: out + alpha v; `mix`: (1 - alpha) out + alpha v.
        alpha: any number; 1 with `replace`.
        vector: `activation` of the source prompt; `difference`: the mean over the selection split
            of source minus target activation, not with `replace`.
        steps: `first`: the pass that yields the first new token; `every`: the pass over each new
            token too, at that token.
        norm: `none`; `match`: v is scaled to the length of `out`, at each write.

    Raises:
        ConfigError: a value that is not allowed, or two that do not go together.
    """

    op: str = "replace"
    alpha: float = 1.0
    vector: str = "activation"
    steps: str = "first"
    norm: str = "none"

    def __post_init__(self) -> None:
        for name, allowed in VALUES.items():
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigError(unknown(f"intervention.{name}", str(value), allowed))
        if not isinstance(self.alpha, int | float) or not isfinite(self.alpha):
            raise ConfigError(
                f"bad value {self.alpha!r} for intervention.alpha; allowed: a finite number"
            )
        if self.op == "replace" and self.alpha != 1:
            raise ConfigError(
                f"intervention.alpha={self.alpha:g} does not go with intervention.op=replace; "
                "allowed: 1; for another alpha: intervention.op=mix or add"
            )
        if self.op == "replace" and self.vector == "difference":
            raise ConfigError(
                "intervention.vector=difference does not go with intervention.op=replace; "
                "allowed: activation; for a difference: intervention.op=add or mix"
            )

    def __str__(self) -> str:
        """Return the operation and what is off its default, such as "op=mix alpha=0.5"."""
        usual = {field.name: field.default for field in fields(self)}
        unusual = [name for name in usual if getattr(self, name) != usual[name] and name != "op"]
        return " ".join(f"{name}={getattr(self, name)}" for name in ("op", *unusual))


TRANSPLANT = Intervention()
"""The paper's: the source prompt's activation takes the place of the output, once."""


def require_writable(intervention: Intervention, module: ModuleType) -> None:
    """Check that a module runs in each pass in which the intervention writes.

    Raises:
        ConfigError: a write at every step in an encoder, which reads the prompt once.
    """
    if intervention.steps == "every" and module is ModuleType.ENCODER_BLOCK:
        raise ConfigError(
            f"intervention.steps=every does not go with module={module}, since an encoder reads "
            "no new tokens; allowed: first"
        )
