"""Cross-validation: train and score a network on every fold of a table, and report the scores over all folds."""
