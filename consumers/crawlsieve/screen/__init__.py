"""The transaction loop: consume a batch, screen it against one snapshot, produce, commit."""
