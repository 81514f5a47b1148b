"""Shipping: what a model costs, which form of it is smaller and faster here, and at what loss.

Reads  bundles, ONNX files, scikit-learn models.
Gives  one `Servable` for each of them, measured side by side (bench); int8 and float16 forms that are kept only where
       they pay (quantize).
Skips  learning: what is shipped was fitted before.
"""
