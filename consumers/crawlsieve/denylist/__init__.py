"""The denylist: policies, status records, and the replica that every screener keeps."""
