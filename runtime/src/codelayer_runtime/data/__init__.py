"""The schema and the reader of .npy files, as codelayer has them: packaged from there when a wheel is built."""
