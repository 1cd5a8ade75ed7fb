"""Runtimes that compute networks, and the choice between them on this machine."""
