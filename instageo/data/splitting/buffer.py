"""Drop chips that are too near to another part."""

import numpy as np

from instageo.data.chip_tables.places import Places
from instageo.data.splitting.assignment import Assignment
from instageo.geodesy.distances import find_near


def drop_near(assignment: Assignment, footprints: Places, buffer_km: float) -> Assignment:
    """Drop chips of lesser parts that are nearer than a distance to a greater part, and chips without a location.

    The last part keeps all its chips; the one before it loses those near the last; and so on. So no chip is dropped for
    the sake of one that is itself dropped.
    """
    result = assignment.drop(~footprints.located, "no location, so its distance is unknown")
    for number in range(len(assignment.parts) - 2, -1, -1):
        rows, greater = np.flatnonzero(result.part == number), np.flatnonzero(result.part > number)
        near = np.zeros(len(result.part), bool)
        near[rows] = find_near(footprints.circles.take(rows), footprints.circles.take(greater), buffer_km)
        names = " or ".join(assignment.parts[number + 1 :])
        result = result.drop(near, f"nearer than {buffer_km:g} km to {names}")
    return result
