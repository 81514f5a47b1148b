"""The schema, as codelayer has it: packaged from there when a wheel is built."""
