#include "daemon/fold.h"
#include <assert.h>
#include <time.h>

/* A fold of a million records is a few seconds of work. Where it took one of two CPUs for them, the slowest of a
 * thousand gets waited ten times as long as without a fold; like this, twice as long. */
enum { RESTS = 3, REST_MAX_US = 20000 };

static int64_t micros(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Commits wait for the same disk, and a worker that never sleeps waits for nobody to be given a CPU. */
static void rest(int64_t worked)
{
	int64_t pause = RESTS * worked < REST_MAX_US ? RESTS * worked : REST_MAX_US;
	if (pause > 0)
		nanosleep(&(struct timespec){.tv_nsec = pause * 1000}, NULL);
}

static bool write_slice(struct fold *f)
{
	if (!f->begun && !snapshot_begin(&f->writer, f->disk, f->state, f->table, &f->head, f->state->files, &f->error))
		return false;
	f->begun = true;
	return snapshot_rows(&f->writer, f->texts, f->count, &f->error);
}

static void slice_work(struct flush_job *job)
{
	struct fold *f = (struct fold *)job;
	int64_t begun = micros();
	f->result = write_slice(f) ? DISK_OK : DISK_FAILED;
	f->bytes = f->writer.file.size;
	if (f->rests)
		rest(micros() - begun);
}

static void finish_work(struct flush_job *job)
{
	struct fold *f = (struct fold *)job;
	char name[32];
	snapshot_file_name(f->table, name);
	if (mark_keep(f->mark, f->disk, f->state, name, f->head.updated_at, &f->found, f->kept, &f->error)) {
		f->result = snapshot_finish(&f->writer, &f->error);
		*f->mark = f->result == DISK_OK ? mark_of(f->disk, f->state, name) : (struct mark){0};
	} else {
		f->result = DISK_FAILED;
		snapshot_abort(&f->writer);
	}
	f->bytes = f->writer.file.size;
}

static void finish_done(struct flush_job *job)
{
	struct fold *f = (struct fold *)job;
	f->done(f);
}

static void next_slice(struct fold *f);

static void slice_done(struct flush_job *job)
{
	struct fold *f = (struct fold *)job;
	if (f->result == DISK_OK) {
		next_slice(f);
		return;
	}
	f->thaw(f->source, f->table);
	f->done(f);
}

/* An empty table has one slice, too: it begins the file. */
static void next_slice(struct fold *f)
{
	bool more = f->slice(f->source, f->table, f->texts, FOLD_ROWS, FOLD_BYTES, &f->count);
	assert(f->count <= FOLD_ROWS);
	f->job = (struct flush_job){.work = slice_work, .done = slice_done};
	if (!more && f->begun) {
		f->thaw(f->source, f->table);
		f->job = (struct flush_job){.work = finish_work, .done = finish_done};
	}
	f->rests = f->paced(f);
	f->flush->submit(f->flush, &f->job);
}

void fold_start(struct fold *f)
{
	f->begun = false;
	f->bytes = 0;
	f->error = (struct disk_error){0};
	f->found = MARK_SAME;
	f->writer = (struct snapshot_writer){.file = {.fd = -1}};
	next_slice(f);
}
