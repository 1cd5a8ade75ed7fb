"""The environment of a job's process."""

import json
import os

from instageo.runtime.own_modules import module_environment
from instageo.serving.settings import TOKEN_VARIABLE

ENVIRONMENT_VARIABLE = "INSTAGEO_JOB_ENVIRONMENT"
"""Environment variable with the values that `RAY_CHANGES` had before Ray, as JSON."""

RAY_CHANGES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
"""Variables that Ray sets in its processes: those without a GPU of their own see none, and compute with one thread."""


def job_environment() -> dict[str, str]:
    """Return the environment of a job: that of the server before Ray changed it, without the token."""
    environment = module_environment()
    environment.pop(TOKEN_VARIABLE, None)
    for name, value in json.loads(environment.pop(ENVIRONMENT_VARIABLE, "{}")).items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment


def remember_environment() -> None:
    """Keep, for jobs, what Ray changes in the environment of its processes; to be called before Ray starts."""
    os.environ[ENVIRONMENT_VARIABLE] = json.dumps({name: os.environ.get(name) for name in RAY_CHANGES})
