"""How fast this machine reads, computes and writes maps of a model, and what that costs."""
