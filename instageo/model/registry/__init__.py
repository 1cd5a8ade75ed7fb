"""A registry of trained models with names and versions, in any store; does not import PyTorch."""
