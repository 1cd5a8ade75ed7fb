"""Predict many chips, in this process or on Ray, and resume an interrupted run."""
