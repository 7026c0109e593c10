"""The config: its schema, how it is read, and what is said when it is wrong."""
