"""Texts: labelled rows, language models, pairs of sentences. Shares networks, training, files and report with the other tasks."""
