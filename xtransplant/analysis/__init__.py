"""From a run's parquet files to data frames and statistics, without torch."""
