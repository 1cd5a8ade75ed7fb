"""Distillation: train a student network with a teacher, or initialise it from one."""
