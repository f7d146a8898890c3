"""From a run's parquet files to frames and figures; nothing here knows models or imports torch."""
