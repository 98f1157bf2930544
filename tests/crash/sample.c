#include "tests/crash/sample.h"
#include "daemon/artifact.h"
#include "proto/mem.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMES "\"created_at\":\"2026-11-22T16:50:00.123456+00:00\""
#define UPDATED "\"updated_at\":\"2026-11-22T16:50:00.123456+00:00\""

static const char *const names[SAMPLE_SHAPES] = {"journal", "partly folded", "stopped"};
static const struct content_rules rules = {.revisions = true};

const char *sample_name(enum sample_shape shape)
{
	return names[shape];
}

static const struct buf *no_payload(const void *context, const char *name)
{
	(void)context, (void)name;
	return NULL;
}

struct content *sample_content(struct process *p)
{
	return process_content(p, &rules, no_payload, NULL);
}

static struct ram_disk *disk_copy(const struct ram_disk *d)
{
	struct ram_disk *copy = mem_alloc(sizeof *copy);
	ram_disk_init(copy, d->path);
	ram_disk_copy(copy, d);
	return copy;
}

static void disk_free(struct ram_disk *d)
{
	ram_disk_done(d);
	free(d);
}

/* ---- changes */

static void remember(struct sample *s, enum table_id t, const char *id, struct span text)
{
	assert(s->version_count < sizeof s->versions / sizeof *s->versions);
	struct sample_version *v = &s->versions[s->version_count++];
	*v = (struct sample_version){.table = t, .revision = store_next_revision(s->process.store)};
	snprintf(v->id, sizeof v->id, "%s", id);
	if (text.at)
		v->text = (struct span){mem_copy(text.at, text.len), text.len};
}

static void put(struct sample *s, enum table_id t, const char *id, struct buf *text)
{
	buf_printf(text, ",\"revision\":%" PRIu64 "}", store_next_revision(s->process.store));
	remember(s, t, id, buf_as_span(text));
	store_put(s->process.store, t, buf_as_span(text));
	buf_free(text);
}

static void job(struct sample *s, const char *id, const char *status)
{
	struct buf b = {0};
	buf_printf(&b, "{\"id\":\"%s\",\"type\":\"custom\",\"status\":\"%s\",\"payload\":{\"n\":[1,2.5]},\"progress\":null,"
	               "\"result\":null," TIMES ",\"started_at\":null,\"completed_at\":null,\"error\":null,"
	               "\"metadata\":{\"\\u00e9\":\"%s\\n\"}," UPDATED, id, status, status);
	struct buf canonical = {0}, whole = {0};
	buf_span(&whole, buf_as_span(&b));
	buf_char(&whole, '}');
	scan_canonical(&canonical, buf_as_span(&whole));
	canonical.len--;
	buf_free(&b);
	buf_free(&whole);
	put(s, TABLE_JOBS, id, &canonical);
}

static void run(struct sample *s, const char *id, const char *artifact)
{
	struct buf b = {0};
	buf_printf(&b, "{\"id\":\"%s\",\"kind\":\"run\",\"status\":\"running\"," TIMES "," UPDATED
	               ",\"started_at\":null,\"finished_at\":null,\"request\":{},\"meta\":{\"k\":1},\"artifact_id\":", id);
	if (artifact)
		buf_string(&b, span_of(artifact));
	else
		buf_text(&b, "null");
	buf_text(&b, ",\"error\":null");
	put(s, TABLE_RUNS, id, &b);
}

static void artifact(struct sample *s, const char *id, const char *of)
{
	struct buf text = {0}, payload = {0};
	buf_printf(&payload, "{\"of\":\"%s\"}", id);
	artifact_build(&text, span_of(id), span_of(of), SPAN("report"), payload.len, INT64_C(1790000000000000),
	               store_next_revision(s->process.store));
	remember(s, TABLE_ARTIFACTS, id, buf_as_span(&text));
	store_payload(s->process.store, span_of(id), buf_as_span(&payload), false);
	store_put(s->process.store, TABLE_ARTIFACTS, buf_as_span(&text));
	buf_free(&text);
	buf_free(&payload);
	run(s, of, id);
}

static void gone(struct sample *s, enum table_id t, const char *id)
{
	remember(s, t, id, (struct span){0});
	store_remove(s->process.store, t, span_of(id));
}

static void resolved(struct ticket *t, enum store_outcome outcome, const struct disk_error *why)
{
	(void)why;
	assert(outcome == STORE_COMMITTED);
	free(t);
}

static void keep_state(struct sample *s)
{
	assert(s->state_count < sizeof s->states / sizeof *s->states);
	s->states[s->state_count++] = (struct sample_state){disk_copy(s->disk), sample_content(&s->process)};
}

static void judge(struct sample *s)
{
	store_judge(s->process.store);
}

static void commit(struct sample *s)
{
	struct ticket *t = mem_zero(sizeof *t);
	t->resolved = resolved;
	store_wait(s->process.store, t, 0);
	store_flush(s->process.store);
	process_drain(&s->process);
	keep_state(s);
}

/* Whatever is due by now. */
static void tick(struct sample *s, uint64_t millis)
{
	surroundings.millis += millis;
	for (int i = 0; i < 4; i++) {
		journal_tick(s->process.journal);
		process_drain(&s->process);
	}
}

/* ---- the shapes */

static void first_commits(struct sample *s)
{
	judge(s);
	job(s, "j1", "queued");
	job(s, "j2", "running");
	job(s, "j3", "failed");
	run(s, "r1", NULL);
	run(s, "r2", NULL);
	artifact(s, "a0", "r1");
	artifact(s, "a1", "r2");
	commit(s);
	judge(s);
	job(s, "j2", "completed");
	gone(s, TABLE_JOBS, "j3");
	commit(s);
}

static void more_commits(struct sample *s)
{
	judge(s);
	job(s, "j4", "queued");
	job(s, "j1", "running");
	commit(s);
	judge(s);
	artifact(s, "a2", "r1");
	gone(s, TABLE_ARTIFACTS, "a0");
	commit(s);
	judge(s);
	gone(s, TABLE_JOBS, "j2");
	run(s, "r3", NULL);
	commit(s);
}

static void last_commits(struct sample *s)
{
	judge(s);
	job(s, "j4", "running");
	commit(s);
	judge(s);
	run(s, "r2", NULL);
	gone(s, TABLE_RUNS, "r3");
	job(s, "j5", "queued");
	commit(s);
	judge(s);
	gone(s, TABLE_ARTIFACTS, "a1");
	job(s, "j1", "completed");
	commit(s);
}

/* Many commits to one table make its fold due, and no other's. */
static void fold_jobs(struct sample *s)
{
	for (int i = 0; i < 12; i++) {
		judge(s);
		job(s, "j6", i % 2 ? "queued" : "running");
		commit(s);
		tick(s, 10);
	}
}

static void stop(struct sample *s)
{
	process_stop(&s->process);
	process_drain(&s->process);
	assert(s->process.stopped && s->process.folded);
}

void sample_make(struct sample *s, enum sample_shape shape, const char *path)
{
	*s = (struct sample){.shape = shape, .path = path, .rules = rules};
	surroundings = (struct surroundings){.millis = 1000, .dice = dice_of(7, shape, 1)};
	s->disk = mem_alloc(sizeof *s->disk);
	ram_disk_init(s->disk, path);
	s->process.merge_count = 3;
	s->process.fold_floor = shape == SAMPLE_PARTLY ? 2500 : 0;
	bool started = process_start(&s->process, &s->disk->disk, path);
	assert(started);
	(void)started;
	keep_state(s);
	first_commits(s);
	tick(s, shape == SAMPLE_PARTLY ? 10 : 3000);
	more_commits(s);
	tick(s, 10);
	if (shape == SAMPLE_PARTLY)
		fold_jobs(s);
	last_commits(s);
	if (shape == SAMPLE_STOPPED)
		stop(s);
	s->content = sample_content(&s->process);
	process_end(&s->process);
	ram_disk_close_all(s->disk);
	struct ram_disk *whole = s->disk;
	s->disk = disk_copy(whole); /* without tmp files, which a start removes before it looks at anything */
	disk_free(whole);
}

void sample_free(struct sample *s)
{
	for (size_t i = 0; i < s->state_count; i++) {
		disk_free(s->states[i].disk);
		content_free(s->states[i].content);
	}
	for (size_t i = 0; i < s->version_count; i++)
		free((char *)s->versions[i].text.at);
	content_free(s->content);
	disk_free(s->disk);
}
