"""A run from configuration to run folder: forecasts here; sequences, texts, foreign forecasts and serving in their rooms."""
