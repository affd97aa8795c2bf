"""Render the report of what has been run."""

import sys

from embedstudy.errors import StudyError
from embedstudy.report.render import write

if __name__ == "__main__":
    try:
        print(write())
    except StudyError as error:
        sys.exit(f"error: {error}")
