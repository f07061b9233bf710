"""Checks that pyarrow and pandas read the same from a Parquet export as its JSON Lines say.

Usage: compare.py RESULTS.parquet RESULTS.jsonl          Needs `pip install pyarrow pandas`.
"""
import json
import sys

import pandas
import pyarrow
import pyarrow.parquet

parquet, lines = sys.argv[1:]
expected = [json.loads(line) for line in open(lines)]
table = pyarrow.parquet.read_table(parquet)
whole = [field for field in table.schema if pyarrow.types.is_integer(field.type)]
assert whole, table.schema
for field in whole:
    # Unsigned ones wrap around where one is taken from another.
    assert pyarrow.types.is_signed_integer(field.type), field
found = table.to_pylist()
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
assert (frame["best_epoch"] - frame["epochs"] <= 0).all()
print(f"{len(found)} rows of {len(frame.columns)} columns")
