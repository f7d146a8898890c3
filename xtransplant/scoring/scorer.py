"""What a scorer is: a rule with a name, a version and a need; and what it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from xtransplant.errors import ConfigError
from xtransplant.types import Instance, Reply, Score

Need = Literal["options", "shares"]


@dataclass(frozen=True, slots=True)
class Scorer:
    """A named rule and its version.

    Attributes:
        name: as in the configuration.
        version: goes up whenever a verdict can change.
        rule: from a reply and the instance it answers to the verdict.
        needs: what an instance must have: answer options, or options with shares of people.
        by_cluster: an answer is right only if those to all instances of its cluster are, with the
            same cell: of statements that are one question.
        reads_aliases: whether further right answers count.
    """

    name: str
    version: int
    rule: Callable[[Reply, Instance], Score]
    needs: Need | None = None
    by_cluster: bool = False
    reads_aliases: bool = False

    @property
    def label(self) -> str:
        """Name and version, "paper-2": what parts carry and folders of verdicts are called."""
        return f"{self.name}-{self.version}"

    def require(self, instance: Instance) -> None:
        """Check that an instance can be scored at all.

        Raises:
            ConfigError: it has no options, or no shares; the message names scorers for it.
        """
        where = f"instance {instance.id} ({instance.language})"
        if self.needs and not instance.options:
            raise ConfigError(
                f"scorer {self.name} needs answer options, {where} has none; for free answers "
                "there are paper, exact_match, f1 and contains_any"
            )
        if self.needs == "shares" and not _is_distribution(instance):
            raise ConfigError(
                f"scorer {self.name} needs the share of people behind each option, {where} has "
                "none; for right and wrong options there are paper, option and logprob"
            )


def _is_distribution(instance: Instance) -> bool:
    shares = [option.share for option in instance.options if option.share is not None]
    return len(shares) == len(instance.options) and min(shares) >= 0 < sum(shares)
