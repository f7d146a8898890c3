"""Runs: the plan, its parts, their division among processes, sweeps, and stopping."""
