"""How many examples each property gets: few in `make test`, many in `make fuzz`."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

QUIET = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}

# The same examples each time, so that nothing fails by chance in a change that is not at fault.
settings.register_profile("bounded", max_examples=40, derandomize=True, **QUIET)
settings.register_profile("long", max_examples=int(os.environ.get("EXAMPLES", "4000")), **QUIET)
settings.load_profile(os.environ.get("FUZZ", "bounded"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder that all examples of a property share; each writes its files anew."""
    yield tmp_path
