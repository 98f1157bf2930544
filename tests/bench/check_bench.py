"""The benchmark measures what it says: with small stores and short times, without servers that must be installed."""
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

BUILD = Path(os.environ['BUILD_DIR'])
HERE = Path(__file__).resolve().parent
LOAD = BUILD / 'tests/bench/load'
PERSISTD = BUILD / 'daemon/persistd'


def run(program, *flags):
    return subprocess.run([sys.executable, str(HERE / program), '--build', str(BUILD), *flags], capture_output=True,
                          text=True, check=False)


class Bench(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.top = Path(place.name)
        self.small = ('--dir', place.name, '--anywhere', '--gigabytes', '0', '--out', str(self.top / 'out'))

    def lines(self, name='results.jsonl'):
        return [json.loads(line) for line in (self.top / 'out' / name).read_text().splitlines()]

    def compare(self, *flags):
        return run('compare.py', *self.small, '--records', '1000', '--seconds', '0.1', '--warm', '0.02', '--pause', '0',
                   '--repeats', '2', *flags)

    def test_every_row_of_every_peer_is_in_the_table_with_its_ratio_and_the_generators_ceiling(self):
        rows = 'save-4x2,get-1,list-2,notify-2x4,mixed-4'
        done = self.compare('--rows', rows, '--peers', 'rewriter')
        self.assertEqual(done.returncode, 0, done.stderr)
        summary = {(r['row'], r['peer']): r for r in self.lines() if r.get('summary')}
        for row in rows.split(','):
            self.assertGreater(summary[row, 'persistd']['rate'], 0)
            self.assertGreater(summary[row, 'persistd']['server_cpu_us'], 0)
            self.assertGreater(summary[row, 'persistd']['rss'], 1 << 20)
            self.assertGreater(summary[row, 'rewriter']['ratio']['median'], 0)
            self.assertGreater(summary[row, 'echo']['rate'], 0)
            self.assertRegex(done.stdout, rf'\| {row} \| persistd \| [\d,]+ ')
        self.assertIn('save-4x2', (self.top / 'out/plot.svg').read_text())

    def test_two_builds_are_compared_with_each_other(self):
        done = self.compare('--rows', 'get-2x4,start', '--start-records', '1000', '--peers', 'persistd', '--persistd',
                            f'old={PERSISTD}', '--persistd', f'new={PERSISTD}')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r'\| get-2x4 \| new \| \d')
        self.assertRegex(done.stdout, r'\| start \| new \| \d')

    def test_a_row_that_does_not_exist_is_refused_by_name(self):
        done = self.compare('--rows', 'get-64,fly-3')
        self.assertEqual(done.returncode, 2)
        self.assertIn("no row 'fly-3'", done.stderr)

    def test_nothing_is_left_behind(self):
        self.compare('--rows', 'get-1', '--peers', 'rewriter')
        self.assertEqual([path.name for path in self.top.iterdir()], ['out'])
        left = subprocess.run(['grep', '-las', str(self.top), *map(str, Path('/proc').glob('[0-9]*/cmdline'))],
                              capture_output=True, text=True, check=False)
        self.assertEqual(left.stdout, '')

    def test_what_a_call_costs_is_shown_for_each_size(self):
        done = run('curves.py', *self.small, '--sizes', '1000,2000', '--parts', 'calls', '--seconds', '0.1')
        self.assertEqual(done.returncode, 0, done.stderr)
        found = {(r['call'], r['records']) for r in self.lines('curves.jsonl')}
        for call in ('save', 'get', 'first', 'middle', 'rare', 'common', 'cleanup', 'delete'):
            self.assertLessEqual({(call, 1000), (call, 2000)}, found)
        removed = [r['removed'] for r in self.lines('curves.jsonl') if r['call'] == 'cleanup']
        self.assertTrue(5 <= removed[0] <= 20 and 10 <= removed[1] <= 40, removed)


class Load(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.socket = f'{place.name}/s'
        self.daemon = subprocess.Popen([str(PERSISTD), '--config', '/dev/null', '--socket', self.socket, '--state-dir',
                                        f'{place.name}/state'], stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (self.daemon.kill(), self.daemon.wait()))
        while not os.path.exists(self.socket):
            time.sleep(0.01)

    def load(self, *flags):
        return subprocess.run([str(LOAD), '--socket', self.socket, *flags], capture_output=True, text=True, check=False)

    def test_an_error_ends_the_run_and_is_shown(self):
        done = self.load('--work', 'get', '--records', '10', '--seconds', '1')
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('an error came back: {"jsonrpc":"2.0","error":{"code":-32001', done.stderr)

    def test_every_call_that_is_counted_was_made(self):
        done = self.load('--work', 'preload', '--records', '3000', '--connections', '7', '--pipeline', '5')
        self.assertEqual(json.loads(done.stdout)['calls'], 3000, done.stderr)
        for flags in (('--connections', '3', '--pipeline', '4'), ('--pipeline', '1')):
            before = self.calls_of('job.update_progress')
            got = json.loads(self.load('--work', 'notify', '--records', '3000', '--seconds', '0.2', *flags).stdout)
            self.assertTrue(got['drained'])
            self.assertEqual(self.calls_of('job.update_progress') - before, got['total'])

    def test_records_have_the_length_that_was_asked_for(self):
        for size in (600, 16384):
            self.load('--work', 'preload', '--records', '200', '--bytes', str(size))
            got = json.loads(self.load('--work', 'get', '--records', '200', '--bytes', str(size), '--warm', '0',
                                       '--seconds', '0.2').stdout)
            envelope = len('{"jsonrpc":"2.0","result":,"id":1234}\n') + len(',"percentage":12.34')
            self.assertAlmostEqual(got['bytes_in'] / got['calls'] - envelope, size, delta=15)

    def calls_of(self, method):
        reply = subprocess.run([str(BUILD / 'client/persistctl'), '--socket', self.socket, 'call', 'server.stats'],
                               capture_output=True, text=True, check=True).stdout
        match = re.search(rf'"{re.escape(method)}":\s*{{[^}}]*?"calls":\s*(\d+)', reply)
        return int(match[1]) if match else 0


unittest.main()
