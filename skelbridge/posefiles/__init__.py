"""Readers and writers of pose files."""
