"""Trained models under names and versions, in any store; knows no PyTorch."""
