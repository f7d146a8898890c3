"""Result files: parts, manifest, leases, receipts. No statistics here."""
