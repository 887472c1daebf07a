"""Runs on texts, one file a task."""
