"""What all tests share. The fixtures start nothing before a test asks for them."""

pytest_plugins = ["tests.kafka.fixtures"]
