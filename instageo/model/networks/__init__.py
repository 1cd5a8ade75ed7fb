"""Encoder and head as one network, its weights, and what it costs."""
