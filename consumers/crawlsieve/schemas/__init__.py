"""The Avro schemas of our topics, one a file: <id>-<name>.avsc."""
