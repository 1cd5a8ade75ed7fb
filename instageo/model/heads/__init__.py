"""Heads: from feature maps of the encoder to logits, one head per file."""
