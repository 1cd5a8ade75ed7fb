"""Published weights from the local Hugging Face cache or, once, from the hub."""

import hashlib
import logging
import urllib.error
import urllib.request
from pathlib import Path

from instageo.errors import WeightsError
from instageo.model.backbones.variants import PublishedWeights, find_prithvi_variant

log = logging.getLogger(__name__)


def fetch_published_weights(model_name: str) -> Path:
    """Return the file of a variant's published weights, downloaded at the pinned revision if the cache lacks it.

    Raises:
        WeightsError: The variant has no published weights, or they can be neither found nor downloaded.
    """
    weights = find_prithvi_variant(model_name).weights
    alternative = "train from random weights with model.load_pretrained_weights=false"
    if weights is None:
        raise WeightsError(f"{model_name} has no published weights; name a file with model.weights=…, or {alternative}")
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    cached = _find_cached(weights)
    if cached is not None:
        return cached
    log.info("%s is not in %s; downloading it", weights.file, constants.HF_HUB_CACHE)
    try:
        if constants.HF_HUB_OFFLINE or not is_reachable(constants.ENDPOINT):
            raise ConnectionError("no network")
        return _download(weights)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise WeightsError(
            f"the pretrained weights of {model_name} could not be downloaded ({error}): {weights.file} of the Hugging "
            f"Face repository {weights.repository} is not in {constants.HF_HUB_CACHE} either; download it on a machine "
            f"with network access and name it with model.weights=/path/to/{weights.file}, or {alternative}"
        ) from error


def _find_cached(weights: PublishedWeights) -> Path | None:
    """Return the file in the local cache at the pinned revision, else at the one that the cache calls main."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    for revision in (weights.revision, "main"):
        try:
            file = hf_hub_download(weights.repository, weights.file, revision=revision, local_files_only=True)
        except LocalEntryNotFoundError:
            continue
        if revision == "main":
            log.warning("%s: the local cache holds another revision than the one tested with", file)
        return Path(file)
    return None


def _download(weights: PublishedWeights) -> Path:
    """Download the pinned revision and compare its checksum."""
    from huggingface_hub import hf_hub_download

    file = Path(hf_hub_download(weights.repository, weights.file, revision=weights.revision))
    with open(file, "rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if weights.sha256 and sha256 != weights.sha256:
        file.resolve().unlink()
        file.unlink(missing_ok=True)
        raise WeightsError(
            f"{file}: the downloaded file has the SHA-256 {sha256}, expected {weights.sha256}, and was deleted; "
            "try again, or name a file that you trust with model.weights=…"
        )
    return file


def is_reachable(url: str) -> bool:
    """Return whether a server answers one quick request.

    Without network the hub's own client retries for 23 seconds (huggingface-hub 2.4.0), whatever its time-out.
    """
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 the hub's own address  # nosec B310
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310  # nosec B310
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
