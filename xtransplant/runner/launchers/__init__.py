"""Launchers, which do the jobs of a sweep: on Slurm, on this machine, on Ray."""
