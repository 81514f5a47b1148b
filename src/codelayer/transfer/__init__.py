"""Transfer: nets that were trained elsewhere, adapted to rows with few labels."""
