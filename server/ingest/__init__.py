"""The way in: bytes from a client to a durable event and an answer."""
