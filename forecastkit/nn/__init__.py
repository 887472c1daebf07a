"""Recurrent networks, losses, and the cells by hand; nothing here knows of series or of Lightning."""
