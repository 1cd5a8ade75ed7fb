"""What holds between the parts of a split: facts, proofs, files, picture, verification."""
