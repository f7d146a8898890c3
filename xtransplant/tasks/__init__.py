"""Data sources, one file each, and from their questions to the instances of a run."""
