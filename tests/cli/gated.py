"""What a gate leaves behind, and the two nights that most of its tests give it."""

FILES = ["junit.xml", "summary.md", "verdict.json"]


def two(night, **new):
    night("1")
    night("2", **({"seed": 1} | new))
