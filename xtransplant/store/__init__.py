"""Result files: parts, manifest, leases, receipts; it does not know what rows mean."""
