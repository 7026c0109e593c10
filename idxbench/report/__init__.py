"""Rendering: records in, tables out. Nothing is computed here."""
