"""Encoder and head as one network, its weights, fine-tuning and cost."""
