"""A file system that may lose whatever was not synced.

Three directories, each flat. Every name keeps the values that a power cut may leave it with; every file knows which
bytes may be left. Any subset of the directory operations that were not synced may survive: with one name an operation,
that makes the states after a power cut the product of what each name may be. A file that is written over shows its new
bytes under every name that it may still have, or its old ones, or some of each.

A failed fsync loses for good what it was to make durable, though the running system goes on showing it: a later fsync
that succeeds does not bring it back. Names that end in ".tmp" are not part of the states: the store removes them first
and never reads them, so `power_on` only puts some rubbish there.
"""

import itertools


class Fault(Exception):
    """An operation that reported an error."""


class Killed(Exception):
    """The process ended there."""


class File:
    """`synced`: its bytes are durable; `dropped`: a failed fsync threw them away; `before`: what was durable of a file that
    is being written over."""

    def __init__(self, content=b"", synced=False):
        self.content = content
        self.synced = synced
        self.dropped = False
        self.before = None

    def write_over(self, content):
        """From the start; a longer file keeps its end."""
        if self.synced:
            self.before = self.content
        self.content = content + self.content[len(content) :]
        self.synced = False

    def contents_after_power_cut(self):
        if self.synced:
            return [self.content]
        torn = [b"", self.content[: len(self.content) // 2], b"\0" * len(self.content)]
        if self.before is not None:
            half = len(self.content.rstrip()) // 2
            torn = [self.before, self.content[:half] + self.before[half:], self.before[:half] + self.content[half:]]
        return torn if self.dropped else torn + [self.content]


class Entry:
    """One name. `durable`: what it may be however long one waits (more than one value after a failed fsync);
    `pending`: what it was set to since, oldest first."""

    def __init__(self, durable):
        self.durable = [durable]
        self.pending = []

    def synced(self):
        if self.pending:
            self.durable = [self.pending[-1]]
            self.pending = []

    def lost(self):
        self.durable += self.pending
        self.pending = []

    def values_after_power_cut(self):
        return self.durable + self.pending


# A state after a power cut is a tuple of small numbers, one for each file there is: its ((directory, name), content).
_item_numbers = {}
_items = []


def _item_number(item):
    number = _item_numbers.get(item)
    if number is None:
        number = _item_numbers[item] = len(_items)
        _items.append(item)
    return number


def files_of(state):
    return dict(_items[number] for number in state)


def state_of(files):
    return tuple(_item_number((name, files[name])) for name in sorted(files))


class FileSystem:
    def __init__(self):
        self.visible = {}  # (directory, name) -> File, as the running system shows it
        self.entries = {}  # (directory, name) -> Entry
        self.steps = 0
        self.faults = {}  # number of the step -> "fails" | "late" (done, but reported as an error) | "dies" (before it)
        self.directory_fsync_fails = False  # every one
        self.observer = None  # called before each step
        self.faulty_directories = set()

    def _step(self, directory, can_be_late=False):
        """True: the operation is to be done and then reported as an error."""
        if self.observer:
            self.observer()
        self.steps += 1
        mode = self.faults.get(self.steps)
        if mode is None:
            return False
        if mode == "dies":
            raise Killed
        self.faulty_directories.add(directory)
        if mode == "late" and can_be_late:
            return True
        raise Fault(f"step {self.steps}")

    def _set(self, directory, name, file):
        if not name.endswith(".tmp"):
            self.entries.setdefault((directory, name), Entry(None)).pending.append(file)

    def names(self, directory):
        return sorted(name for place, name in self.visible if place == directory)

    def exists(self, directory, name):
        return (directory, name) in self.visible

    def read(self, directory, name):
        return self.visible[(directory, name)].content

    def create(self, directory, name):
        self._step(directory)
        file = self.visible[(directory, name)] = File()
        self._set(directory, name, file)
        return file

    def open(self, directory, name):
        """To be written over."""
        self._step(directory)
        return self.visible[(directory, name)]

    def names_of(self, file):
        return [name for name, other in self.visible.items() if other is file]

    def write_over(self, directory, file, content):
        try:
            self._step(directory)
        except Fault:
            file.write_over(content[: len(content) // 2])
            raise
        file.write_over(content)

    def write(self, directory, file, content):
        try:
            self._step(directory)
        except Fault:
            file.content = content[: len(content) // 2]
            raise
        file.content = content

    def fsync(self, directory, file):
        try:
            self._step(directory)
        except Fault:
            file.dropped = True
            raise
        if not file.dropped:
            file.synced = True

    def rename(self, directory, old, new):
        late = self._step(directory, can_be_late=True)
        file = self.visible.pop((directory, old))
        self.visible[(directory, new)] = file
        self._set(directory, old, None)
        self._set(directory, new, file)
        if late:
            raise Fault(f"step {self.steps}, done all the same")

    def unlink(self, directory, name):
        late = self._step(directory, can_be_late=True)
        if self.visible.pop((directory, name), None):
            self._set(directory, name, None)
        if late:
            raise Fault(f"step {self.steps}, done all the same")

    def fsync_directory(self, directory):
        entries = [entry for (place, _), entry in self.entries.items() if place == directory]
        try:
            self._step(directory)
            if self.directory_fsync_fails:
                self.faulty_directories.add(directory)
                raise Fault(f"step {self.steps}")
        except Fault:
            for entry in entries:
                entry.lost()
            raise
        for entry in entries:
            entry.synced()

    def states_after_power_cut(self):
        """Every state, the oldest values first."""
        options = []
        for name in sorted(self.entries):
            contents = []
            for file in self.entries[name].values_after_power_cut():
                contents += [None] if file is None else file.contents_after_power_cut()
            options.append([() if content is None else (_item_number((name, content)),) for content in dict.fromkeys(contents)])
        for choice in itertools.product(*options):
            yield tuple(itertools.chain.from_iterable(choice))

    def is_quiescent(self):
        """Nothing would be lost by a power cut now."""
        return all(
            len(entry.durable) == 1 and not entry.pending and (entry.durable[0] is None or entry.durable[0].synced)
            for entry in self.entries.values()
        )


def power_on(state):
    """The machine comes up with `state` on its disk, and with rubbish from an interrupted write."""
    fs = FileSystem()
    for name, content in files_of(state).items():
        file = File(content, synced=True)
        fs.visible[name] = file
        fs.entries[name] = Entry(file)
    for place in ("state", "journal", "artifacts"):
        fs.visible[(place, "rubbish.tmp")] = File(b'{"revision":')
    return fs
