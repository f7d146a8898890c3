"""The configuration: every key and its default, composition by Hydra, checks, cells, run key."""
