#include "tests/crash/process.h"
#include "proto/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

struct surroundings surroundings;

/* In the place of the C library's: uuids, names of tmp files and hash seeds are the same each time. */
ssize_t getrandom(void *to, size_t bytes, unsigned flags)
{
	(void)flags;
	for (size_t at = 0; at < bytes; at++)
		((unsigned char *)to)[at] = (unsigned char)dice_below(&surroundings.dice, 256);
	return (ssize_t)bytes;
}

static int64_t now(void) { return INT64_C(1790000000000000) + (int64_t)surroundings.millis * 1000; }
static uint64_t ticks(void) { return surroundings.millis; }

static void submit(struct flush *f, struct flush_job *job)
{
	struct process *p = (struct process *)f;
	job->next = NULL;
	*p->last = job;
	p->last = &job->next;
}

struct flush_job *process_take(struct process *p)
{
	struct flush_job *job = p->first;
	if (!job)
		return NULL;
	p->first = job->next;
	if (!p->first)
		p->last = &p->first;
	return job;
}

void process_drain(struct process *p)
{
	for (struct flush_job *job; (job = process_take(p));) {
		job->work(job);
		job->done(job);
	}
}

static bool ready(void *context) { return journal_ready(((struct process *)context)->journal); }

static void commit(void *context, struct journal_batch *b)
{
	struct process *p = context;
	if (p->committing)
		p->committing(p->context);
	journal_commit(p->journal, b);
}

static void report(void *context, const struct load_finding *f)
{
	struct process *p = context;
	if (!f->fatal || p->why[0])
		return;
	snprintf(p->why, sizeof p->why, "the start is refused: %s: %s", f->file, f->message);
	p->refusal = *f;
}

static void state_changed(void *context)
{
	struct process *p = context;
	if (p->state_changed)
		p->state_changed(p->context);
}

static void make_journal(struct process *p, struct load_result *loaded)
{
	struct journal_options o = {.disk = p->disk, .dirs = &p->dirs, .flush = &p->flush,
	                            .source = store_source(p->store), .now = now, .ticks = ticks,
	                            .state_changed = state_changed, .context = p,
	                            .merge_count = p->merge_count, .fold_floor = p->fold_floor};
	store_loaded(p->store, loaded->revision);
	p->journal = journal_new(&o, loaded);
	load_result_free(loaded);
	store_set_committer(p->store, (struct committer){.context = p, .ready = ready, .commit = commit});
}

bool process_start(struct process *p, struct disk *disk, const char *path)
{
	struct load_result loaded;
	p->flush.submit = submit;
	p->first = NULL;
	p->last = &p->first;
	p->disk = disk;
	p->stopped = p->folded = false;
	p->why[0] = '\0';
	p->refusal = (struct load_finding){0};
	if (!state_dir_open(&p->dirs, disk, path, true, p->why, sizeof p->why))
		return false;
	p->store = store_new(now);
	struct load_sink sink = store_sink(p->store);
	if (load_read(disk, &p->dirs.state, &p->dirs.journal, false, &sink, report, p, &loaded)) {
		make_journal(p, &loaded);
		return true;
	}
	store_free(p->store);
	state_dir_close(&p->dirs, disk);
	p->store = NULL;
	return false;
}

void process_end(struct process *p)
{
	if (!p->journal)
		return;
	journal_free(p->journal);
	store_free(p->store);
	state_dir_close(&p->dirs, p->disk);
	p->journal = NULL;
	p->store = NULL;
}

static void on_stopped(void *context, bool folded)
{
	struct process *p = context;
	p->stopped = true;
	p->folded = folded;
}

void process_stop(struct process *p)
{
	journal_stop(p->journal, on_stopped, p);
}

static void put_row(struct content *c, const struct content_rules *rules, enum table_id t, struct span text,
                    const struct buf *(*read)(const void *context, const char *name), const void *context)
{
	struct record_keys keys;
	struct record *r = record_new(t, text, &keys);
	char id[IDENT_MAX + 8];
	const struct buf *payload = NULL;
	snprintf(id, sizeof id, "%.*s.json", (int)record_id(r).len, record_id(r).at);
	if (t == TABLE_ARTIFACTS)
		payload = read(context, id);
	id[record_id(r).len] = '\0';
	content_put(c, rules, t, id, text, payload ? buf_as_span(payload) : (struct span){0});
	record_unref(r);
}

struct content *process_content(struct process *p, const struct content_rules *rules,
                                const struct buf *(*read)(const void *context, const char *name),
                                const void *context)
{
	struct journal_source source = store_source(p->store);
	struct content *c = content_new();
	for (int t = 0; t < TABLE_COUNT; t++) {
		struct span texts[64];
		uint64_t count, bytes;
		source.freeze(source.context, (enum table_id)t, &count, &bytes);
		for (size_t n; source.slice(source.context, (enum table_id)t, texts, 64, 1 << 20, &n);)
			for (size_t i = 0; i < n; i++)
				put_row(c, rules, (enum table_id)t, texts[i], read, context);
		source.thaw(source.context, (enum table_id)t);
	}
	c->revision = rules->revisions ? journal_revision(p->journal) : 0;
	return c;
}
