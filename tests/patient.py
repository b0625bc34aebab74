"""`escalation …`, with ten minutes to end by itself once it is told to, where an office's has eight seconds.

A machine that is busy with other things is no fault of the program. How soon it ends is a figure of the report, and that it is
ended where it would wait on and on is the matter of faults/test_waiting.py.
"""

from escalation import watchdog
from escalation.cli import main

if __name__ == "__main__":
    watchdog.LAST = 600.0
    main()
