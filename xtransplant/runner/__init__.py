"""Runs: the plan, its parts, who does which, sweeps, and how they are stopped."""
