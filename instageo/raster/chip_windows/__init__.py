"""Windows of many chips in one file: where they lie, which are read together, and what that costs."""
