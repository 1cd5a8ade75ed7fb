"""Credentials for object stores, from the usual variables and files of each provider; none means anonymous access."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instageo.errors import MissingExtraError
from instageo.extras import missing_extra

ADC_FILE = ".config/gcloud/application_default_credentials.json"
"""File of `gcloud auth application-default login` with Google's credentials, below the home folder."""

GOOGLE_VARIABLES = (
    "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)  # fmt: skip

TRUE_VALUES = ("YES", "TRUE", "1")


def client_settings(url: str, timeouts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of obstore's client for a URL: credentials, endpoint, time-outs.

    Args:
        url: `scheme://bucket/prefix`.
        timeouts: Time-outs, as obstore's client options.
    """
    scheme = url.partition("://")[0].lower()
    settings = {"gs": _google_settings, "s3": _aws_settings, "az": _azure_settings}.get(scheme, dict)()
    # Unencrypted only if an address says so: an emulator on this machine, or a store inside a network.
    allow_http = any("http://" in str(value).lower() for value in (url, *settings.values()))
    return {**settings, "client_options": {**timeouts, "allow_http": allow_http}}


def _google_settings() -> dict[str, Any]:
    """Return Application Default Credentials for Google Cloud Storage; an emulator gets none."""
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    if emulator:
        anonymous = {
            "gcs_base_url": emulator if "://" in emulator else f"http://{emulator}",
            "disable_oauth": True,
            "client_email": "",
            "private_key": "",
            "private_key_id": "",
        }
        return {"service_account_key": json.dumps(anonymous)}
    configured = any(os.environ.get(name) for name in GOOGLE_VARIABLES) or (Path.home() / ADC_FILE).is_file()
    signed = not _is_true("GS_NO_SIGN_REQUEST") and (configured or _on_google_cloud())
    return {} if signed else {"skip_signature": True}


def _aws_settings() -> dict[str, Any]:
    """Return the keys for S3: from variables, from a profile, or those of the machine's role."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    settings: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    settings |= {"region": region} if region else {}
    if _is_true("AWS_NO_SIGN_REQUEST"):
        return settings | {"skip_signature": True}
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return settings
    if _has_aws_files():
        return settings | {"credential_provider": _aws_profile()}
    role_variables = (
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    )
    has_role = any(os.environ.get(name) for name in role_variables) or _on_aws()
    return settings if has_role else settings | {"skip_signature": True}


def _azure_settings() -> dict[str, Any]:
    """Return the settings for Azure; obstore reads its variables itself."""
    return {"skip_signature": True} if _is_true("AZURE_NO_SIGN_REQUEST") else {}


def _is_true(variable: str) -> bool:
    return os.environ.get(variable, "").upper() in TRUE_VALUES


def _on_google_cloud() -> bool:
    """Return whether this machine is one of Google's, with credentials of its own."""
    try:
        return "Google" in Path("/sys/class/dmi/id/product_name").read_text()
    except OSError:
        return "K_SERVICE" in os.environ  # Cloud Run


def _on_aws() -> bool:
    """Return whether this machine is one of Amazon's, which may have a role of its own."""
    try:
        return "Amazon" in Path("/sys/class/dmi/id/sys_vendor").read_text()
    except OSError:
        return False


def _has_aws_files() -> bool:
    variables = ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE")
    custom = [Path(os.environ[name]).expanduser() for name in variables if os.environ.get(name)]
    default = [Path.home() / ".aws" / "credentials", Path.home() / ".aws" / "config"]
    return any(file.is_file() for file in default + custom)


def _aws_profile() -> Any:
    try:
        from boto3.session import Session
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError as error:
        raise MissingExtraError(
            f"{missing_extra('an AWS profile', 's3', error)}, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_NO_SIGN_REQUEST=YES for public data"
        ) from error
    return Boto3CredentialProvider(Session())
