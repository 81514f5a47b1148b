"""Learning: the estimator and its loop, the rivals it is measured against, heads, and what brings them back."""
