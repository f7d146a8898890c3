"""Samples of large products of test parameters."""

from collections.abc import Iterable
from typing import Any

import pytest
from allpairspy import AllPairs


def all_pairs(**values: Iterable[Any]) -> pytest.MarkDecorator:
    """Parametrize a test with few cases that hold every pair of values of two arguments.

    Faults nearly always need one value or a pair of values, so that these cases see about what
    the whole product does, in a small part of its time (Kuhn et al., NIST SP 800-142).

    Args:
        values: Values of each argument of the test, by name.
    """
    names, factors = tuple(values), [list(factor) for factor in values.values()]
    # The library names values by position, which also gives an order: cases that share a
    # model follow each other, and so run in one process of pytest-xdist.
    positions = sorted(tuple(case) for case in AllPairs([[*range(len(f))] for f in factors]))
    cases = [tuple(f[k] for f, k in zip(factors, case, strict=True)) for case in positions]
    return pytest.mark.parametrize(names, cases)
