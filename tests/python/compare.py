"""Whether pyarrow and pandas read from a Parquet export what its JSON Lines say.

Usage: compare.py RESULTS.parquet RESULTS.jsonl          Needs `pip install pyarrow pandas`.
"""
import json
import sys

import pandas
import pyarrow.parquet

parquet, lines = sys.argv[1:]
expected = [json.loads(line) for line in open(lines)]
found = pyarrow.parquet.read_table(parquet).to_pylist()
assert len(found) == len(expected) > 0, (len(found), len(expected))
for row, line in zip(found, expected):
    assert set(line) <= set(row), set(line) - set(row)
    for name, value in row.items():
        other = line.get(name)
        # A list of layers is one text in a table.
        other = "+".join(other) if isinstance(other, list) else other
        assert value == other, (name, value, other)
frame = pandas.read_parquet(parquet)
best = min(expected, key=lambda line: line["nrp_error"])
assert frame.sort_values("nrp_error").iloc[0]["trial"] == best["trial"]
print(f"{len(found)} rows of {len(frame.columns)} columns")
