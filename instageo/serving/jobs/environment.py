"""The environment of a job's process."""

import json
import os

from instageo.runtime.own_modules import module_environment
from instageo.serving.settings import TOKEN_VARIABLE

ENVIRONMENT_VARIABLE = "INSTAGEO_JOB_ENVIRONMENT"
"""Environment variable with the values that `RAY_CHANGES` had before Ray, as JSON."""

RAY_CHANGES = ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MALLOC_ARENA_MAX")
"""Variables that differ in processes of Ray: those without a GPU of their own see none, and compute with one thread.

The server sets the last one for them.
"""


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
    """Keep, for jobs, the variables that differ in processes of Ray; to be called before they are set."""
    os.environ[ENVIRONMENT_VARIABLE] = json.dumps({name: os.environ.get(name) for name in RAY_CHANGES})
