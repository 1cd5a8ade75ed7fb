"""Publishing of finished training runs to a registry."""
