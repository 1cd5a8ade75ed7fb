"""Losses: from outputs of the network and labels to a scalar. `build` finds them by name."""
