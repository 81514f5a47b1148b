"""A request to end (SIGTERM) is heard as Ctrl-C, so that worker processes end as well and what is done is kept.

Reads  nothing.
Gives  `heard_as_interrupt`.
Skips  what is said then: each command knows what it keeps.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def heard_as_interrupt() -> Generator[None]:
    """Raise KeyboardInterrupt on SIGTERM, where nobody else listens to it."""
    here = threading.current_thread() is threading.main_thread()
    unheard = here and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if unheard:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if unheard:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
