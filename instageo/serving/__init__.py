"""Serve trained models over HTTP with Ray Serve and FastAPI."""
