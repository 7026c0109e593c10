"""Tests of the readers, writers and checks of data."""
