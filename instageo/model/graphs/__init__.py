"""Networks as graphs: traced by torch.export, and converted for other runtimes."""
