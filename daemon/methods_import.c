/* server.import: everything is checked before the first record is put, and all of it is one commit. */
#include "daemon/hash.h"
#include "daemon/methods_list.h"
#include "proto/scan.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const int places[TABLE_COUNT] = {SERVER_IMPORT_JOBS, SERVER_IMPORT_RUNS, SERVER_IMPORT_ARTIFACTS};

/* What the checking pass would have put: the store does not know of it yet. */
struct seen {
	struct slab slab;
	struct hash hash;
	struct buf keys;    /* the table's number and the id, each */
};

struct seen_key {
	struct hash_link link;
	uint64_t at;        /* in `keys` */
	uint64_t len;
};

struct import {
	struct call *call;
	struct store *store;
	int64_t now;
	uint64_t revision;  /* that the next record gets: the first pass judges the very texts that the second one stores */
	bool replace;
	bool storing;       /* the second pass */
	bool has_payloads;  /* some artifact comes with one */
	struct seen seen;
	struct buf text;    /* the record, canonical */
	struct buf object;  /* an artifact as it came, without its payload */
	struct buf payload; /* canonical */
	bool has_payload;
};

/* An artifact that comes with its payload: the payload is taken out, and its size counted. */
static struct span take_payload(struct import *in, struct span object)
{
	struct span name, value;
	in->has_payload = scan_member(object, "payload", &value);
	if (!in->has_payload)
		return object;
	in->has_payloads = true;
	in->payload.len = in->object.len = 0;
	scan_canonical(&in->payload, value);
	buf_printf(&in->object, "{\"size_bytes\":%zu", in->payload.len);
	for (struct scan_iter it = scan_members(object); scan_next_member(&it, &name, &value);) {
		if (scan_name_is(name, "payload") || scan_name_is(name, "size_bytes"))
			continue;
		buf_text(&in->object, ",\"");
		buf_span(&in->object, name);
		buf_text(&in->object, "\":");
		buf_span(&in->object, value);
	}
	buf_char(&in->object, '}');
	return buf_as_span(&in->object);
}

/* `text` is canonical, so that its id stands at a known place and ends with the next quote. */
static struct span id_of(const struct import *in)
{
	const char *id = in->text.at + RECORD_ID_AT, *quote = memchr(id, '"', in->text.len - RECORD_ID_AT);
	return (struct span){id, (size_t)(quote - id)};
}

static void seen_init(struct seen *s)
{
	slab_init(&s->slab, sizeof(struct seen_key));
	hash_init(&s->hash, &s->slab, offsetof(struct seen_key, link));
}

static void seen_done(struct seen *s)
{
	hash_done(&s->hash);
	slab_done(&s->slab);
	buf_free(&s->keys);
}

/* The key is appended to `keys`, and cut off again unless the caller keeps it. */
static struct span seen_key(struct seen *s, enum table_id t, struct span id)
{
	size_t at = s->keys.len;
	buf_char(&s->keys, (char)('0' + t));
	buf_span(&s->keys, id);
	struct span key = {s->keys.at + at, s->keys.len - at};
	s->keys.len = at;
	return key;
}

static bool seen_has(struct seen *s, enum table_id t, struct span id)
{
	struct span key = seen_key(s, t, id);
	uint32_t hash = hash_of(&s->hash, key);
	for (uint32_t n = hash_first(&s->hash, hash); n; n = hash_next(&s->hash, n, hash)) {
		const struct seen_key *k = slab_at(&s->slab, n);
		if (k->len == key.len && memcmp(s->keys.at + k->at, key.at, key.len) == 0)
			return true;
	}
	return false;
}

static void seen_add(struct seen *s, enum table_id t, struct span id)
{
	if (seen_has(s, t, id))
		return;
	struct span key = seen_key(s, t, id);
	uint32_t n = slab_take(&s->slab);
	struct seen_key *k = slab_at(&s->slab, n);
	k->at = s->keys.len;
	k->len = key.len;
	s->keys.len += key.len;
	hash_add(&s->hash, n, hash_of(&s->hash, key));
}

static bool exists(struct import *in, enum table_id t)
{
	return store_latest(in->store, t, id_of(in), NULL) || (!in->storing && seen_has(&in->seen, t, id_of(in)));
}

static bool payload_refused(struct fault *fault, const char *name, const char *why, const char *hint)
{
	fault_set(fault, FAULT_INVALID_PARAMS, "artifacts/%.180s %s", name, why);
	fault_field(fault, "payload");
	fault_hint(fault, "%s", hint);
	return false;
}

/* What is there and cannot be read may be the only copy all the same. */
static bool payload_unreadable(struct fault *fault, const char *name, int number)
{
	char why[160];
	snprintf(why, sizeof why, "is there, or may be, and cannot be read: %s",
	         number == EINVAL ? "no regular file" : number == ELOOP ? "a symbolic link" : strerror(number));
	return payload_refused(fault, name, why, "move it away, or make it readable to the daemon");
}

/* Its deletion is pending: its payload goes with it, before that of this call is written. */
static bool is_going(const struct import *in)
{
	struct span id = id_of(in);
	return store_get(in->store, TABLE_ARTIFACTS, id, NULL) && !store_latest(in->store, TABLE_ARTIFACTS, id, NULL);
}

static void payload_name(const struct import *in, char name[IDENT_ARTIFACT_MAX + 8])
{
	struct span id = id_of(in);
	snprintf(name, IDENT_ARTIFACT_MAX + 8, "%.*s.json", (int)id.len, id.at);
}

/* A file without a record may be the only copy of what a Python class has left there: it is not written over.
 * Read on the loop: it is there only where somebody has copied it. */
static bool payload_free(const struct import *in, struct fault *fault)
{
	const struct service *s = in->call->service;
	struct buf there = {0};
	uint64_t size;
	char name[IDENT_ARTIFACT_MAX + 8];
	payload_name(in, name);
	int fd = disk_open(s->disk, &s->dirs->artifacts, name, &size);
	if (fd < 0)
		return errno == ENOENT || payload_unreadable(fault, name, errno);
	ssize_t got = 0;
	if (size == in->payload.len)
		got = disk_read(s->disk, fd, buf_room(&there, size + 1), size, 0);
	int number = got < 0 ? errno : 0;
	bool same = size == in->payload.len && got == (ssize_t)size && memcmp(there.at, in->payload.at, size) == 0;
	disk_close(s->disk, fd);
	buf_free(&there);
	if (number)
		return payload_unreadable(fault, name, number);
	return same || payload_refused(fault, name, "is there, without a record and with other content",
	                               "leave payload out to import the record of the file that is there, or move the "
	                               "file away");
}

/* Reads the record at `place` of its list into `text`. */
static bool read_record(struct import *in, enum table_id t, struct span object, size_t place,
                        struct fault *fault)
{
	size_t at;
	in->text.len = 0;
	in->has_payload = false;
	if (t == TABLE_ARTIFACTS && scan_kind(object) == SCAN_OBJECT)
		object = take_payload(in, object);
	if (record_read(&in->text, t, object, in->revision, true, in->now, fault, &at) &&
	    (in->storing || (record_fits(in->call, t, in->text.len, fault) &&
	                 (!in->has_payload || exists(in, t) || is_going(in) || payload_free(in, fault)))))
		return true;
	char field[sizeof fault->field];
	snprintf(field, sizeof field, "%s[%zu]%s%.80s", spec_table_name(t), place, fault->field[0] ? "." : "",
	         fault->field);
	fault_field(fault, field);
	return false;
}

static bool wanted(struct import *in, enum table_id t)
{
	return (in->replace && !in->has_payload) || !exists(in, t);
}

static bool payload_is_there(const struct import *in)
{
	const struct service *s = in->call->service;
	char name[IDENT_ARTIFACT_MAX + 8];
	payload_name(in, name);
	return !is_going(in) && (disk_exists(s->disk, &s->dirs->artifacts, name) || errno != ENOENT);
}

static void put(struct import *in, enum table_id t)
{
	if (in->has_payload)
		store_payload(in->store, id_of(in), buf_as_span(&in->payload), payload_is_there(in));
	store_put(in->store, t, buf_as_span(&in->text));
}

/* Goes over all records of one list; puts those that are wanted, or notes that it would. */
static bool each_record(struct import *in, enum table_id t, struct span list, size_t *count, struct fault *fault)
{
	struct span object;
	size_t place = 0;
	*count = 0;
	for (struct scan_iter it = scan_elements(list); scan_next_element(&it, &object); place++) {
		if (!read_record(in, t, object, place, fault))
			return false;
		if (!wanted(in, t))
			continue;
		if (in->storing)
			put(in, t);
		else
			seen_add(&in->seen, t, id_of(in));
		in->revision++;
		++*count;
	}
	return true;
}

static enum outcome finish_import(struct call *c, struct buf *result, struct fault *fault)
{
	(void)fault;
	buf_span(result, buf_as_span(&c->text));
	return OUTCOME_DONE;
}

/* The counts of a pass over all lists, as the reply's text. */
static bool pass(struct import *in, const struct params *p, bool storing, struct fault *fault)
{
	struct buf *counts = &in->call->text;
	counts->len = 0;
	in->storing = storing;
	in->revision = store_next_revision(in->store);
	for (int t = 0; t < TABLE_COUNT; t++) {
		size_t count;
		if (!each_record(in, (enum table_id)t, p->at[places[t]].text, &count, fault))
			return false;
		buf_printf(counts, "%s\"%s\":%zu", t == 0 ? "{" : ",", spec_table_name((enum table_id)t), count);
	}
	buf_char(counts, '}');
	return true;
}

enum outcome method_server_import(struct call *c, const struct params *p, struct buf *result,
                                  struct fault *fault)
{
	struct store *store = c->service->store;
	const struct param *dry_run = &p->at[SERVER_IMPORT_DRY_RUN];
	struct import in = {.call = c, .store = store, .now = store_now(store),
	                    .replace = p->at[SERVER_IMPORT_MODE].present && p->at[SERVER_IMPORT_MODE].choice == 1};
	seen_init(&in.seen);
	bool good = pass(&in, p, false, fault);
	seen_done(&in.seen);
	if (good && !(dry_run->present && dry_run->flag)) {
		if (in.has_payloads && store_seen(store))
			store_apart(store);
		good = pass(&in, p, true, fault);
	}
	buf_free(&in.text);
	buf_free(&in.object);
	buf_free(&in.payload);
	if (!good)
		return OUTCOME_FAILED;
	return store_changed(store) ? call_wait(c, finish_import) : finish_import(c, result, fault);
}
