"""Manifests for the tests of this room."""

import yaml

from instageo.model.registry.parse import parse_manifest

SHA = "a" * 64


def version(**changes):
    return {"folder": "m/tiny/x", "files": {"net.ckpt": {"size": 3, "sha256": SHA}}, "licence": "MIT"} | changes


def manifest(size=None, **model):
    """Return a manifest of one model in one size, with some of its keys changed."""
    size = {"num_params": "3.7M", "gcs_folder": "gs://b/m/tiny"} | (size or {})
    return {"models": {"m": {"model_type": "segmentation", "sizes": {"tiny": size}} | model}}


def versions(*numbers, **aliases):
    return manifest({"versions": {text: version() for text in numbers}, "aliases": aliases})


def parse(values, url="gs://bucket/a/registry.yaml"):
    data = values if isinstance(values, bytes) else yaml.safe_dump(values).encode()
    return parse_manifest(data, url)[0]
