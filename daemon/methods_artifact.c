#include "daemon/artifact.h"
#include "daemon/methods_list.h"
#include "daemon/run.h"
#include "proto/mem.h"
#include "proto/scan.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const struct list_places list_places = {
	.table = TABLE_ARTIFACTS, .a = ARTIFACT_LIST_RUN_ID, .b = ARTIFACT_LIST_KIND, .after = -1, .before = -1,
	.limit = ARTIFACT_LIST_LIMIT, .offset = ARTIFACT_LIST_OFFSET, .cursor = ARTIFACT_LIST_CURSOR,
	.fields = -1,
	.order = ARTIFACT_LIST_ORDER, .group_by = -1,
};

enum outcome method_artifact_list(struct call *c, const struct params *p, struct buf *result,
                                  struct fault *fault)
{
	return list_records(c, p, &list_places, result, fault);
}

/* ---- save */

/* The kind that was given, else the run's; `run` NULL: no such run. */
static struct span artifact_kind(const struct params *p, const struct record *run)
{
	struct record_keys keys;
	if (p->at[ARTIFACT_SAVE_KIND].present)
		return p->at[ARTIFACT_SAVE_KIND].string;
	if (!run)
		return SPAN("run");
	record_keys(TABLE_RUNS, run, &keys);
	return keys.b;
}

static void put_artifact(struct call *c, struct span id, struct span run_id, struct span kind,
                         struct span payload)
{
	struct store *store = c->service->store;
	struct buf text = {0};
	store_payload(store, id, payload, false);
	artifact_build(&text, id, run_id, kind, payload.len, store_now(store), store_next_revision(store));
	store_put(store, TABLE_ARTIFACTS, buf_as_span(&text));
	buf_free(&text);
	c->table = TABLE_ARTIFACTS;
	c->record = record_ref(store_latest(store, TABLE_ARTIFACTS, id, NULL));
	c->fields = RECORD_ALL;
}

static void link_run(struct store *store, const struct record *run, struct span id)
{
	struct buf text = {0};
	run_link(&text, run, id, store_now(store), store_next_revision(store));
	store_put(store, TABLE_RUNS, buf_as_span(&text));
	buf_free(&text);
}

enum outcome method_artifact_save(struct call *c, const struct params *p, struct buf *result,
                                  struct fault *fault)
{
	(void)result;
	struct store *store = c->service->store;
	struct span run_id = p->at[ARTIFACT_SAVE_RUN_ID].string;
	const struct record *run = store_latest(store, TABLE_RUNS, run_id, NULL);
	bool link = !p->at[ARTIFACT_SAVE_LINK].present || p->at[ARTIFACT_SAVE_LINK].flag;
	if (!run && link) {
		record_not_found(TABLE_RUNS, "run_id", fault);
		fault_hint(fault, "create the run first, or send \"link\": false to keep an artifact of a run that "
		                  "is not stored here");
		return OUTCOME_FAILED;
	}
	char id[IDENT_ARTIFACT_MAX + 1];
	char kind_copy[256]; /* it may stand in the run's record, which the link replaces */
	struct span kind = artifact_kind(p, run);
	if (kind.len > sizeof kind_copy)
		kind.len = sizeof kind_copy;
	memcpy(kind_copy, kind.at, kind.len);
	kind.at = kind_copy;
	char clean[IDENT_KIND_MAX + 1]; /* a run of a file may have any kind */
	artifact_make_id(id, (struct span){clean, ident_sanitise(kind, clean, IDENT_KIND_MAX)}, run_id);

	struct buf payload = {0};
	scan_canonical(&payload, p->at[ARTIFACT_SAVE_PAYLOAD].text);
	put_artifact(c, span_of(id), run_id, kind, buf_as_span(&payload));
	buf_free(&payload);
	if (link)
		link_run(store, run, span_of(id));
	return call_wait(c, finish_record);
}

/* ---- delete */

static enum outcome finish_delete(struct call *c, struct buf *result, struct fault *fault)
{
	c->removed = 1;
	return finish_removed(c, result, fault);
}

enum outcome method_artifact_delete(struct call *c, const struct params *p, struct buf *result,
                                    struct fault *fault)
{
	struct store *store = c->service->store;
	struct span id = p->at[ARTIFACT_DELETE_ID].string;
	c->removed = 0;
	if (!store_latest(store, TABLE_ARTIFACTS, id, NULL))
		return finish_removed(c, result, fault);
	store_remove(store, TABLE_ARTIFACTS, id);
	return call_wait(c, finish_delete);
}

/* ---- read: the file comes from the disk, off the loop */

enum { READS_AT_ONCE = 2 }; /* commits and folds need the pool's other threads */

struct payload_read {
	struct flush_job job;  /* first */
	struct call *call;
	struct disk *disk;
	const struct disk_dir *dir;
	bool raw;
	uint64_t limit;
	char name[IDENT_ARTIFACT_MAX + 8];
	int error;             /* errno; 0: read */
	bool too_large;
	uint64_t size;
	struct scan_report bad; /* no JSON; raw: no UTF-8, at this byte of the file */
	bool is_bad;
	struct buf text;       /* what goes into the reply */
};

/* The levels that a reply has around a payload, in a JSON-RPC batch: clients read as many as SCAN_DEPTH_FILE. */
enum { LEVELS_AROUND = 3 };

static void payload_quote(struct payload_read *r, struct buf *content)
{
	struct buf scratch = {0};
	struct span good;
	buf_string(&r->text, buf_as_span(content));
	r->is_bad = scan_check(buf_as_span(&r->text), 0, &r->bad) != SCAN_OK;
	if (r->is_bad && scan_unescape((struct span){r->text.at + 1, r->bad.at - 1}, &scratch, &good))
		r->bad.at = good.len;
	buf_free(&scratch);
}

/* A payload that the Python classes wrote may hold anything; only JSON can stand in a reply as JSON, and only
 * UTF-8 at all. */
static void payload_convert(struct payload_read *r, struct buf *content)
{
	if (r->raw) {
		payload_quote(r, content);
	} else if (scan_check(buf_as_span(content), SCAN_DEPTH_FILE - LEVELS_AROUND, &r->bad) != SCAN_OK) {
		r->is_bad = true;
	} else if (r->bad.number_at != SIZE_MAX) {
		r->is_bad = true;
		r->bad.at = r->bad.number_at;
		r->bad.expected = "a number that 64 bits can hold";
	} else {
		scan_canonical(&r->text, buf_as_span(content));
	}
}

static bool read_all(struct payload_read *r, int fd, struct buf *content)
{
	const struct disk_ops *ops = r->disk->ops;
	for (;;) {
		ssize_t got = ops->pread(r->disk->context, fd, buf_room(content, 1 << 16), 1 << 16,
		                         (off_t)content->len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got == 0;
		content->len += (size_t)got;
		if (content->len > r->limit) {
			r->too_large = true;
			return true;
		}
	}
}

static void payload_work(struct flush_job *job)
{
	struct payload_read *r = (struct payload_read *)job;
	const struct disk_ops *ops = r->disk->ops;
	struct buf content = {0};
	struct stat status;
	int fd;
	do
		fd = ops->openat(r->disk->context, r->dir->fd, r->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
	while (fd < 0 && errno == EINTR);
	if (fd < 0) {
		r->error = errno;
		return;
	}
	bool found = ops->fstat(r->disk->context, fd, &status) == 0;
	if (found && !S_ISREG(status.st_mode)) /* a pipe or a directory that somebody has put there */
		r->error = EINVAL;
	else if (!found || !read_all(r, fd, &content))
		r->error = errno;
	else
		r->size = (uint64_t)status.st_size;
	ops->close(r->disk->context, fd);
	if (!r->error && !r->too_large)
		payload_convert(r, &content);
	buf_free(&content);
}

static void reads_start(struct service *s);
static enum outcome finish_read(struct call *c, struct buf *result, struct fault *fault);

static enum outcome payload_fault(struct call *c, const struct payload_read *r, struct fault *fault)
{
	if (r->error == ENOENT || r->error == ELOOP || r->error == EINVAL) {
		bool known = store_get(c->service->store, TABLE_ARTIFACTS, buf_as_span(&c->text), NULL) != NULL;
		record_not_found(TABLE_ARTIFACTS, "id", fault);
		if (known) {
			fault_set(fault, FAULT_NOT_FOUND, "the artifact's record is there, its file artifacts/%s is not",
			          r->name);
			fault_hint(fault, "somebody removed the file; artifact.delete removes the record");
		}
	} else if (r->error) {
		fault_set(fault, FAULT_INTERNAL, "artifacts/%s cannot be read: %s", r->name, strerror(r->error));
	} else if (r->too_large) {
		fault_set(fault, FAULT_TOO_LARGE, "the payload has %" PRIu64 " bytes, more than a reply may have",
		          r->size);
		fault_hint(fault, "read the file itself: %s/%s", c->service->dirs->artifacts_path, r->name);
	} else if (r->raw) {
		fault_set(fault, FAULT_INVALID_PARAMS, "the payload is no UTF-8 at byte %zu, so no reply can hold it", r->bad.at);
		fault_field(fault, "raw");
		fault_hint(fault, "read the file itself: %s/%s", c->service->dirs->artifacts_path, r->name);
	} else {
		fault_set(fault, FAULT_INVALID_PARAMS,
		          "the payload is no JSON at byte %zu, so it cannot be sent as JSON", r->bad.at);
		fault_field(fault, "raw");
		fault_expected(fault, "%s", r->bad.expected);
		fault_hint(fault, "send \"raw\": true to get the file's exact text as a string");
	}
	return OUTCOME_FAILED;
}

static enum outcome finish_read(struct call *c, struct buf *result, struct fault *fault)
{
	struct payload_read *r = (struct payload_read *)c->job;
	if (r->error || r->too_large || r->is_bad)
		return payload_fault(c, r, fault);
	const struct record *record = store_get(c->service->store, TABLE_ARTIFACTS, buf_as_span(&c->text), NULL);
	buf_text(result, "{\"artifact\":");
	if (record) {
		record_send(result, TABLE_ARTIFACTS, record, NULL, RECORD_ALL, c->service->dirs->artifacts_path);
	} else { /* a file without a record: the Python classes wrote none */
		buf_text(result, "{\"id\":");
		buf_string(result, buf_as_span(&c->text));
		buf_text(result, ",\"run_id\":null,\"kind\":null,\"path\":");
		struct buf path = {0};
		buf_printf(&path, "%s/%s", c->service->dirs->artifacts_path, r->name);
		buf_string(result, buf_as_span(&path));
		buf_free(&path);
		buf_printf(result, ",\"created_at\":null,\"size_bytes\":%" PRIu64 "}", r->size);
	}
	buf_text(result, ",\"payload\":");
	buf_span(result, buf_as_span(&r->text));
	buf_char(result, '}');
	return OUTCOME_DONE;
}

static void payload_done(struct flush_job *job)
{
	struct payload_read *r = (struct payload_read *)job;
	struct service *s = r->call->service;
	s->artifact_reads--;
	struct buf text = r->text;
	call_resume(r->call, finish_read); /* frees the job, not its text */
	buf_free(&text);
	reads_start(s);
}

/* Whose it is; NULL: nobody waits for it any more. */
static struct user *reader(const struct flush_job *job)
{
	const struct origin *o = ((const struct payload_read *)job)->call->origin;
	return o ? o->session->user : NULL;
}

/* Of those that wait, the user's whose last one was begun longest ago: many of one user do not keep others from
 * theirs. What nobody waits for goes first. */
static struct flush_job *take_read(struct service *s)
{
	struct flush_job *before = NULL, *best_before = NULL, *best = s->reads_first;
	for (struct flush_job *job = best; job; before = job, job = job->next) {
		const struct user *u = reader(job), *chosen = reader(best);
		if (chosen && (!u || u->last_read < chosen->last_read)) {
			best = job;
			best_before = before;
		}
	}
	*(best_before ? &best_before->next : &s->reads_first) = best->next;
	if (s->reads_last == best)
		s->reads_last = best_before;
	best->next = NULL;
	return best;
}

static void reads_start(struct service *s)
{
	while (s->artifact_reads < READS_AT_ONCE && s->reads_first) {
		struct flush_job *job = take_read(s);
		struct payload_read *r = (struct payload_read *)job;
		struct user *u = reader(job);
		if (!u) {
			r->error = ECANCELED;
			call_resume(r->call, finish_read);
			continue;
		}
		u->last_read = ++s->reads_begun;
		s->artifact_reads++;
		s->flush->submit(s->flush, job);
	}
}

enum outcome method_artifact_read(struct call *c, const struct params *p, struct buf *result,
                                  struct fault *fault)
{
	(void)result;
	struct service *s = c->service;
	if (!c->origin) { /* it has waited for a change, and nobody is there any more: reads_start would end it under us */
		fault_set(fault, FAULT_INTERNAL, "nobody waits for this read any more");
		return OUTCOME_FAILED;
	}
	struct span id = p->at[ARTIFACT_READ_ID].string;
	struct payload_read *r = mem_zero(sizeof *r);
	*r = (struct payload_read){.job = {.work = payload_work, .done = payload_done}, .call = c,
	                           .disk = s->disk,
	                           .dir = &s->dirs->artifacts, .limit = s->limits.reply - 4096,
	                           .raw = p->at[ARTIFACT_READ_RAW].present && p->at[ARTIFACT_READ_RAW].flag};
	snprintf(r->name, sizeof r->name, "%.*s.json", (int)id.len, id.at);
	c->text.len = 0;
	buf_span(&c->text, id);
	c->job = &r->job;
	if (s->reads_last)
		s->reads_last->next = &r->job;
	else
		s->reads_first = &r->job;
	s->reads_last = &r->job;
	reads_start(s);
	return call_park_reading(c);
}
