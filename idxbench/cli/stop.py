"""What a job does when it is told to stop."""

import signal


class Terminated(KeyboardInterrupt):
    """Told to stop by SIGTERM: cleaned up after as after Ctrl-C, with the exit code that its sender expects."""

    exit_code = 128 + signal.SIGTERM


def stop_as_after_ctrl_c() -> None:
    """Clean up on SIGTERM, too, which timeouts, schedulers and containers send; the code is their own (143)."""
    signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, frame: object) -> None:
    raise Terminated
