"""Who asks: what the ecosystem's own variables and files say, else nobody, which public stores let in."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instageo.errors import MissingExtraError

ADC = ".config/gcloud/application_default_credentials.json"
"""Where `gcloud auth application-default login` leaves Google's credentials, below the home folder."""

GOOGLE_VARIABLES = (
    "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)  # fmt: skip

YES = ("YES", "TRUE", "1")


def client_settings(url: str, times: Mapping[str, Any]) -> dict[str, Any]:
    """What obstore's client for a URL is made with.

    Args:
        url: `scheme://bucket/prefix`.
        times: Limits of time, as obstore's client options.
    """
    scheme = url.partition("://")[0].lower()
    found = {"gs": _google, "s3": _amazon, "az": _azure}.get(scheme, dict)()
    plain = any(
        "http://" in str(value).lower() for value in (url, *found.values())
    )  # on this machine, or inside a network
    return {**found, "client_options": {**times, "allow_http": plain}}


def _google() -> dict[str, Any]:
    """Application Default Credentials; an emulator is asked without."""
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    if emulator:
        address = emulator if "://" in emulator else f"http://{emulator}"
        nobody = {
            "gcs_base_url": address,
            "disable_oauth": True,
            "client_email": "",
            "private_key": "",
            "private_key_id": "",
        }
        return {"service_account_key": json.dumps(nobody)}
    named = any(os.environ.get(name) for name in GOOGLE_VARIABLES)
    public = os.environ.get("GS_NO_SIGN_REQUEST", "").upper() in YES
    known = not public and (named or (Path.home() / ADC).is_file() or _on_google())
    return {} if known else {"skip_signature": True}


def _on_google() -> bool:
    """Whether this is a machine of Google's, which has credentials of its own."""
    try:
        return "Google" in Path("/sys/class/dmi/id/product_name").read_text()
    except OSError:
        return "K_SERVICE" in os.environ  # Cloud Run


def _amazon() -> dict[str, Any]:
    """Keys in the environment, those of a profile, or those of the machine's role."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    found: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    found |= {"region": region} if region else {}
    if os.environ.get("AWS_NO_SIGN_REQUEST", "").upper() in YES:
        return found | {"skip_signature": True}
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return found
    if _aws_files():
        return found | {"credential_provider": _profile()}
    role = (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    )
    return found if any(os.environ.get(name) for name in role) or _on_amazon() else found | {"skip_signature": True}


def _aws_files() -> bool:
    named = (os.environ.get("AWS_SHARED_CREDENTIALS_FILE"), os.environ.get("AWS_CONFIG_FILE"))
    files = [
        Path.home() / ".aws" / "credentials",
        Path.home() / ".aws" / "config",
        *(Path(name) for name in named if name),
    ]
    return any(file.expanduser().is_file() for file in files)


def _profile() -> Any:
    try:
        from boto3.session import Session
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        raise MissingExtraError(
            f"profiles of AWS need the package {error.name}; install the extra: pip install 'instageo-model[s3]', "
            "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_NO_SIGN_REQUEST=YES for public data"
        ) from error
    return Boto3CredentialProvider(Session())


def _on_amazon() -> bool:
    """Whether this is a machine of Amazon's, which may have a role of its own."""
    try:
        return "Amazon" in Path("/sys/class/dmi/id/sys_vendor").read_text()
    except OSError:
        return False


def _azure() -> dict[str, Any]:
    """What Azure's variables say; obstore reads them."""
    public = os.environ.get("AZURE_NO_SIGN_REQUEST", "").upper() in YES
    return {"skip_signature": True} if public else {}
