"""Many chips predicted, in this process or on Ray, and gone on with where a run was interrupted."""
