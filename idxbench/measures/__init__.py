"""What is measured: arrays in, figures out."""
