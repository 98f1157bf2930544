#include "tests/crash/damage.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

/* ---- what is there */

static void add_file(struct damage *s, enum ram_place place, const char *name)
{
	static const char *const dirs[] = {[RAM_STATE] = "", [RAM_JOURNAL] = "journal/", [RAM_ARTIFACTS] = "artifacts/"};
	const struct buf *text = ram_disk_read(s->sample.disk, place, name);
	assert(s->file_count < DAMAGE_FILES);
	struct damage_file *f = &s->files[s->file_count++];
	*f = (struct damage_file){.place = place, .text = buf_as_span(text)};
	snprintf(f->name, sizeof f->name, "%s", name);
	snprintf(f->path, sizeof f->path, "%s%s", dirs[place], name);
}

struct names {
	struct damage *damage;
	enum ram_place place;
};

static void take_name(void *context, const char *name)
{
	const struct names *n = context;
	const struct buf *text = ram_disk_read(n->damage->sample.disk, n->place, name);
	if (text && text->at)
		add_file(n->damage, n->place, name);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct damage_file *)a)->path, ((const struct damage_file *)b)->path);
}

static void find_files(struct damage *s)
{
	ram_disk_each(s->sample.disk, RAM_STATE, take_name, &(struct names){s, RAM_STATE});
	ram_disk_each(s->sample.disk, RAM_JOURNAL, take_name, &(struct names){s, RAM_JOURNAL});
	ram_disk_each(s->sample.disk, RAM_ARTIFACTS, take_name, &(struct names){s, RAM_ARTIFACTS});
	qsort(s->files, s->file_count, sizeof *s->files, by_path);
}

/* ---- one trial */

static void begin(struct damage_trial *t, struct damage *s, const char *damaged, enum damage_allowed allowed)
{
	*t = (struct damage_trial){.damage = s, .damaged = damaged, .allowed = allowed};
	ram_disk_init(&t->disk, s->sample.path);
	ram_disk_copy(&t->disk, s->sample.disk);
}

static void put(struct damage_trial *t, const struct damage_file *f, struct span text)
{
	if (f->place == RAM_ARTIFACTS)
		t->payload = f;
	ram_disk_put(&t->disk, f->place, f->name, text);
}

static void give(struct damage_trial *t)
{
	t->damage->judge(t);
	ram_disk_done(&t->disk);
}

/* ---- bytes */

static const struct {
	const char *name;
	unsigned char xor, to; /* to: where xor is 0 */
} flips[] = {
	{"one bit", 1, 0},  {"the high bit", 0x80, 0}, {"all bits", 0xff, 0}, {"a space", 0, ' '},
	{"a digit", 0, '7'}, {"a quote", 0, '"'},       {"a newline", 0, '\n'},
};

static void flip_bytes(struct damage *s, const struct damage_file *f)
{
	struct buf text = {0};
	for (size_t i = 0; i < f->text.len; i += s->every)
		for (size_t how = 0; how < sizeof flips / sizeof *flips; how++) {
			struct damage_trial t;
			unsigned char is = (unsigned char)f->text.at[i];
			unsigned char becomes = flips[how].xor ? is ^ flips[how].xor : flips[how].to;
			if (becomes == is)
				continue;
			begin(&t, s, f->place == RAM_ARTIFACTS ? NULL : f->path, ALLOW_ALL);
			t.file = f;
			t.one_byte = true;
			text.len = 0;
			buf_span(&text, f->text);
			text.at[i] = (char)becomes;
			snprintf(t.what, sizeof t.what, "%s, byte %zu: %s", f->path, i, flips[how].name);
			put(&t, f, buf_as_span(&text));
			give(&t);
		}
	buf_free(&text);
}

/* What a segment ends with so that its file can be written over by others of about its size. */
static bool is_padding(struct span text)
{
	while (text.len > 0 && (text.at[text.len - 1] == ' ' || text.at[text.len - 1] == '\n'))
		text.len--;
	return text.len == 0;
}

static void cut_bytes(struct damage *s, const struct damage_file *f)
{
	for (size_t len = 0; len < f->text.len; len += s->every) {
		struct damage_trial t;
		bool payload = f->place == RAM_ARTIFACTS, blank = is_padding((struct span){f->text.at + len, f->text.len - len});
		begin(&t, s, payload ? NULL : f->path, payload || blank ? ALLOW_ALL : ALLOW_REFUSAL);
		t.file = f;
		snprintf(t.what, sizeof t.what, "%s, cut off at %zu of %zu bytes", f->path, len, f->text.len);
		put(&t, f, (struct span){f->text.at, len});
		give(&t);
	}
}

static void add_bytes(struct damage *s, const struct damage_file *f)
{
	static const char *const tails[] = {"\n", " \t\r\n", "x", "}", ",", "{}", "\"", ",\"xxh3\":\"0123456789abcdef\"}"};
	struct buf text = {0};
	for (size_t i = 0; i <= sizeof tails / sizeof *tails; i++) {
		struct damage_trial t;
		bool twice = i == sizeof tails / sizeof *tails, blank = i < 2 || f->place == RAM_ARTIFACTS;
		begin(&t, s, f->place == RAM_ARTIFACTS ? NULL : f->path, blank ? ALLOW_ALL : ALLOW_REFUSAL);
		t.file = f;
		t.one_byte = !blank && !twice && strlen(tails[i]) == 1;
		text.len = 0;
		buf_span(&text, f->text);
		buf_span(&text, twice ? f->text : span_of(tails[i]));
		snprintf(t.what, sizeof t.what, "%s with %s behind it", f->path, twice ? "itself" : tails[i]);
		put(&t, f, buf_as_span(&text));
		give(&t);
	}
	buf_free(&text);
}

/* Runs of bytes that are zeros, blanks or something else, as a sector that was lost is. */
static void blank_bytes(struct damage *s, const struct damage_file *f)
{
	static const size_t lengths[] = {2, 7, 26, 64, 512};
	struct buf text = {0};
	for (size_t i = 0; i < f->text.len; i += 5 * s->every)
		for (size_t l = 0; l < 2 * (sizeof lengths / sizeof *lengths); l++) {
			struct damage_trial t;
			size_t len = lengths[l / 2] < f->text.len - i ? lengths[l / 2] : f->text.len - i;
			begin(&t, s, f->place == RAM_ARTIFACTS ? NULL : f->path, ALLOW_ALL);
			t.file = f;
			text.len = 0;
			buf_span(&text, f->text);
			memset(text.at + i, l % 2 ? ' ' : 0, len);
			snprintf(t.what, sizeof t.what, "%s, %zu bytes from %zu on are %s", f->path, len, i, l % 2 ? "blanks" : "zeros");
			put(&t, f, buf_as_span(&text));
			give(&t);
		}
	buf_free(&text);
}

/* ---- files */

static bool is_segment(const struct damage_file *f)
{
	return f->place == RAM_JOURNAL;
}

static bool is_highest(struct damage *s, const struct damage_file *f)
{
	for (size_t i = 0; i < s->file_count; i++)
		if (is_segment(&s->files[i]) && strcmp(s->files[i].name, f->name) > 0)
			return false;
	return is_segment(f);
}

/* What is in no other file cannot be missed: the newest segments, and a stopped store's only new snapshot. */
static enum damage_allowed without(struct damage *s, const struct damage_file *f)
{
	if (f->place == RAM_ARTIFACTS)
		return ALLOW_ALL;
	return is_highest(s, f) ? ALLOW_OLDER : ALLOW_REFUSAL;
}

static void remove_files(struct damage *s)
{
	for (size_t i = 0; i < s->file_count; i++) {
		struct damage_trial t;
		begin(&t, s, NULL, without(s, &s->files[i]));
		snprintf(t.what, sizeof t.what, "%s is removed", s->files[i].path);
		put(&t, &s->files[i], (struct span){0});
		give(&t);
	}
	for (size_t from = 0; from < s->file_count; from++) { /* one of the segments and all above it */
		struct damage_trial t;
		if (!is_segment(&s->files[from]))
			continue;
		begin(&t, s, NULL, ALLOW_OLDER);
		snprintf(t.what, sizeof t.what, "%s and all above it are removed", s->files[from].path);
		for (size_t i = from; i < s->file_count && is_segment(&s->files[i]); i++)
			put(&t, &s->files[i], (struct span){0});
		give(&t);
	}
}

static void replace_file(struct damage *s, const struct damage_file *f, struct span by, const char *what,
                         enum damage_allowed allowed)
{
	struct damage_trial t;
	begin(&t, s, NULL, f->place == RAM_ARTIFACTS ? ALLOW_ALL : allowed);
	snprintf(t.what, sizeof t.what, "%s is %s", f->path, what);
	put(&t, f, by);
	give(&t);
}

static void swap_files(struct damage *s)
{
	for (size_t a = 0; a < s->file_count; a++)
		for (size_t b = 0; b < s->file_count; b++) {
			struct damage_trial t;
			const struct damage_file *one = &s->files[a], *other = &s->files[b];
			if (a == b || (one->place == RAM_ARTIFACTS && other->place == RAM_ARTIFACTS))
				continue;
			char what[128];
			snprintf(what, sizeof what, "a copy of %s", other->path);
			replace_file(s, one, other->text, what, ALLOW_REFUSAL);
			if (a < b)
				continue;
			begin(&t, s, NULL, ALLOW_REFUSAL);
			snprintf(t.what, sizeof t.what, "%s and %s are exchanged", one->path, other->path);
			put(&t, one, other->text);
			put(&t, other, one->text);
			give(&t);
		}
}

/* A segment under another number: above all, below all, between two. */
static void copy_segments(struct damage *s)
{
	for (size_t i = 0; i < s->file_count; i++)
		for (uint64_t seq = 1; seq < 40; seq++) {
			struct damage_trial t;
			char name[SEGMENT_NAME_LEN + 1];
			segment_name(seq, name);
			if (s->files[i].place == RAM_ARTIFACTS || ram_disk_read(s->sample.disk, RAM_JOURNAL, name))
				continue;
			begin(&t, s, NULL, ALLOW_ALL);
			snprintf(t.what, sizeof t.what, "journal/%s is a copy of %s", name, s->files[i].path);
			ram_disk_put(&t.disk, RAM_JOURNAL, name, s->files[i].text);
			give(&t);
		}
}

/* Is there anything that knows of a later change to the table than the older snapshot does? Where it is not, nobody
 * can tell it from the newest. */
static bool is_known_elsewhere(struct damage *s, const struct damage_file *f)
{
	for (size_t i = 0; i < s->file_count; i++) {
		struct span changed, revision;
		const struct damage_file *other = &s->files[i];
		int64_t knows, has;
		double real;
		char table[16];
		if (other == f || other->place == RAM_ARTIFACTS)
			continue;
		if (other->place == RAM_JOURNAL)
			return true;
		snprintf(table, sizeof table, "%.*s", (int)strlen(f->name) - 5, f->name);
		if (scan_member(other->text, "changed", &changed) && scan_member(changed, table, &revision) &&
		    scan_number(revision, &knows, &real) == SCAN_INT && scan_member(f->text, "revision", &revision) &&
		    scan_number(revision, &has, &real) == SCAN_INT && knows == has)
			return true;
	}
	return false;
}

/* Each file as it was at each earlier moment, and removed where it was not there yet. */
static void bring_back(struct damage *s)
{
	for (size_t at = 0; at < s->sample.state_count; at++)
		for (size_t i = 0; i < s->file_count; i++) {
			const struct damage_file *f = &s->files[i];
			char what[64];
			const struct buf *old = ram_disk_read(s->sample.states[at].disk, f->place, f->name);
			snprintf(what, sizeof what, "as it was after commit %zu", at);
			if (old && !span_is(buf_as_span(old), f->text))
				replace_file(s, f, buf_as_span(old), what,
				             f->place == RAM_STATE && !is_known_elsewhere(s, f) ? ALLOW_OLDER : ALLOW_ALL);
		}
}

/* ... and segments that have gone since. */
struct back {
	struct damage *damage;
	size_t at;
};

static void bring_segment_back(void *context, const char *name)
{
	const struct back *b = context;
	const struct sample *s = &b->damage->sample;
	struct damage_trial t;
	if (ram_disk_read(s->disk, RAM_JOURNAL, name))
		return;
	begin(&t, b->damage, NULL, ALLOW_ALL);
	snprintf(t.what, sizeof t.what, "journal/%s is back as it was after commit %zu", name, b->at);
	ram_disk_put(&t.disk, RAM_JOURNAL, name, buf_as_span(ram_disk_read(s->states[b->at].disk, RAM_JOURNAL, name)));
	give(&t);
}

static void bring_segments_back(struct damage *s)
{
	for (size_t at = 0; at < s->sample.state_count; at++)
		ram_disk_each(s->sample.states[at].disk, RAM_JOURNAL, bring_segment_back, &(struct back){s, at});
}

static void strange_things(struct damage *s)
{
	for (size_t i = 0; i < s->file_count; i++) {
		const struct damage_file *f = &s->files[i];
		struct damage_trial t;
		begin(&t, s, f->place == RAM_ARTIFACTS ? NULL : f->path, f->place == RAM_ARTIFACTS ? ALLOW_ALL : ALLOW_REFUSAL);
		snprintf(t.what, sizeof t.what, "%s is a directory", f->path);
		put(&t, f, (struct span){0});
		ram_disk_put_dir(&t.disk, f->place, f->name);
		give(&t);
	}
	for (int i = 0; i < 2; i++) {
		struct damage_trial t;
		const char *name = i ? "artifacts" : "journal";
		begin(&t, s, NULL, ALLOW_REFUSAL);
		snprintf(t.what, sizeof t.what, "%s is a file", name);
		for (size_t f = 0; f < s->file_count; f++)
			if (s->files[f].place == (i ? RAM_ARTIFACTS : RAM_JOURNAL))
				put(&t, &s->files[f], (struct span){0});
		ram_disk_put(&t.disk, RAM_STATE, name, SPAN("x"));
		give(&t);
	}
}

/* ---- a newer persistd's */

static void resum(struct buf *text)
{
	struct span whole = buf_as_span(text);
	char sum[32];
	size_t covered = whole.len - strlen(",\"xxh3\":\"0123456789abcdef\"}");
	snprintf(sum, sizeof sum, ",\"xxh3\":\"%016" PRIx64 "\"}", (uint64_t)XXH3_64bits(whole.at, covered));
	text->len = covered;
	buf_text(text, sum);
}

/* `what` in the place of `that`, with the right checksum. */
static void newer(struct damage *s, const struct damage_file *f, const char *that, const char *what)
{
	struct buf text = {0};
	const char *at = memmem(f->text.at, f->text.len, that, strlen(that));
	if (!at)
		return;
	struct damage_trial t;
	buf_add(&text, f->text.at, (size_t)(at - f->text.at));
	buf_text(&text, what);
	buf_add(&text, at + strlen(that), f->text.len - (size_t)(at - f->text.at) - strlen(that));
	resum(&text);
	begin(&t, s, f->path, ALLOW_REFUSAL);
	snprintf(t.what, sizeof t.what, "%s has %s", f->path, what);
	put(&t, f, buf_as_span(&text));
	give(&t);
	buf_free(&text);
}

static void newer_files(struct damage *s)
{
	for (size_t i = 0; i < s->file_count; i++) {
		const struct damage_file *f = &s->files[i];
		if (f->place == RAM_ARTIFACTS)
			continue;
		newer(s, f, "{\"format\":1,", "{\"format\":2,");
		newer(s, f, "\"changed\":{\"jobs\":", "\"changed\":{\"notes\":1,\"jobs\":");
		if (is_segment(f)) {
			newer(s, f, "{\"store\":", "{\"format\":2,\"store\":");
			newer(s, f, "\"deleted\":{", "\"deleted\":{\"notes\":[],");
			newer(s, f, ",\"deleted\":", ",\"notes\":[],\"deleted\":");
		}
	}
}

/* ---- the whole */

static void damage_one(struct damage *s)
{
	struct damage_trial t;
	begin(&t, s, NULL, ALLOW_ALL);
	snprintf(t.what, sizeof t.what, "nothing is damaged");
	give(&t);
	for (size_t i = 0; i < s->file_count; i++) {
		flip_bytes(s, &s->files[i]);
		cut_bytes(s, &s->files[i]);
		add_bytes(s, &s->files[i]);
		blank_bytes(s, &s->files[i]);
	}
	remove_files(s);
	swap_files(s);
	copy_segments(s);
	bring_back(s);
	bring_segments_back(s);
	strange_things(s);
	newer_files(s);
}

void damage_all(const char *path, unsigned every, void (*judge)(struct damage_trial *t))
{
	for (int shape = 0; shape < SAMPLE_SHAPES; shape++) {
		struct damage s = {.every = every, .judge = judge};
		sample_make(&s.sample, (enum sample_shape)shape, path);
		find_files(&s);
		damage_one(&s);
		sample_free(&s.sample);
	}
}
