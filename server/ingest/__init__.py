"""Ingest: from the bytes of a request to a durable event and a response."""
