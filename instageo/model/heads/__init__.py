"""From token maps to logits, one head a file."""
