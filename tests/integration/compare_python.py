"""Compares a file that the Python classes wrote with a snapshot of persistd, as Python's json reads them.

    compare_python.py SAMPLE SNAPSHOT TABLE CHANGED...

Every record and every value of the sample must be in the snapshot, the same type, the same order of keys. CHANGED are ids
whose records a test has changed: of those, only what persistd itself maintains and `error` and `meta` may differ."""
import json
import sys
from datetime import datetime

OWN = {"revision", "updated_at"}
TIMES = {"created_at", "updated_at", "started_at", "completed_at", "finished_at"}


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def main(sample_path, snapshot_path, table, *changed):
    with open(sample_path, encoding="utf-8") as file:
        sample = json.load(file)[table]
    with open(snapshot_path, encoding="utf-8") as file:
        snapshot = json.load(file)
    if snapshot["count"] != len(snapshot[table]):
        sys.exit(f"count is {snapshot['count']}, there are {len(snapshot[table])}")
    kept = {record["id"]: record for record in snapshot[table]}
    if len(kept) != len(snapshot[table]) or len(kept) != len(sample):
        sys.exit(f"{len(sample)} records became {len(snapshot[table])}")
    for record in sample:
        now = kept[record["id"]]
        free = OWN | {"error", "meta"} if record["id"] in changed else OWN - set(record)
        for field, value in record.items():
            if field not in free and not same(value, now.get(field)):
                sys.exit(f"{record['id']}.{field}: {value!r} became {now.get(field)!r}")
        for field in TIMES & set(now):
            if now[field] is not None:
                datetime.fromisoformat(now[field])
    print(f"{len(sample)} records are the same")


main(*sys.argv[1:])
