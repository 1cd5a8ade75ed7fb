"""Tests of instageo.model.cross_validation."""
