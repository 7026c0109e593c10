"""The nightly contract: what a comparison comes to, as one exit code with its reasons."""
