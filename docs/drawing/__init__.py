"""What docs/make_pictures.py draws with: a canvas, the data, and one function per picture."""
