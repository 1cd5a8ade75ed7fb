"""A server of trained models: Ray Serve with a FastAPI front."""
