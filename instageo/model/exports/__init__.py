"""Files of a trained network for other programs, written only if they compute what the network does."""
