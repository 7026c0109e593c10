"""What a job does when it is told to stop."""

import signal


def stop_as_after_ctrl_c() -> None:
    """Clean up on SIGTERM, too, which timeouts, schedulers and containers send; the code is their own (143)."""
    signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
