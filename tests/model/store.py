"""The protocol of docs/storage.md: commit, fold, merge and load, on a FileSystem.

Each safeguard has a name; `removed` holds those that a mutant goes without. The checksum is CRC-32 in place of XXH3.
"""

import functools
import json
import zlib

from filesystem import Fault

TABLES = ("jobs", "runs", "artifacts")

# What can be taken away, and what happens then (mutants.py shows that the checker notices each).
SAFEGUARDS = {
    # commit
    "commit: fsync of the segment": "it is renamed without",
    "commit: fsync of the directory": "it is acknowledged without",
    "commit: a new file after a failed fsync": "the same descriptor is synced again and believed",
    "commit: a failed fsync of the directory is no success": "it is acknowledged",
    "commit: a failed fsync of the directory is not repeated": "the second one is believed",
    "commit: from the rename on the outcome is unknown": "it is reported as failed, and that is that",
    "commit: an empty segment replaces a dropped batch": "mutations go on without",
    "commit: the empty segment takes the number of the dropped batch": "it takes the next one",
    "commit: payload fsync": "it is renamed without",
    "commit: payload directory fsync": "left out",
    "commit: payloads before the segment": "they are written after it",
    "commit: payloads are unlinked after the segment": "they are unlinked before it",
    "commit: payloads of a dropped batch wait for the empty segment": "they are unlinked at once",
    # fold
    "fold: fsync of the snapshot": "it is renamed without",
    "fold: fsync of the directory": "left out",
    "fold: snapshots before removal": "segments go before the snapshot is written",
    "fold: only what every table's snapshot holds goes": "what one table's snapshot holds goes",
    "fold: a loaded snapshot settles nothing": "it counts like one that was written",
    "fold: covered segments at load count as changes": "only replayed ones do",
    "fold: segments go from the lowest upwards": "each goes when its own tables are settled",
    "fold: the snapshot states the revision of its freeze": "it states that of its end",
    "fold: `changed` in a snapshot": "it is 0 for other tables",
    "fold: an unchanged table pins nothing": "segments wait for every table's snapshot to reach their revision",
    "fold: an unchanged table is not rewritten": "every table is",
    "fold: removal waits for the end of a merge": "it does not",
    "stop: the removal of segments is synced": "it is not",
    # merge
    "merge: fsync of the merged segment": "it is renamed without",
    "merge: fsync of the directory before the unlinks": "it comes after them",
    "merge: only settled tables are left out": "what a loaded snapshot holds is left out",
    "merge: what a replaced segment left out is known": "an older change of a lower segment is written",
    "merge: the last version of a record wins": "the first one does",
    "merge: deletions are kept": "they are left out",
    "merge: what is left out is stated": "it is not",
    "merge: one that may have happened is repeated first": "another one is begun",
    "merge: the highest number": "the lowest is taken",
    "merge: the lowest one's prev and first": "the highest one's are taken",
    "merge: the lowest one's `changed`": "the highest one's is taken",
    # spare files
    "spare: only after a sync that followed its rename": "it is written over at once",
    "spare: all go after a failed commit": "they stay",
    "spare: all go after a failed merge": "they stay",
    "spare: all go after a failed repair": "they stay",
    "spare: only one of just the size": "the newest is taken",
    "spare: not one that has another name": "it is written over",
    # load
    "load: harden": "left out",
    "load: a failed harden keeps the start degraded": "mutations go on",
    "load: no fold before harden succeeded": "folds go on",
    "load: harden by rewriting the segment": "the tables are folded instead",
    "load: harden rewrites the owners of strays": "only the highest segment is rewritten",
    "load: strays go after the rewrite": "they go before it",
    "load: the walk goes by `changed`": "it goes by the lowest complete(t), of revisions and snapshots",
    "load: `changed` in a segment is not too low": "it is 0",
    "load: `changed` in a segment is not too high": "it is the revision before `first`",
    "load: a gap is refused": "the chain ends there",
    "load: a lost top is refused": "it is not noticed",
    "load: a chain may reach lower than needed": "it must end at the lowest snapshot",
    "load: the snapshot's revision filters the replay": "all segments are applied",
    "load: settled is what the chain's lowest segment needs": "what the lowest file needs, be it a stray",
    "load: the changes of the highest segment count": "they do not",
    "load: a snapshot as new as the highest segment knows what changed": "the segment counts all the same",
    "load: covered segments stay": "they are removed",
    "load: a missing snapshot is refused where there are commits": "it is read as empty",
    "load: a snapshot that later ones followed must not be missing": "it is read as empty while nothing is committed",
    "load: missing snapshots are written": "left out",
    "load: unproven snapshots are written again": "only missing ones are written",
    "load: a new snapshot is durable before the next is made": "the directory is synced after all of them",
    "load: the next number is above that of every snapshot": "the files of the journal decide alone",
    "load: unlinks are repeated": "left out",
    "load: unlinks are repeated after harden": "they come before",
    "load: repeated unlinks are synced": "they are not",
    "load: repeated unlinks spare what is there again": "they do not",
    "load: a file without a header is at revision 0": "it is accepted whatever the others say",
    "load: a file without a header is at revision 0, with an empty journal too": "it is accepted then",
    "load: a file without a header is no change": "it changes its table at the revision above all",
    "load: a file of another's making is folded": "only what was committed since is",
    "load: a file of another's making settles nothing": "it counts as settled",
}

removed = set()


def keeps(safeguard):
    assert safeguard in SAFEGUARDS, safeguard
    return safeguard not in removed


class Refused(Exception):
    """The start is refused."""


# ---------------------------------------------------------------------------------------------------------------- files


def compact(document):
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def seal(document):
    body = compact(document)[:-1].encode()
    return body + b',"checksum":"%08x"}\n' % zlib.crc32(body)


PADDED_TO = 64  # so that many segments have the same size, and not all


def padded(content):
    return content[:-1] + b" " * (-len(content) % PADDED_TO) + content[-1:]


def unseal(content, name):
    content = content.rstrip(b" \n") + b"\n"
    body, mark, checksum = content.rpartition(b',"checksum":"')
    if not mark or checksum != b'%08x"}\n' % zlib.crc32(body):
        raise Refused(f"{name}: bad checksum")
    return json.loads(body + b"}")


class Segment:
    """`changed`: for each table the last revision before `first` that a commit changed it at.
    `changes`: for each table that it changes, id -> record or None (deleted). `without`: up to which revision a merge
    left changes to a table out."""

    def __init__(self, seq, prev, first, last, changed, changes, without):
        self.seq, self.prev, self.first, self.last = seq, prev, first, last
        self.changed, self.changes, self.without = changed, changes, without

    def encode(self):
        return seal(vars(self))


@functools.lru_cache(maxsize=100_000)
def decode_segment(content, name):
    segment = Segment(**unseal(content, name))
    if segment_name(segment.seq) != name:
        raise Refused(f"{name}: this is segment {segment.seq}")
    return segment


class Snapshot:
    """`foreign`: made by other means, without a checksum; at the revision that it states, or 0. `missing`: read as empty."""

    def __init__(self, records, revision=0, seq=0, changed=None, foreign=False, missing=False):
        self.records, self.revision, self.seq, self.changed = records, revision, seq, changed or {}
        self.foreign, self.missing = foreign, missing

    @property
    def headerless(self):
        return self.foreign and self.revision == 0

    @property
    def unproven(self):
        """The process before may have failed to make it durable."""
        return self.missing or not (self.foreign or self.records or self.revision)


@functools.lru_cache(maxsize=100_000)
def decode_snapshot(table, content):
    try:
        document = json.loads(content)
    except ValueError:
        raise Refused(f"{table}.json: no JSON") from None
    if "checksum" not in document:
        revision = document.get("revision", 0)
        return Snapshot(document[table], revision, changed={table: revision}, foreign=True)
    document = unseal(content, f"{table}.json")
    return Snapshot(document[table], document["revision"], document["seq"], document["changed"])


def snapshot_text(table, records, revision, seq, changed):
    return seal({table: records, "revision": revision, "seq": seq, "changed": changed})


def foreign_text(table, records, revision=0):
    return compact({table: records, **({"revision": revision} if revision else {})}).encode()


def segment_name(number):
    return f"{number:06d}.json"


def payload_name(artifact):
    return f"{artifact}.json"


def payload_text(artifact, record):
    return compact({"payload of": artifact, "as": record}).encode()


def apply_changes(tables, changes):
    for table, records in changes.items():
        for key, record in records.items():
            if record is None:
                tables[table].pop(key, None)
            else:
                tables[table][key] = record


# ---------------------------------------------------------------------------------------------------------------- store


class Store:
    """One run of the daemon. In memory after load and after every commit:

    changed   for each table the last revision that a commit changed it at
    settled   for each table a revision that its snapshot on the disk, not only in the page cache, is known to have
    chain     the segments, lowest first
    """

    def __init__(self, fs):
        self.fs = fs
        self.tables = {}
        self.revision = self.seq = self.next = 0
        self.changed, self.settled, self.snapshot_revision = {}, {}, {}
        self.given = 0  # the highest revision that a record got at load because it had none
        self.foreign = set()
        self.chain = []
        self.hardened = True
        self.dropped = None  # (number, payloads) of a batch whose outcome is unknown
        self.folding = self.merging = False
        self.removal_due = False
        self.doubtful = None  # the lowest and the highest number of a merge that may have happened
        self.temporary = 0
        self.spares = []  # (name, size, whether its rename is durable), oldest first

    def canonical(self):
        return compact(self.tables)

    @property
    def ready(self):
        return self.hardened and self.dropped is None

    # -------------------------------------------------------------------------------------------------- writing a file

    def prepare(self, directory, name, content, sync=True):
        """A new file with this content, not yet under its name. Nothing is left of it when that fails."""
        self.temporary += 1
        temporary = f"{name}.{self.temporary}.tmp"
        file = None
        try:
            file = self.fs.create(directory, temporary)
            self.fs.write(directory, file, content)
            if sync:
                self.fs.fsync(directory, file)
        except Fault:
            if not (keeps("commit: a new file after a failed fsync") or file is None or not file.dropped or directory != "journal"):
                return temporary
            self.discard(directory, temporary)
            raise
        return temporary

    def discard(self, directory, name):
        try:
            if self.fs.exists(directory, name):
                self.fs.unlink(directory, name)
        except Fault:
            pass

    def put_file(self, directory, name, content, sync=True):
        temporary = self.prepare(directory, name, content, sync)
        try:
            self.fs.rename(directory, temporary, name)
        except Fault:
            self.discard(directory, temporary)
            raise

    # ----------------------------------------------------------------------------------------------------- spare files

    def give(self, name):
        """Removes a segment: makes a spare of it, if it has the size of one."""
        size = len(self.fs.read("journal", name))
        if size % PADDED_TO:
            self.fs.unlink("journal", name)
            return
        self.temporary += 1
        spare = f"spare.{self.temporary}.tmp"
        try:
            self.fs.rename("journal", name, spare)
        except Fault:
            self.discard("journal", spare)
            if self.fs.exists("journal", name):
                self.fs.unlink("journal", name)
            return
        self.spares.append((spare, size, not keeps("spare: only after a sync that followed its rename")))

    def take(self, size):
        """Its name; None: there is none."""
        for spare in reversed(self.spares):
            if spare[2] and (spare[1] == size or not keeps("spare: only one of just the size")):
                self.spares.remove(spare)
                return spare[0]
        return None

    def settle_spares(self):
        """The directory was synced, with no rename since that sync began."""
        self.spares = [(name, size, True) for name, size, _ in self.spares]

    def clear_spares(self, after):
        if after in SAFEGUARDS and not keeps(after):
            return
        for name, _, _ in self.spares:
            self.discard("journal", name)
        self.spares = []

    def prepare_segment(self, name, content, sync):
        """As `prepare`, over a spare where there is one."""
        spare = self.take(len(content))
        while spare is not None:
            try:
                file = self.fs.open("journal", spare)
                if self.fs.names_of(file) == [("journal", spare)] or not keeps("spare: not one that has another name"):
                    break
            except Fault:
                pass
            self.discard("journal", spare)
            spare = self.take(len(content))
        else:
            return self.prepare("journal", name, content, sync)
        try:
            self.fs.write_over("journal", file, content)
            if sync:
                self.fs.fsync("journal", file)
        except Fault:
            self.discard("journal", spare)
            raise
        return spare

    # ---------------------------------------------------------------------------------------------------------- commit

    def new_segment(self, changes, last):
        changed = dict(self.changed)
        if not keeps("load: `changed` in a segment is not too low"):
            changed = dict.fromkeys(TABLES, 0)
        if not keeps("load: `changed` in a segment is not too high"):
            changed = dict.fromkeys(TABLES, self.revision)
        return Segment(self.next, self.seq, self.revision + 1, last, changed, changes, {})

    def append(self, segment):
        """`segment` is durable: memory follows."""
        apply_changes(self.tables, segment.changes)
        for table in segment.changes:
            self.changed[table] = segment.last
        self.revision = segment.last
        self.seq = segment.seq
        self.next = segment.seq + 1
        self.chain.append(segment)

    def commit(self, batch):
        """`batch`: (table, id, record or None), each id once. "done", "not durable" or "outcome unknown"."""
        result = self.commit_alone(batch)
        if result != "done":
            self.clear_spares("spare: all go after a failed commit")
        return result

    def commit_alone(self, batch):
        assert self.ready
        changes = {}
        for table, key, record in batch:
            changes.setdefault(table, {})[key] = record
        segment = self.new_segment(changes, max(self.revision, self.given) + len(batch))
        artifacts = changes.get("artifacts", {})
        created = {key: record for key, record in artifacts.items() if record is not None}
        deleted = [key for key, record in artifacts.items() if record is None]
        name = segment_name(segment.seq)

        if not keeps("commit: payloads are unlinked after the segment"):
            self.unlink_payloads(deleted)
        try:
            if keeps("commit: payloads before the segment"):
                self.write_payloads(created)
            temporary = self.prepare_segment(name, padded(segment.encode()), sync=keeps("commit: fsync of the segment"))
        except Fault:
            for key in created:
                self.discard("artifacts", payload_name(key))
            return "not durable"
        try:
            self.fs.rename("journal", temporary, name)
            if keeps("commit: fsync of the directory"):
                self.fs.fsync_directory("journal")
        except Fault:
            if not keeps("commit: from the rename on the outcome is unknown"):
                return "not durable"
            if not keeps("commit: a failed fsync of the directory is not repeated"):
                try:
                    self.fs.fsync_directory("journal")
                except Fault:
                    return self.drop(segment.seq, created)
            elif keeps("commit: a failed fsync of the directory is no success"):
                return self.drop(segment.seq, created)
        if not keeps("commit: payloads before the segment"):
            try:
                self.write_payloads(created)
            except Fault:
                return self.drop(segment.seq, created)
        self.settle_spares()
        self.append(segment)
        self.unlink_payloads(deleted)
        return "done"

    def write_payloads(self, created):
        for key, record in created.items():
            self.put_file("artifacts", payload_name(key), payload_text(key, record), sync=keeps("commit: payload fsync"))
        if created and keeps("commit: payload directory fsync"):
            self.fs.fsync_directory("artifacts")

    def unlink_payloads(self, deleted, always_sync=False):
        """A failure changes nothing: load repeats it."""
        try:
            for key in deleted:
                if self.fs.exists("artifacts", payload_name(key)):
                    self.fs.unlink("artifacts", payload_name(key))
            if deleted or always_sync:
                self.fs.fsync_directory("artifacts")
        except Fault:
            pass

    def drop(self, number, created):
        self.dropped = (number, list(created))
        if not keeps("commit: payloads of a dropped batch wait for the empty segment"):
            self.unlink_payloads(created)
        return "outcome unknown"

    def retry(self):
        """What a degraded store repeats until it succeeds."""
        if not self.hardened:
            self.harden()
        if self.hardened and self.dropped:
            self.close_dropped()
        return self.ready

    def close_dropped(self):
        number, payloads = self.dropped
        if keeps("commit: an empty segment replaces a dropped batch"):
            if not keeps("commit: the empty segment takes the number of the dropped batch"):
                self.next = number + 1
            empty = self.new_segment({}, self.revision)
            try:
                self.put_file("journal", segment_name(empty.seq), empty.encode())
                self.fs.fsync_directory("journal")
            except Fault:
                self.clear_spares("spare: all go after a failed repair")
                return
            self.append(empty)
        self.dropped = None
        self.unlink_payloads(payloads)

    # ------------------------------------------------------------------------------------------------------------ fold

    def needs_fold(self, table):
        if not keeps("fold: an unchanged table is not rewritten"):
            return True
        foreign = table in self.foreign and keeps("load: a file of another's making is folded")
        return foreign or self.settled[table] < self.changed[table]

    def fold(self, table):
        """A background job, one at a time; commits and merges may come between its parts."""
        if self.folding or not self.hardened and keeps("load: no fold before harden succeeded"):
            return
        self.folding = True
        try:
            yield from self.fold_alone(table)
        finally:
            self.folding = False

    def fold_alone(self, table):
        records = dict(self.tables[table])
        revision, seq, changed = self.revision, self.seq, dict(self.changed)
        if not keeps("fold: `changed` in a snapshot"):
            changed = {other: changed[other] if other == table else 0 for other in TABLES}
        yield
        if not keeps("fold: the snapshot states the revision of its freeze"):
            revision = self.revision
        if not keeps("fold: snapshots before removal"):
            self.settled[table] = revision
            self.remove_settled()
        try:
            temporary = self.prepare(
                "state",
                f"{table}.json",
                snapshot_text(table, records, revision, seq, changed),
                sync=keeps("fold: fsync of the snapshot"),
            )
        except Fault:
            return
        yield
        try:
            self.fs.rename("state", temporary, f"{table}.json")
            if keeps("fold: fsync of the directory"):
                self.fs.fsync_directory("state")
        except Fault:
            self.discard("state", temporary)
            return
        self.settled[table] = self.snapshot_revision[table] = revision
        self.foreign.discard(table)
        yield
        if self.merging and keeps("fold: removal waits for the end of a merge"):
            self.removal_due = True
        else:
            self.remove_settled()

    def removable(self, index):
        """May the chain up to and with this segment go? What comes after it must need no table's older records."""
        segment = self.chain[index]
        after = self.chain[index + 1].changed if index + 1 < len(self.chain) else self.changed
        if not keeps("fold: only what every table's snapshot holds goes"):
            return max(self.settled.values()) >= segment.last
        if not keeps("fold: an unchanged table pins nothing"):
            return min(self.snapshot_revision.values()) >= segment.last
        return all(after[table] <= self.settled[table] for table in TABLES)

    def remove_settled(self):
        """Not synced: what comes back is covered."""
        if not keeps("fold: segments go from the lowest upwards"):
            self.remove_each_settled()
            return
        count = 0
        while count < len(self.chain) and self.removable(count):
            count += 1
        if count == 0:
            return
        highest = segment_name(self.chain[count - 1].seq)
        try:
            for name in self.fs.names("journal"):
                if not name.endswith(".tmp") and name <= highest:
                    self.give(name)
        except Fault:
            self.clear_spares("a removal that failed")
            return  # repeated later
        del self.chain[:count]

    def stop(self):
        """A clean stop: all that changed is folded, and the journal's directory is synced, so that it is really empty."""
        for table in TABLES:
            if self.hardened and self.needs_fold(table):
                for _ in self.fold(table):
                    pass
        if not self.ready:
            return
        self.remove_settled()
        self.clear_spares("a clean stop")
        try:
            if keeps("stop: the removal of segments is synced"):
                self.fs.fsync_directory("journal")
        except Fault:
            pass

    def remove_each_settled(self):
        for segment in list(self.chain):
            if all(self.settled[table] >= segment.last for table in segment.changes):
                self.discard("journal", segment_name(segment.seq))
                self.chain.remove(segment)

    # ----------------------------------------------------------------------------------------------------------- merge

    def merge(self, low, count):
        """A background job. The highest segment is never among them."""
        if self.doubtful and keeps("merge: one that may have happened is repeated first"):
            within = [place for place, segment in enumerate(self.chain) if self.doubtful[0] <= segment.seq <= self.doubtful[1]]
            if len(within) > 1:
                low, count = within[0], len(within)
            else:  # there is nothing lower
                self.doubtful = None
        if not self.hardened or self.merging or count < 2 or low + count > len(self.chain) - 1:
            return
        replaced = self.chain[low : low + count]
        merged = self.merged(replaced)
        number = replaced[0].seq if not keeps("merge: the highest number") else merged.seq
        name = segment_name(number)
        self.merging = True
        try:
            yield from self.replace(replaced, merged, name)
        except Fault:  # memory keeps the old ones, which are as good
            self.clear_spares("spare: all go after a failed merge")
        self.merging = False
        if self.removal_due:
            self.removal_due = False
            self.remove_settled()

    def replace(self, replaced, merged, name):
        temporary = self.prepare("journal", name, merged.encode(), sync=keeps("merge: fsync of the merged segment"))
        yield
        self.doubtful = (replaced[0].seq, replaced[-1].seq)
        try:
            self.fs.rename("journal", temporary, name)
        except Fault:
            self.discard("journal", temporary)
            raise
        yield
        if keeps("merge: fsync of the directory before the unlinks"):
            self.fs.fsync_directory("journal")
        if all(segment in self.chain for segment in replaced):
            position = self.chain.index(replaced[0])
            self.chain[position : position + len(replaced)] = [merged]
        self.doubtful = None
        yield
        for other in self.fs.names("journal"):
            if not other.endswith(".tmp") and segment_name(replaced[0].prev) < other < segment_name(replaced[-1].seq) and other != name:
                self.give(other)
        if not keeps("merge: fsync of the directory before the unlinks"):
            self.fs.fsync_directory("journal")

    def merged(self, replaced):
        lowest, highest = replaced[0], replaced[-1]
        known = dict(self.settled if keeps("merge: only settled tables are left out") else self.snapshot_revision)
        if keeps("merge: what a replaced segment left out is known"):
            for table in TABLES:
                known[table] = max([known[table]] + [segment.without.get(table, 0) for segment in replaced])
        changes, without = {}, {}
        for segment in replaced:
            for table in TABLES:
                left_out = segment.last if table in segment.changes and segment.last <= known[table] else 0
                without[table] = max(without.get(table, 0), segment.without.get(table, 0), left_out)
        if not keeps("merge: what is left out is stated"):
            without = {}
        for segment in replaced if keeps("merge: the last version of a record wins") else reversed(replaced):
            for table, records in segment.changes.items():
                if segment.last > known[table]:
                    changes.setdefault(table, {}).update(records)
        if not keeps("merge: deletions are kept"):
            changes = {table: {key: record for key, record in records.items() if record is not None} for table, records in changes.items()}
        link = lowest if keeps("merge: the lowest one's prev and first") else highest
        changed = lowest.changed if keeps("merge: the lowest one's `changed`") else highest.changed
        return Segment(highest.seq, link.prev, link.first, highest.last, changed, changes, without)

    # ------------------------------------------------------------------------------------------------------------ load

    @classmethod
    def open(cls, fs):
        store = cls(fs)
        for directory in ("state", "journal", "artifacts"):
            for name in fs.names(directory):
                if name.endswith(".tmp"):
                    store.discard(directory, name)
        store.load()
        store.hardened = False
        store.harden()
        if not keeps("load: a failed harden keeps the start degraded"):
            store.hardened = True
        return store

    def load(self):
        """Reads only."""
        segments = {}
        for name in self.fs.names("journal"):
            if not name.endswith(".tmp"):
                segment = decode_segment(self.fs.read("journal", name), name)
                segments[int(name.partition(".")[0])] = segment
        snapshots = {}
        for table in TABLES:
            if self.fs.exists("state", f"{table}.json"):
                snapshots[table] = decode_snapshot(table, self.fs.read("state", f"{table}.json"))
            else:
                snapshots[table] = Snapshot({}, missing=True)
        self.check_missing(segments, snapshots)
        self.snapshot_revision = {table: snapshots[table].revision for table in TABLES}
        self.foreign = {table for table in TABLES if snapshots[table].foreign}
        self.headerless = {table for table in TABLES if snapshots[table].headerless}
        self.missing = {table for table in TABLES if snapshots[table].missing}
        self.unproven = {table for table in TABLES if snapshots[table].unproven}
        chain = self.chain = self.walk(segments, snapshots)
        self.check_top(snapshots)

        self.tables = {table: dict(snapshots[table].records) for table in TABLES}
        for segment in chain:
            for table, records in segment.changes.items():
                if segment.last > self.snapshot_revision[table] or not keeps("load: the snapshot's revision filters the replay"):
                    apply_changes(self.tables, {table: records})

        self.revision = max([snapshot.revision for snapshot in snapshots.values()] + [segment.last for segment in chain[-1:]])
        self.seq = max([0, *segments] + [snapshot.seq for snapshot in snapshots.values()])
        if not keeps("load: the next number is above that of every snapshot"):
            self.seq = max([0, *segments])
        self.next = self.seq + 1
        self.changed = {table: max(snapshot.changed.get(table, 0) for snapshot in snapshots.values()) for table in TABLES}
        for segment in chain[-1:]:
            # A merged one that came back alone is later than its changes; but then a snapshot is as new, and knows.
            newest = segment.last > max([0] + [snapshot.revision for snapshot in snapshots.values() if not snapshot.foreign])
            newest = newest or not keeps("load: a snapshot as new as the highest segment knows what changed")
            for table in TABLES:
                last = segment.changed[table]
                if table in segment.changes and newest and keeps("load: the changes of the highest segment count"):
                    last = segment.last
                self.changed[table] = max(self.changed[table], last)
        self.lowest_file = segments[min(segments)] if segments else None
        self.strays = sorted(set(segments) - {segment.seq for segment in chain})
        self.given = self.revision + sum(len(snapshots[table].records) for table in self.headerless)
        if not keeps("load: a file without a header is no change") and self.headerless:
            self.revision = max(self.revision, self.given)
            for table in self.headerless:
                self.changed[table] = self.revision
        self.find_settled()
        named = {key for segment in chain for key, record in segment.changes.get("artifacts", {}).items() if record is None}
        if keeps("load: repeated unlinks spare what is there again"):
            named -= set(self.tables["artifacts"])
        self.unlinks = sorted(named)

        if not keeps("load: covered segments stay"):
            for number, segment in segments.items():
                if segment.last <= self.lowest_own_revision():
                    self.discard("journal", segment_name(number))
                    self.chain = [other for other in self.chain if other.seq != number]

    def check_missing(self, segments, snapshots):
        """Missing is fine only where nothing was ever committed. A first start makes the snapshots in the tables' order, each
        durable before the next: where a later one of ours is there, this one has been there too."""
        committed = segments or any(snapshot.revision for snapshot in snapshots.values())
        later = False
        for table in reversed(TABLES):
            snapshot = snapshots[table]
            if snapshot.missing and committed and keeps("load: a missing snapshot is refused where there are commits"):
                raise Refused(f"{table}.json is missing, and there are commits")
            if snapshot.missing and later and keeps("load: a snapshot that later ones followed must not be missing"):
                raise Refused(f"{table}.json is missing, and files made after it are there")
            later = later or not (snapshot.missing or snapshot.headerless)

    def walk(self, segments, snapshots):
        """From the highest segment down as far as a table needs it, and on as far as there is a chain."""
        if not segments:
            return []
        lowest_needed = self.complete_everywhere(snapshots) + 1
        chain = [segments[max(segments)]]
        while True:
            segment = chain[-1]
            below = segments.get(segment.prev)
            needed = any(segment.changed[table] > self.snapshot_revision[table] for table in self.judged())
            if not keeps("load: the walk goes by `changed`"):
                needed = segment.first > lowest_needed
            contiguous = below is not None and below.last + 1 == segment.first
            if needed and not contiguous and keeps("load: a gap is refused"):
                raise Refused(f"segment {segment.prev}, which {segment.seq} follows, is missing")
            if not contiguous:
                break
            if not needed and not keeps("load: a chain may reach lower than needed") and below.last <= self.lowest_own_revision():
                raise Refused("the chain reaches below the snapshots")
            chain.append(below)
        chain.reverse()
        for segment in chain:
            for table, revision in segment.without.items():
                if revision > self.snapshot_revision[table]:
                    raise Refused(f"segment {segment.seq} counts on a newer {table}.json")
        return chain

    def judged(self):
        """The tables whose snapshot must be as new as the other files say."""
        return TABLES if keeps("load: a file without a header is at revision 0") else set(TABLES) - self.headerless

    def lowest_own_revision(self):
        return min(self.snapshot_revision.values())

    def complete_everywhere(self, snapshots):
        """The earlier rule of the walk (a safeguard's replacement): it refuses states that are whole."""
        complete = []
        for table in TABLES:
            own = snapshots[table].revision
            vouching = [other.revision for other in snapshots.values() if other.changed.get(table, 0) <= own]
            complete.append(max([own] + vouching))
        return min(complete)

    def check_top(self, snapshots):
        """No snapshot may know of a change to a table that neither the table's own snapshot nor the chain has."""
        if not keeps("load: a lost top is refused"):
            return
        top = self.chain[-1].last if self.chain else 0
        purposely = not (self.chain or keeps("load: a file without a header is at revision 0, with an empty journal too"))
        for table in self.judged():
            if table in self.headerless and purposely:
                continue
            for other, snapshot in snapshots.items():
                if snapshot.changed.get(table, 0) > max(self.snapshot_revision[table], top):
                    raise Refused(f"{other}.json knows of later changes to {table}")

    def find_settled(self):
        """The process before removed segments only behind durable snapshots: whatever the page cache shows now, the disk
        has at least what the chain's lowest segment needs."""
        for table in TABLES:
            settled = self.snapshot_revision[table]
            replayed = any(table in segment.changes and segment.last > settled for segment in self.chain)
            if self.chain and keeps("fold: a loaded snapshot settles nothing"):
                if replayed or keeps("fold: covered segments at load count as changes"):
                    settled = self.chain[0].changed[table]
                if not keeps("load: settled is what the chain's lowest segment needs"):
                    settled = self.lowest_file.changed[table]
            if table in self.foreign:
                settled = 0 if keeps("load: a file of another's making settles nothing") else self.revision
            self.settled[table] = settled

    def harden(self):
        """Before the first acknowledgement: what the page cache shows is made durable where a crash may have left that
        open. Sets `hardened`."""
        if not keeps("load: strays go after the rewrite"):
            self.remove_strays()
        if not keeps("load: unlinks are repeated after harden"):
            self.repeat_unlinks()
        if keeps("load: harden") and not self.rewrite_what_is_open():
            return
        self.hardened = True
        self.remove_strays()
        self.repeat_unlinks()

    def rewrite_what_is_open(self):
        try:
            self.write_unproven()
            if not keeps("load: harden by rewriting the segment"):
                return self.harden_by_fold()
            again = [
                segment
                for segment in self.chain
                if segment is self.chain[-1] or (self.owns_strays(segment) and keeps("load: harden rewrites the owners of strays"))
            ]
            for segment in again:
                self.put_file("journal", segment_name(segment.seq), segment.encode())
            if again:
                self.fs.fsync_directory("journal")
        except Fault:
            return False
        return True

    def write_unproven(self):
        """Any of them that is not on the disk could be missing once there are commits."""
        if not keeps("load: missing snapshots are written"):
            return
        one_by_one = keeps("load: a new snapshot is durable before the next is made")
        for table in [table for table in TABLES if table in self.unproven]:
            if table in self.missing or keeps("load: unproven snapshots are written again"):
                self.put_file("state", f"{table}.json", snapshot_text(table, {}, 0, 0, dict.fromkeys(TABLES, 0)))
                if one_by_one:
                    self.fs.fsync_directory("state")
            if one_by_one:
                self.unproven.discard(table)
        if self.unproven:
            self.fs.fsync_directory("state")
            self.unproven.clear()

    def harden_by_fold(self):
        self.hardened = True
        for table in TABLES:
            for _ in self.fold(table):
                pass
        self.hardened = not any(self.needs_fold(table) for table in TABLES)
        return self.hardened

    def remove_strays(self):
        for number in self.strays:
            self.discard("journal", segment_name(number))

    def owns_strays(self, segment):
        return any(segment.prev < number < segment.seq for number in self.strays)

    def repeat_unlinks(self):
        if self.unlinks and keeps("load: unlinks are repeated"):
            present = [key for key in self.unlinks if self.fs.exists("artifacts", payload_name(key))]
            if keeps("load: repeated unlinks are synced"):
                self.unlink_payloads(self.unlinks)
            else:
                for key in present:
                    self.discard("artifacts", payload_name(key))
