"""Operator sets of ONNX that can be written; without PyTorch, so that a wrong one is noticed before it is imported."""

TRACED_OPSET = 18
"""Operator set for which PyTorch's exporter has implementations; 17 is made from it."""

OPSETS = range(17, 24)
"""Operator sets that can be written."""

OLD_OPSET = 17
"""Operator set of readers such as ONNX Runtime 1.17."""
