"""Train a student network with a teacher."""
