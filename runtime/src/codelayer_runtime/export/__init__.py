"""The inputs of an ONNX form and how it is opened, as codelayer has them: packaged from there when a wheel is built."""
