"""Runs that classify sequences, or look for strange ones: ECG beats, rhythms, windows of a table, visits."""
