"""Data that comes with the program, is made by it, or is downloaded by name."""
