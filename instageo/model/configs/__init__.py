"""Settings as YAML: the defaults, presets of tasks, and what generates the former."""
