"""What the subcommands do that is neither a run nor a report."""
