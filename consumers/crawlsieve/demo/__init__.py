"""The whole of Crawlsieve on an embedded broker, in one process."""
