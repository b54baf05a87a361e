"""A run's log, which plot.py draws, and its pauses. In: what a trainer has to say. Out: lines of log.jsonl."""

import json
import os
import time


def note(out, said):
    """One line of JSON, printed and kept in the run's log."""
    line = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in said.items()})
    with open(os.path.join(out, "log.jsonl"), "a") as log:
        log.write(line + "\n")
    print(line, flush=True)


class Quiet:
    """Waits while a file is there: other work on the machine asks so to be left alone."""

    def __init__(self, path):
        self.path, self.waited = path, 0.0

    def __call__(self):
        while self.path and os.path.exists(self.path):
            time.sleep(1)
            self.waited += 1
