"""A run from configuration to run folder: execute, folder, saved_model, page."""
