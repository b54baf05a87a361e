"""The log of a run, which plot.py draws. In: what a trainer has to say. Out: lines of log.jsonl."""

import json
import os


def note(out, said):
    """One line of JSON, printed and kept in the run's log."""
    line = json.dumps({k: round(v, 5) if isinstance(v, float) else v for k, v in said.items()})
    with open(os.path.join(out, "log.jsonl"), "a") as log:
        log.write(line + "\n")
    print(line, flush=True)
