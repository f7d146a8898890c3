"""How the jobs of a sweep are done: on Slurm, on this machine, on Ray."""
