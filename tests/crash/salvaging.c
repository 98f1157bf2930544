/* Salvages small stores that are damaged in every way that can be thought of (damage.h). Whatever the damage: the new store
 * starts, --check finds it clean, nothing was written into the damaged one; each record in it is one that was
 * acknowledged, or stands so in the damaged file; each record that stands undamaged in some file is in it; and "all is saved"
 * is said only where it has all that a start would have shown. With --mend also where one byte had to be put right: then
 * it is all that was acknowledged. */
#include "daemon/check.h"
#include "daemon/log.h"
#include "daemon/mend.h"
#include "daemon/pieces.h"
#include "daemon/salvage.h"
#include "tests/crash/damage.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char damaged_path[] = "/tmp/persistd-damaged-XXXXXX", new_path[] = "/tmp/persistd-salvaged-XXXXXX";
static uint64_t mend_work; /* 0: no byte is put right, so that what is left without it can be judged */
static uint64_t trials, whole, saved, expected, unproven, wrongs;
enum { WRONGS_SHOWN = 20 };

struct result {
	struct damage_trial *trial;
	struct ram_disk made;
	struct content *has;
	char *printed;
	int status;
};

__attribute__((format(printf, 2, 3))) static void wrong(const struct result *r, const char *format, ...)
{
	const struct damage_trial *t = r->trial;
	va_list arguments;
	if (wrongs++ >= WRONGS_SHOWN)
		return;
	printf("%s: %s: ", sample_name(t->damage->sample.shape), t->what);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n  it said:\n%s", r->printed);
}

/* ---- what is left on the damaged disk */

static struct span file_text(const struct damage_trial *t, const struct damage_file *f)
{
	const struct buf *is = ram_disk_read(&t->disk, f->place, f->name);
	return is ? buf_as_span(is) : (struct span){0};
}

static bool is_untouched(const struct damage_trial *t, const struct damage_file *f)
{
	struct span is = file_text(t, f);
	return is.at && span_is(is, f->text);
}

/* As a line of its own: the newline before it and what ends it. */
static bool stands_in(struct span text, struct span record)
{
	for (const char *at = text.at; at && (at = memmem(at, text.len - (size_t)(at - text.at), record.at, record.len)); at++) {
		size_t end = (size_t)(at - text.at) + record.len;
		bool last = end + 2 <= text.len && memcmp(text.at + end, "\n]", 2) == 0;
		bool between = end + 2 <= text.len && memcmp(text.at + end, ",\n", 2) == 0;
		if (at > text.at && at[-1] == '\n' && (last || between))
			return true;
	}
	return false;
}

static bool stands_somewhere(const struct damage_trial *t, struct span record)
{
	for (size_t i = 0; i < t->damage->file_count; i++) {
		const struct damage_file *f = &t->damage->files[i];
		struct span text = f->place == RAM_ARTIFACTS ? (struct span){0} : file_text(t, f);
		if (text.len > 0 && stands_in(text, record))
			return true;
	}
	return false;
}

static bool was_acknowledged(const struct sample *s, enum table_id t, struct span text)
{
	for (size_t i = 0; i < s->version_count; i++)
		if (s->versions[i].table == t && s->versions[i].text.at && span_is(s->versions[i].text, text))
			return true;
	return false;
}

/* Does an undamaged segment say so? */
static bool is_known_deleted(const struct damage_trial *t, enum table_id table, const char *id)
{
	for (size_t i = 0; i < t->damage->file_count; i++) {
		const struct damage_file *f = &t->damage->files[i];
		struct span deleted, list, value;
		if (f->place != RAM_JOURNAL || !is_untouched(t, f) || !pieces_deleted(f->text, &deleted) ||
		    !scan_member(deleted, spec_table_name(table), &list))
			continue;
		for (struct scan_iter it = scan_elements(list); scan_next_element(&it, &value);)
			if (span_is((struct span){value.at + 1, value.len - 2}, span_of(id)))
				return true;
	}
	return false;
}

/* ---- what the new store must be */

/* Whatever is in it was acknowledged; or it is the damaged file's, as it stands there, and said not to be proven. */
static void judge_records(struct result *r)
{
	const struct damage_trial *t = r->trial;
	const struct sample *s = &t->damage->sample;
	for (size_t i = 0; i < r->has->count; i++) {
		const struct content_row *row = &r->has->rows[i];
		saved++;
		if (was_acknowledged(s, row->table, row->text))
			continue;
		unproven++;
		if (!t->file || r->status != SALVAGE_NOT_ALL || !stands_in(file_text(t, t->file), row->text))
			wrong(r, "%s was never so: %.*s", row->id, (int)row->text.len, row->text.at);
		else if (strstr(r->printed, " 0 from damaged files"))
			wrong(r, "%s is not proven, and that is not said", row->id);
	}
}

static bool has_payload(const struct damage_trial *t, const char *id)
{
	char name[32];
	snprintf(name, sizeof name, "%s.json", id);
	const struct buf *is = ram_disk_read(&t->disk, RAM_ARTIFACTS, name), *was = ram_disk_read(t->damage->sample.disk, RAM_ARTIFACTS, name);
	return is && was && is->len == was->len && is->at;
}

/* A line whose id was damaged can take another's place; that is judged with what was never so. */
static bool is_displaced(const struct result *r, const struct content_row *by)
{
	return !was_acknowledged(&r->trial->damage->sample, by->table, by->text);
}

static void judge_missing(struct result *r)
{
	const struct damage_trial *t = r->trial;
	const struct content *all = t->damage->sample.content;
	for (size_t i = 0; i < all->count; i++) {
		const struct content_row *row = &all->rows[i];
		if (!stands_somewhere(t, row->text) || (row->table == TABLE_ARTIFACTS && !has_payload(t, row->id)))
			continue;
		expected++;
		const struct content_row *has = content_find(r->has, row->table, row->id);
		if (!has)
			wrong(r, "%s stands undamaged in a file, and is not saved", row->id);
		else if (!span_is(has->text, row->text) && !is_displaced(r, has))
			wrong(r, "%s stands undamaged in a file, and is saved as %.*s", row->id, (int)has->text.len, has->text.at);
	}
}

static void judge_deleted(struct result *r)
{
	const struct damage_trial *t = r->trial;
	for (size_t i = 0; t->file && i < r->has->count; i++) {
		const struct content_row *row = &r->has->rows[i];
		if (!content_find(t->damage->sample.content, row->table, row->id) && is_known_deleted(t, row->table, row->id) &&
		    was_acknowledged(&t->damage->sample, row->table, row->text))
			wrong(r, "%s was deleted, as an undamaged segment says, and is back", row->id);
	}
}

/* What is said must fit what was done. */
static void judge_status(struct result *r, const struct content *start)
{
	bool same = start && start->hash == r->has->hash && start->revision == r->has->revision;
	bool payloads = strstr(r->printed, "artifacts/") != NULL;
	whole += r->status == SALVAGE_ALL;
	if (r->status == SALVAGE_ALL && !same && !(mend_work > 0 && r->trial->one_byte))
		wrong(r, "all is said to be saved, and is not");
	const struct damage_trial *t = r->trial;
	if (mend_work > 0 && t->one_byte && t->file->place != RAM_ARTIFACTS &&
	    (r->status != SALVAGE_ALL || r->has->hash != t->damage->sample.content->hash))
		wrong(r, "one byte is another one, and that is not put right");
	if (start && !same && !payloads)
		wrong(r, "it starts, and another store is saved");
	if (start && !payloads && r->status != SALVAGE_ALL)
		wrong(r, "it starts, and not all is said to be saved");
}

static void judge_made(struct result *r)
{
	char *printed;
	size_t len;
	FILE *out = open_memstream(&printed, &len);
	int status = check_disk(&r->made.disk, new_path, out);
	fclose(out);
	if (status != 0 || strstr(printed, "finding"))
		wrong(r, "--check of the new store: %s", printed);
	free(printed);
}

/* ---- one trial */

static struct content *start(struct ram_disk *d, const char *path, char why[1200])
{
	struct process p = {0};
	if (!process_start(&p, &d->disk, path)) {
		snprintf(why, 1200, "%s", p.why);
		return NULL;
	}
	struct content *c = sample_content(&p);
	process_end(&p);
	return c;
}

static struct content *start_of_copy(const struct ram_disk *d)
{
	struct ram_disk copy;
	char why[1200];
	ram_disk_init(&copy, damaged_path);
	ram_disk_copy(&copy, d);
	struct content *c = start(&copy, damaged_path, why);
	ram_disk_done(&copy);
	return c;
}

static void salvage(struct result *r)
{
	size_t len;
	FILE *out = open_memstream(&r->printed, &len);
	uint64_t before = ram_disk_hash(&r->trial->disk);
	ram_disk_init(&r->made, new_path);
	r->status = salvage_disk(&r->trial->disk.disk, damaged_path, &r->made.disk, new_path, mend_work, out);
	fclose(out);
	if (ram_disk_hash(&r->trial->disk) != before)
		wrong(r, "it writes into the damaged directory");
}

/* ---- a disk that does not give back what it was given */

struct unreadable {
	const char *name;    /* of the file; NULL: any */
	uint64_t nth, reads; /* 0: each read of it fails */
};

static int fail_read(void *context, const char *name)
{
	struct unreadable *u = context;
	if (u->name && strcmp(u->name, name) != 0)
		return 0;
	u->reads++;
	return u->nth == 0 || u->reads == u->nth ? EIO : 0;
}

/* The others are saved, and that is said. */
static void salvage_around(struct damage_trial *t, struct unreadable *u)
{
	struct result r = {.trial = t};
	char why[1200];
	t->disk.reading = fail_read;
	t->disk.context = u;
	salvage(&r);
	t->disk.reading = NULL;
	if (r.status == SALVAGE_NOT_DONE) {
		wrong(&r, "nothing is saved");
	} else {
		judge_made(&r);
		r.has = start(&r.made, new_path, why);
	}
	if (!r.has)
		wrong(&r, "the new store does not start: %s", why);
	else if (u->reads > 0 && r.status == SALVAGE_ALL && r.has->hash != t->damage->sample.content->hash)
		wrong(&r, "all is said to be saved, and is not");
	else if (u->nth == 0 && u->reads > 0 && (r.status == SALVAGE_ALL || !strstr(r.printed, u->name)))
		wrong(&r, "what cannot be read is not told");
	if (r.has)
		judge_records(&r);
	content_free(r.has);
	free(r.printed);
	ram_disk_done(&r.made);
}

static void fail_each_read(struct damage_trial *t)
{
	struct unreadable any = {.nth = 1};
	for (size_t i = 0; i < t->damage->file_count; i++) {
		struct unreadable u = {.name = t->damage->files[i].name};
		snprintf(t->what, sizeof t->what, "%s cannot be read", t->damage->files[i].path);
		salvage_around(t, &u);
	}
	do {
		any.reads = 0;
		snprintf(t->what, sizeof t->what, "read %" PRIu64 " fails", any.nth);
		salvage_around(t, &any);
	} while (any.reads >= any.nth++);
	printf("%s: %" PRIu64 " reads failed one after the other\n", sample_name(t->damage->sample.shape), any.nth - 2);
}

/* ---- each damage */

static void judge(struct damage_trial *t)
{
	struct result r = {.trial = t};
	char why[1200];
	trials++;
	if (strcmp(t->what, "nothing is damaged") == 0)
		fail_each_read(t);
	salvage(&r);
	if (r.status == SALVAGE_NOT_DONE)
		wrong(&r, "nothing is saved");
	else
		judge_made(&r);
	r.has = r.status == SALVAGE_NOT_DONE ? NULL : start(&r.made, new_path, why);
	if (r.has) {
		struct content *before = start_of_copy(&t->disk);
		judge_records(&r);
		judge_missing(&r);
		judge_deleted(&r);
		judge_status(&r, before);
		content_free(before);
	} else if (r.status != SALVAGE_NOT_DONE) {
		wrong(&r, "the new store does not start: %s", why);
	}
	content_free(r.has);
	free(r.printed);
	ram_disk_done(&r.made);
}

/* ---- a disk that is full, or fails */

struct failing {
	uint64_t nth, calls; /* the nth fails */
	int number;
};

static int fail_once(void *context, const char *call, const char *path, bool *done)
{
	struct failing *f = context;
	(void)call, (void)path, (void)done;
	return ++f->calls == f->nth ? f->number : 0;
}

static void find_file(void *context, const char *name)
{
	if (strcmp(name, "journal") != 0 && strcmp(name, "artifacts") != 0)
		snprintf(context, 64, "%s", name);
}

/* Nothing is left, and that is said; it never ends as if all was well. Returns whether it failed. */
static bool fail_at(const struct sample *s, struct failing f)
{
	struct ram_disk from, to;
	char *printed, left[64] = "";
	size_t len;
	FILE *out = open_memstream(&printed, &len);
	ram_disk_init(&from, damaged_path);
	ram_disk_copy(&from, s->disk);
	ram_disk_init(&to, new_path);
	to.before = fail_once;
	to.context = &f;
	int status = salvage_disk(&from.disk, damaged_path, &to.disk, new_path, 0, out);
	fclose(out);
	ram_disk_each(&to, RAM_STATE, find_file, left);
	ram_disk_each(&to, RAM_ARTIFACTS, find_file, left);
	if (f.calls >= f.nth && (status != SALVAGE_NOT_DONE || left[0] || !strstr(printed, strerror(f.number)))) {
		wrongs++;
		printf("call %" PRIu64 " fails: %s is left, status %d, it said:\n%s", f.nth, left, status, printed);
	}
	free(printed);
	ram_disk_done(&from);
	ram_disk_done(&to);
	return f.calls >= f.nth;
}

static void fail_each_call(void)
{
	struct sample s;
	uint64_t nth = 1;
	sample_make(&s, SAMPLE_JOURNAL, damaged_path);
	while (fail_at(&s, (struct failing){.nth = nth, .number = nth % 2 ? ENOSPC : EIO}))
		nth++;
	printf("%" PRIu64 " calls failed one after the other\n", nth - 1);
	sample_free(&s);
}

int main(int count, char **arguments)
{
	unsigned every = 1; /* so many bytes apart */
	bool mend = count > 1 && strcmp(arguments[count - 1], "--mend") == 0, usage = count - mend != 1;
	if (count - mend == 3 && strcmp(arguments[1], "--every") == 0) {
		every = (unsigned)strtoul(arguments[2], NULL, 10);
		usage = every == 0;
	}
	mend_work = mend ? MEND_WORK : 0;
	if (usage) {
		fprintf(stderr, "usage: salvaging [--every BYTES] [--mend]\n");
		return 2;
	}
	if (!mkdtemp(damaged_path) || !mkdtemp(new_path)) {
		perror(damaged_path);
		return 1;
	}
	ident_init();
	log_set_level(LOG_LEVEL_ERROR);
	fail_each_call();
	damage_all(damaged_path, every, judge);
	rmdir(damaged_path);
	rmdir(new_path);
	printf("%" PRIu64 " damaged stores salvaged, %" PRIu64 " of them whole; %" PRIu64 " records saved, %" PRIu64
	       " of which stood undamaged in a file and had to be, and %" PRIu64 " as they stand in a damaged one; %" PRIu64 " wrong\n",
	       trials, whole, saved, expected, unproven, wrongs);
	return wrongs == 0 ? 0 : 1;
}
