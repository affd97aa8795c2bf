"""Retrieval sets in the format of BEIR (Thakur et al., NeurIPS 2021, arXiv:2104.08663); SciFact.

Format, as a folder or as the zip file it is published in: ``corpus.jsonl`` (``_id``, ``title``,
``text``), ``queries.jsonl`` (``_id``, ``text``) and ``qrels/<split>.tsv`` (header query-id, corpus-id,
score; tab-separated). A document's text is its title, a space and its text, as in BEIR's own
evaluation. Queries are those that the split judges.

SciFact (Wadden et al., EMNLP 2020) is also read from the files of its authors (``scifact.zip`` of
CSV files: doc_id, title, abstract) beside ``beir_queries.jsonl`` and ``beir_qrels_test.tsv``. An
abstract there is a printed array of strings, ``['…' '…']`` over several lines; its sentences are
joined by a space, as in BEIR.
"""

import ast
import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from embedstudy.errors import StudyError
from embedstudy.sources.raw_files import check_md5, locate
from embedstudy.sources.text_files import (
    JUDGEMENT,
    TEXT,
    cells,
    check_digest,
    decode,
    lines,
    number,
    write_retrieval,
)

SOURCE = "a data set of BEIR (beir-cellar/beir, README): corpus.jsonl, queries.jsonl, qrels/"
FILES = ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"]
SCIFACT = "SciFact of BEIR (scifact.zip, beir-cellar/beir), unpacked or not"
SCIFACT_MD5 = "5f7d1de60b170fc8027bb7898e2efca1"  # of BEIR's scifact.zip, as its README says
SCIFACT_FILES = ["scifact.zip", "beir_queries.jsonl", "beir_qrels_test.tsv"]
SCIFACT_SHA256 = None
HEADER = ["query-id", "corpus-id", "score"]
PROTOCOL = "Title and text of each document; the queries that the test split judges."
