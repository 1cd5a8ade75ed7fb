"""Encoders and their published weights."""
