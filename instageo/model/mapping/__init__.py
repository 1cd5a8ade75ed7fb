"""Map scenes of any size: read in strips, predicted in overlapping tiles, and written in pieces that a run resumes."""
