"""What the offline server accepts from a client: events, session objects, and the error that names the mistake. Pure."""
