"""Make commands from settings: each field declared with `option` is an option, an argument or a flag."""
