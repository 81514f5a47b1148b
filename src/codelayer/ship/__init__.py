"""Ship: what was learned goes where it is needed, small and fast, and its cost is known.

Reads  bundles.
Gives  the commands `codelayer ship ...` (commands.py), which import what they need.
Skips  the export itself: `codelayer.export`.
"""
