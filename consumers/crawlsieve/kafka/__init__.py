"""The edge to Kafka: client settings, errors, topics, and the wire format of our own records."""
