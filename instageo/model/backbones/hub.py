"""Published weights on the Hugging Face hub: from the local cache, or downloaded once."""

import hashlib
import logging
import urllib.error
import urllib.request
from pathlib import Path

from instageo.errors import WeightsError
from instageo.model.backbones.variants import PublishedWeights, find_variant

log = logging.getLogger(__name__)


def fetch_published_weights(model_name: str) -> Path:
    """A variant's published weights: from the local Hugging Face cache, else downloaded at the pinned revision.

    Raises:
        WeightsError: There are none, or they cannot be had.
    """
    weights = find_variant(model_name).weights
    without = "train from random weights with model.load_pretrained_weights=false"
    if weights is None:
        raise WeightsError(f"{model_name} has no published weights; name a file with model.weights=…, or {without}")
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    cached = _cached(weights)
    if cached is not None:
        return cached
    log.info("%s is not in %s; downloading it", weights.file, constants.HF_HUB_CACHE)
    try:
        if constants.HF_HUB_OFFLINE or not _answers(constants.ENDPOINT):
            raise ConnectionError("no network")
        return _download(weights)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise WeightsError(
            f"the pretrained weights of {model_name} could not be had ({error}): {weights.file} of the Hugging Face "
            f"repository {weights.repository}, looked for in {constants.HF_HUB_CACHE}. Fetch it on a machine with "
            f"network and name it with model.weights=/path/to/{weights.file}, or {without}"
        ) from error


def _cached(weights: PublishedWeights) -> Path | None:
    """The file in the local cache: at the pinned revision, else at whatever the cache calls main."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    for revision in (weights.revision, "main"):
        try:
            found = hf_hub_download(weights.repository, weights.file, revision=revision, local_files_only=True)
        except LocalEntryNotFoundError:
            continue
        if revision == "main":
            log.warning("%s: the local cache holds another revision than the one tested with", found)
        return Path(found)
    return None


def _download(weights: PublishedWeights) -> Path:
    """Fetch the pinned revision and compare its checksum."""
    from huggingface_hub import hf_hub_download

    file = Path(hf_hub_download(weights.repository, weights.file, revision=weights.revision))
    with open(file, "rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if weights.sha256 and found != weights.sha256:
        file.resolve().unlink()
        file.unlink(missing_ok=True)
        raise WeightsError(
            f"{file}: the SHA-256 of what was downloaded is {found}, expected {weights.sha256}; it was deleted. "
            "Try again, or fetch the file you trust and name it with model.weights=…"
        )
    return file


def _answers(url: str) -> bool:
    """Whether a server answers at all: one quick try, where the hub's client would retry for most of a minute."""
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 the hub's own address
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
