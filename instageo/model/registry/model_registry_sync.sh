#!/usr/bin/env bash
# Download all models of a registry: model_registry_sync.sh [REGISTRY_YAML_URL] [MODELS_DESTINATION_PATH]
# Writes DESTINATION/MODEL/SIZE/instageo_best_checkpoint.ckpt and .hydra/ next to it; exits with 1 if any model failed.
set -euo pipefail
registry=${1:-${MODELS_REGISTRY_PATH:-}}
destination=${2:-${MODELS_PATH:-}}
if [ -z "$registry" ] || [ -z "$destination" ]; then
    echo "usage: $0 REGISTRY_YAML_URL MODELS_DESTINATION_PATH (or set MODELS_REGISTRY_PATH and MODELS_PATH)" >&2
    exit 2
fi
exec "${PYTHON:-python3}" -m instageo.cli registry pull --flat --registry "$registry" --to "$destination"
