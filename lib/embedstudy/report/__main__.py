"""``python -m embedstudy.report``: render what was run, print where the report is."""

import argparse
import sys

from embedstudy.core.errors import StudyError
from embedstudy.report.render import render


def main() -> None:
    argparse.ArgumentParser(description="Render the HTML report of the chapters run.").parse_args()
    print(render())


if __name__ == "__main__":
    try:
        main()
    except StudyError as error:
        sys.exit(f"error: {error}")
