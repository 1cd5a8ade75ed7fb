"""Losses: from outputs of the network and labels to a scalar. `factory` finds them by name."""
