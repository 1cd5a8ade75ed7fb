"""Losses: from outputs of the network and labels to one number. `choose` finds them by name."""
