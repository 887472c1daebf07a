"""A run for other programs: as a file (``export``) and over HTTP (``server``)."""
