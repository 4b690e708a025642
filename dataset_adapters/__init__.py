"""Readers of human pose datasets and of the files they are made of. Never imports TensorFlow."""
