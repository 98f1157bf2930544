#include "daemon/check.h"
#include "daemon/finding.h"
#include "daemon/hash.h"
#include "daemon/record.h"
#include "daemon/spares.h"
#include "daemon/state_dir.h"
#include "proto/mem.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

/* An id that was read. */
struct known {
	struct hash_link link;
	char *id;
	uint64_t size; /* artifacts: size_bytes */
};

struct check {
	FILE *out;
	struct disk disk;
	struct state_dir dirs;
	uint64_t findings;
	uint64_t revision;
	struct slab slab[TABLE_COUNT];
	struct hash ids[TABLE_COUNT];
	struct buf scratch;
	struct buf names; /* in artifacts/, NUL-separated */
	struct load_result loaded;
	int64_t now;
};

static void print(void *context, const struct load_finding *f)
{
	struct check *c = context;
	c->findings += f->fatal;
	fprintf(c->out, "%s:", f->file);
	if (f->line > 0)
		fprintf(c->out, "%llu:%llu:", (unsigned long long)f->line, (unsigned long long)f->byte);
	fprintf(c->out, " %s%s\n", f->fatal ? "" : "note: ", f->message);
}

/* ---- the sink: nothing but the ids is kept */

static uint32_t find(struct check *c, enum table_id t, struct span id, uint32_t hash)
{
	uint32_t e = hash_first(&c->ids[t], hash);
	for (; e; e = hash_next(&c->ids[t], e, hash)) {
		const struct known *k = slab_at(&c->slab[t], e);
		if (strlen(k->id) == id.len && memcmp(k->id, id.at, id.len) == 0)
			break;
	}
	return e;
}

static uint32_t find_id(struct check *c, enum table_id t, struct span id)
{
	return find(c, t, id, hash_of(&c->ids[t], id));
}

static bool is_record(struct check *c, enum table_id t, struct span text, bool trusted, struct fault *fault,
                      size_t *at, struct record **r)
{
	struct record_keys keys;
	if (!trusted) {
		c->scratch.len = 0;
		if (!record_read(&c->scratch, t, text, 1, false, c->now, fault, at))
			return false;
		text = buf_as_span(&c->scratch);
	}
	*r = record_new(t, text, &keys);
	if (*r)
		return true;
	*at = 0;
	fault_set(fault, FAULT_INVALID_PARAMS,
	          "is no record of this table although the checksum is right: the file was made by another "
	          "program");
	return false;
}

static uint64_t size_of(const struct record *r)
{
	struct members m;
	int64_t whole = 0;
	double real;
	record_open(TABLE_ARTIFACTS, r, &m);
	struct span value = m.value[ARTIFACT_SIZE_BYTES];
	if (!value.at || scan_number(value, &whole, &real) != SCAN_INT || whole < 0)
		return 0;
	return (uint64_t)whole;
}

static bool keep(struct check *c, enum table_id t, struct span text, bool trusted, bool once,
                 struct fault *fault, size_t *at)
{
	struct record *r;
	if (!is_record(c, t, text, trusted, fault, at, &r))
		return false;
	struct span id = record_id(r);
	uint32_t hash = hash_of(&c->ids[t], id), e = find(c, t, id, hash);
	if (e && once) {
		*at = 0;
		fault_set(fault, FAULT_INVALID_PARAMS, "the id %.*s stands twice in this file", (int)id.len, id.at);
		fault_hint(fault, "remove one of the two records");
		record_unref(r);
		return false;
	}
	if (!e) {
		e = slab_take(&c->slab[t]);
		struct known *k = slab_at(&c->slab[t], e);
		k->id = mem_zero(id.len + 1);
		memcpy(k->id, id.at, id.len);
		hash_add(&c->ids[t], e, hash);
	}
	if (t == TABLE_ARTIFACTS)
		((struct known *)slab_at(&c->slab[t], e))->size = size_of(r);
	if (r->revision > c->revision)
		c->revision = r->revision;
	record_unref(r);
	return true;
}

static bool sink_record(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault,
                        size_t *at)
{
	return keep(context, t, text, trusted, true, fault, at);
}

static bool sink_put(void *context, enum table_id t, struct span text, bool trusted, struct fault *fault,
                     size_t *at)
{
	return keep(context, t, text, trusted, false, fault, at);
}

static void forget(struct check *c, enum table_id t, uint32_t e)
{
	struct known *k = slab_at(&c->slab[t], e);
	free(k->id);
	k->id = NULL;
}

static bool sink_remove(void *context, enum table_id t, struct span id, struct fault *fault)
{
	struct check *c = context;
	uint32_t e = find_id(c, t, id);
	(void)fault;
	if (e) {
		hash_remove(&c->ids[t], e);
		forget(c, t, e);
	}
	/* the slab's element is not given back: few are removed, and none may be taken for a record below */
	return true;
}

/* ---- the payloads */

static void check_payload(struct check *c, const struct known *k)
{
	struct load_finding f;
	char name[IDENT_MAX + 8], file[IDENT_MAX + 24];
	uint64_t size;
	snprintf(name, sizeof name, "%s.json", k->id);
	snprintf(file, sizeof file, "artifacts/%s", name);
	int fd = c->dirs.artifacts.fd >= 0 ? disk_open(&c->disk, &c->dirs.artifacts, name, &size) : -1;
	if (fd >= 0) {
		disk_close(&c->disk, fd);
		if (size == k->size)
			return;
		finding_set(&f, file,
		            "has %llu bytes, but its record in artifacts.json says %llu: it was damaged or changed "
		            "by hand; " FINDING_RESTORE,
		            (unsigned long long)size, (unsigned long long)k->size);
	} else if (c->dirs.artifacts.fd < 0 || errno == ENOENT) {
		finding_set(&f, file, "is missing, but artifacts.json has a record of it; " FINDING_RESTORE);
	} else {
		finding_set(&f, file, "cannot be opened: %s",
		            errno == ELOOP || errno == EINVAL ? "it is no regular file" : strerror(errno));
	}
	print(c, &f);
}

static void add_name(void *argument, const char *name)
{
	buf_add(argument, name, strlen(name) + 1);
}

static bool is_unlinked_at_start(const struct check *c, struct span id)
{
	const struct buf *ids = &c->loaded.unlink;
	for (size_t at = 0; at < ids->len; at += strlen(ids->at + at) + 1)
		if (span_is(span_of(ids->at + at), id))
			return true;
	return false;
}

static const char *about_stranger(const struct check *c, struct span id)
{
	if (!id.at || id.len > IDENT_MAX || !ident_check(IDENT_ARTIFACT, id))
		return "is no payload of persistd's; it is ignored";
	if (is_unlinked_at_start(c, id))
		return "its record was deleted; the next start removes it";
	return "no record names this payload; it can be read by its id, and is never removed";
}

static void note_stranger(struct check *c, const char *name)
{
	struct load_finding f;
	char file[320];
	struct span id = {NULL, strlen(name)};
	if (disk_is_tmp(name))
		return; /* noted with the others */
	if (id.len > 5 && strcmp(name + id.len - 5, ".json") == 0)
		id = (struct span){name, id.len - 5};
	if (id.at && find_id(c, TABLE_ARTIFACTS, id))
		return;
	snprintf(file, sizeof file, "artifacts/%s", name);
	finding_set(&f, file, "%s", about_stranger(c, id));
	f.fatal = false;
	print(c, &f);
}

static void check_payloads(struct check *c)
{
	struct slab *slab = &c->slab[TABLE_ARTIFACTS];
	for (uint32_t e = 1; e <= slab->used; e++) {
		const struct known *k = slab_at(slab, e);
		if (k->id)
			check_payload(c, k);
	}
	if (c->dirs.artifacts.fd < 0 || !disk_list(&c->disk, &c->dirs.artifacts, add_name, &c->names))
		return;
	for (size_t at = 0; at < c->names.len; at += strlen(c->names.at + at) + 1)
		note_stranger(c, c->names.at + at);
}

static void note_spares(struct check *c, unsigned count)
{
	struct load_finding f;
	if (count == 0)
		return;
	finding_set(&f, "journal", "%u spare%s left over (spare.*.tmp); the next start removes %s", count,
	            count == 1 ? " is" : "s are", count == 1 ? "it" : "them");
	f.fatal = false;
	print(c, &f);
}

static void note_tmps(struct check *c, const struct disk_dir *dir, const char *prefix)
{
	__attribute__((cleanup(buf_free))) struct buf names = {0};
	unsigned spares = 0;
	if (dir->fd < 0 || !disk_list(&c->disk, dir, add_name, &names))
		return;
	for (size_t at = 0; at < names.len; at += strlen(names.at + at) + 1) {
		struct load_finding f;
		char file[320];
		spares += spares_is_name(names.at + at);
		if (!disk_is_tmp(names.at + at) || spares_is_name(names.at + at))
			continue;
		snprintf(file, sizeof file, "%s%s", prefix, names.at + at);
		finding_set(&f, file, "was left over by a crash; the next start removes it");
		f.fatal = false;
		print(c, &f);
	}
	note_spares(c, spares);
}

/* ---- the whole */

static void begin(struct check *c, const struct disk *disk, FILE *out)
{
	struct timespec now;
	ident_init();
	clock_gettime(CLOCK_REALTIME, &now);
	*c = (struct check){.out = out,
	                    .disk = {.ops = disk->ops, .context = disk->context},
	                    .now = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000};
	for (int t = 0; t < TABLE_COUNT; t++) {
		slab_init(&c->slab[t], sizeof(struct known));
		hash_init(&c->ids[t], &c->slab[t], offsetof(struct known, link));
	}
}

static void end(struct check *c)
{
	for (int t = 0; t < TABLE_COUNT; t++) {
		for (uint32_t e = 1; e <= c->slab[t].used; e++)
			forget(c, (enum table_id)t, e);
		hash_done(&c->ids[t]);
		slab_done(&c->slab[t]);
	}
	buf_free(&c->scratch);
	buf_free(&c->names);
	load_result_free(&c->loaded);
	state_dir_close(&c->dirs, &c->disk);
}

static void check_files(struct check *c)
{
	struct load_sink sink = {.context = c, .record = sink_record, .put = sink_put, .remove = sink_remove};
	note_tmps(c, &c->dirs.state, "");
	note_tmps(c, &c->dirs.journal, "journal/");
	note_tmps(c, &c->dirs.artifacts, "artifacts/");
	if (!load_read(&c->disk, &c->dirs.state, &c->dirs.journal, true, &sink, print, c, &c->loaded))
		return;
	if (c->loaded.revision > c->revision)
		c->revision = c->loaded.revision;
	check_payloads(c);
}

static void summarise(struct check *c)
{
	if (c->findings > 0)
		fprintf(c->out, "%llu finding%s\n", (unsigned long long)c->findings, c->findings == 1 ? "" : "s");
	else
		fprintf(c->out, "%u jobs, %u runs, %u artifacts, revision %llu: sound\n", c->ids[TABLE_JOBS].count,
		        c->ids[TABLE_RUNS].count, c->ids[TABLE_ARTIFACTS].count, (unsigned long long)c->revision);
}

int check_run(const char *state_dir, FILE *out)
{
	return check_disk(&(struct disk){.ops = &disk_system}, state_dir, out);
}

int check_disk(const struct disk *disk, const char *state_dir, FILE *out)
{
	struct check c;
	char why[PATH_MAX + 512];
	begin(&c, disk, out);
	if (!state_dir_open(&c.dirs, &c.disk, state_dir, false, why, sizeof why)) {
		fprintf(out, "%s\n", why);
		c.findings++;
	} else {
		check_files(&c);
	}
	summarise(&c);
	int got = c.findings > 0;
	end(&c);
	return got;
}
