"""Tests of idxbench; the folders mirror the package."""
