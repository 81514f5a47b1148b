"""The inputs of an ONNX form, as codelayer has them: packaged from there when a wheel is built."""
