/* Damages each file of small stores in every way that can be thought of, and starts the real store on what is left: it
 * shows exactly what was acknowledged, or refuses with the damaged file's name, and writes nothing; never less. --check
 * says the same. */
#include "daemon/check.h"
#include "daemon/log.h"
#include "proto/mem.h"
#include "tests/crash/sample.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char directory[] = "/tmp/persistd-corruption-XXXXXX";
static unsigned every = 1; /* so many bytes apart */
static uint64_t trials, refusals, accepted, older, wrongs;
enum { WRONGS_SHOWN = 20 };

struct file {
	enum ram_place place;
	char name[64], path[96]; /* with the directory */
	struct span text;        /* the sample's */
};

enum { FILES = 16 };

struct subject {
	struct sample sample;
	struct file files[FILES];
	size_t file_count;
};

/* What a start may show beside exactly what was acknowledged. */
enum allowed {
	ONLY_ALL,
	ALSO_OLDER,   /* an older state, whole: nothing that is left can know of what came after it */
	ONLY_REFUSED,
};

struct trial {
	const struct subject *subject;
	const char *damaged;  /* the path that a refusal must name; NULL: any */
	const struct file *payload; /* that is damaged */
	enum allowed allowed;
	struct ram_disk disk;
	char what[256];
};

__attribute__((format(printf, 2, 3))) static bool wrong(const struct trial *t, const char *format, ...)
{
	va_list arguments;
	if (wrongs++ >= WRONGS_SHOWN)
		return false;
	printf("%s: %s: ", sample_name(t->subject->sample.shape), t->what);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	return false;
}

/* ---- what is there */

static void add_file(struct subject *s, enum ram_place place, const char *name)
{
	static const char *const dirs[] = {[RAM_STATE] = "", [RAM_JOURNAL] = "journal/", [RAM_ARTIFACTS] = "artifacts/"};
	const struct buf *text = ram_disk_read(s->sample.disk, place, name);
	if (s->file_count == FILES)
		abort();
	struct file *f = &s->files[s->file_count++];
	*f = (struct file){.place = place, .text = buf_as_span(text)};
	snprintf(f->name, sizeof f->name, "%s", name);
	snprintf(f->path, sizeof f->path, "%s%s", dirs[place], name);
}

struct names {
	struct subject *subject;
	enum ram_place place;
};

static void take_name(void *context, const char *name)
{
	const struct names *n = context;
	const struct buf *text = ram_disk_read(n->subject->sample.disk, n->place, name);
	if (text && text->at)
		add_file(n->subject, n->place, name);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

static void find_files(struct subject *s)
{
	ram_disk_each(s->sample.disk, RAM_STATE, take_name, &(struct names){s, RAM_STATE});
	ram_disk_each(s->sample.disk, RAM_JOURNAL, take_name, &(struct names){s, RAM_JOURNAL});
	ram_disk_each(s->sample.disk, RAM_ARTIFACTS, take_name, &(struct names){s, RAM_ARTIFACTS});
	qsort(s->files, s->file_count, sizeof *s->files, by_path);
}

/* ---- one trial */

static void begin(struct trial *t, const struct subject *s, const char *damaged, enum allowed allowed)
{
	*t = (struct trial){.subject = s, .damaged = damaged, .allowed = allowed};
	ram_disk_init(&t->disk, directory);
	ram_disk_copy(&t->disk, s->sample.disk);
}

static bool same(const struct content *a, const struct content *b)
{
	return a->hash == b->hash && a->revision == b->revision;
}

static bool is_state(const struct sample *s, const struct content *shown)
{
	for (size_t i = 0; i < s->state_count; i++)
		if (same(s->states[i].content, shown))
			return true;
	return false;
}

/* A start opens none and touches none, but for those whose deletion it repeats. */
static bool keeps_payloads(const struct trial *t)
{
	const struct subject *s = t->subject;
	for (size_t i = 0; i < s->file_count; i++) {
		const struct file *f = &s->files[i];
		const struct buf *is = f->place == RAM_ARTIFACTS ? ram_disk_read(&t->disk, RAM_ARTIFACTS, f->name) : NULL;
		if (f->place == RAM_ARTIFACTS && f != t->payload && !(is && span_is(buf_as_span(is), f->text)))
			return wrong(t, "%s is another one, or gone", f->path);
	}
	return true;
}

static bool shows(const struct trial *t, struct process *p)
{
	const struct sample *s = &t->subject->sample;
	struct content *shown = sample_content(p);
	char why[2048];
	bool ok = same(shown, s->content);
	if (!ok && t->allowed == ALSO_OLDER && is_state(s, shown)) {
		older++;
		ok = true;
	}
	if (t->allowed == ONLY_REFUSED) {
		ok = wrong(t, "it starts");
	} else if (!ok) {
		content_compare(s->content, shown, why, sizeof why);
		wrong(t, "another store: %s", why);
	}
	content_free(shown);
	return ok && keeps_payloads(t);
}

static bool is_told(const struct trial *t, const struct process *p)
{
	const struct load_finding *f = &p->refusal;
	if (!f->file[0])
		return p->why[0] || wrong(t, "it is refused without a word");
	if (!f->message[0])
		return wrong(t, "the refusal says nothing of %s", f->file);
	if (t->damaged && strcmp(f->file, t->damaged) != 0)
		return wrong(t, "the refusal is about %s: %s", f->file, f->message);
	return true;
}

/* The first line that is no note: FILE[:LINE:BYTE]: MESSAGE */
static bool says_the_same(const struct trial *t, const struct process *p, bool started, int status, char *printed)
{
	char wanted[sizeof p->why + 256], place[64] = "", *line = printed, *end;
	const struct load_finding *f = &p->refusal;
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (!strstr(line, ": note: "))
			break;
	}
	bool payload = strncmp(line, "artifacts/", 10) == 0;
	if (started != (status == 0 || payload))
		return wrong(t, "the start %s, --check says: %s", started ? "goes on" : "is refused", line);
	if (started)
		return true;
	if (f->line > 0)
		snprintf(place, sizeof place, "%" PRIu64 ":%" PRIu64 ":", f->line, f->byte);
	snprintf(wanted, sizeof wanted, f->file[0] ? "%s:%s %s" : "%.0s%.0s%s", f->file, place,
	         f->file[0] ? f->message : p->why);
	return strcmp(wanted, line) == 0 || wrong(t, "the start says:\n  %s\n--check:\n  %s", wanted, line);
}

static int check(struct trial *t, char **printed)
{
	size_t len;
	FILE *out = open_memstream(printed, &len);
	uint64_t before = ram_disk_hash(&t->disk);
	int status = check_disk(&t->disk.disk, directory, out);
	fclose(out);
	if (ram_disk_hash(&t->disk) != before)
		wrong(t, "--check writes");
	return status;
}

/* --check goes first: a start that goes on changes the disk. */
static bool judge(struct trial *t)
{
	struct process p = {0};
	char *printed;
	int status = check(t, &printed);
	uint64_t before = ram_disk_hash(&t->disk);
	bool started = process_start(&p, &t->disk.disk, directory);
	bool ok = says_the_same(t, &p, started, status, printed);
	trials++;
	if (started) {
		accepted++;
		ok = shows(t, &p) && ok;
		process_end(&p);
	} else {
		refusals++;
		ok = is_told(t, &p) && (ram_disk_hash(&t->disk) == before || wrong(t, "it is refused (%s), and has written", p.why)) && ok;
	}
	free(printed);
	ram_disk_done(&t->disk);
	return ok;
}

static void put(struct trial *t, const struct file *f, struct span text)
{
	if (f->place == RAM_ARTIFACTS)
		t->payload = f;
	ram_disk_put(&t->disk, f->place, f->name, text);
}

/* ---- bytes */

static const struct {
	const char *name;
	unsigned char xor, to; /* to: where xor is 0 */
} flips[] = {
	{"one bit", 1, 0},  {"the high bit", 0x80, 0}, {"all bits", 0xff, 0}, {"a space", 0, ' '},
	{"a digit", 0, '7'}, {"a quote", 0, '"'},       {"a newline", 0, '\n'},
};

static void flip_bytes(const struct subject *s, const struct file *f)
{
	struct buf text = {0};
	for (size_t i = 0; i < f->text.len; i += every)
		for (size_t how = 0; how < sizeof flips / sizeof *flips; how++) {
			struct trial t;
			unsigned char is = (unsigned char)f->text.at[i];
			unsigned char becomes = flips[how].xor ? is ^ flips[how].xor : flips[how].to;
			if (becomes == is)
				continue;
			begin(&t, s, f->place == RAM_ARTIFACTS ? NULL : f->path, ONLY_ALL);
			text.len = 0;
			buf_span(&text, f->text);
			text.at[i] = (char)becomes;
			snprintf(t.what, sizeof t.what, "%s, byte %zu: %s", f->path, i, flips[how].name);
			put(&t, f, buf_as_span(&text));
			judge(&t);
		}
	buf_free(&text);
}

static void cut_bytes(const struct subject *s, const struct file *f)
{
	for (size_t len = 0; len < f->text.len; len += every) {
		struct trial t;
		bool payload = f->place == RAM_ARTIFACTS;
		begin(&t, s, payload ? NULL : f->path, payload ? ONLY_ALL : ONLY_REFUSED);
		snprintf(t.what, sizeof t.what, "%s, cut off at %zu of %zu bytes", f->path, len, f->text.len);
		put(&t, f, (struct span){f->text.at, len});
		judge(&t);
	}
}

static void add_bytes(const struct subject *s, const struct file *f)
{
	static const char *const tails[] = {"\n", " \t\r\n", "x", "}", ",", "{}", "\"", ",\"xxh3\":\"0123456789abcdef\"}"};
	struct buf text = {0};
	for (size_t i = 0; i <= sizeof tails / sizeof *tails; i++) {
		struct trial t;
		bool twice = i == sizeof tails / sizeof *tails, blank = i < 2 || f->place == RAM_ARTIFACTS;
		begin(&t, s, f->place == RAM_ARTIFACTS ? NULL : f->path, blank ? ONLY_ALL : ONLY_REFUSED);
		text.len = 0;
		buf_span(&text, f->text);
		buf_span(&text, twice ? f->text : span_of(tails[i]));
		snprintf(t.what, sizeof t.what, "%s with %s behind it", f->path, twice ? "itself" : tails[i]);
		put(&t, f, buf_as_span(&text));
		judge(&t);
	}
	buf_free(&text);
}

/* Runs of bytes that are zeros, blanks or something else, as a sector that was lost is. */
static void blank_bytes(const struct subject *s, const struct file *f)
{
	static const size_t lengths[] = {2, 7, 26, 64, 512};
	struct buf text = {0};
	for (size_t i = 0; i < f->text.len; i += 5 * every)
		for (size_t l = 0; l < 2 * (sizeof lengths / sizeof *lengths); l++) {
			struct trial t;
			size_t len = lengths[l / 2] < f->text.len - i ? lengths[l / 2] : f->text.len - i;
			begin(&t, s, f->place == RAM_ARTIFACTS ? NULL : f->path, ONLY_ALL);
			text.len = 0;
			buf_span(&text, f->text);
			memset(text.at + i, l % 2 ? ' ' : 0, len);
			snprintf(t.what, sizeof t.what, "%s, %zu bytes from %zu on are %s", f->path, len, i, l % 2 ? "blanks" : "zeros");
			put(&t, f, buf_as_span(&text));
			judge(&t);
		}
	buf_free(&text);
}

/* ---- files */

static bool is_segment(const struct file *f)
{
	return f->place == RAM_JOURNAL;
}

static bool is_highest(const struct subject *s, const struct file *f)
{
	for (size_t i = 0; i < s->file_count; i++)
		if (is_segment(&s->files[i]) && strcmp(s->files[i].name, f->name) > 0)
			return false;
	return is_segment(f);
}

/* What is in no other file cannot be missed: the newest segments, and a stopped store's only new snapshot. */
static enum allowed without(const struct subject *s, const struct file *f)
{
	if (f->place == RAM_ARTIFACTS)
		return ONLY_ALL;
	return is_highest(s, f) ? ALSO_OLDER : ONLY_REFUSED;
}

static void remove_files(const struct subject *s)
{
	for (size_t i = 0; i < s->file_count; i++) {
		struct trial t;
		begin(&t, s, NULL, without(s, &s->files[i]));
		snprintf(t.what, sizeof t.what, "%s is removed", s->files[i].path);
		put(&t, &s->files[i], (struct span){0});
		judge(&t);
	}
	for (size_t from = 0; from < s->file_count; from++) { /* one of the segments and all above it */
		struct trial t;
		if (!is_segment(&s->files[from]))
			continue;
		begin(&t, s, NULL, ALSO_OLDER);
		snprintf(t.what, sizeof t.what, "%s and all above it are removed", s->files[from].path);
		for (size_t i = from; i < s->file_count && is_segment(&s->files[i]); i++)
			put(&t, &s->files[i], (struct span){0});
		judge(&t);
	}
}

static void replace_file(const struct subject *s, const struct file *f, struct span by, const char *what,
                         enum allowed allowed)
{
	struct trial t;
	begin(&t, s, NULL, f->place == RAM_ARTIFACTS ? ONLY_ALL : allowed);
	snprintf(t.what, sizeof t.what, "%s is %s", f->path, what);
	put(&t, f, by);
	judge(&t);
}

static void swap_files(const struct subject *s)
{
	for (size_t a = 0; a < s->file_count; a++)
		for (size_t b = 0; b < s->file_count; b++) {
			struct trial t;
			const struct file *one = &s->files[a], *other = &s->files[b];
			if (a == b || (one->place == RAM_ARTIFACTS && other->place == RAM_ARTIFACTS))
				continue;
			char what[128];
			snprintf(what, sizeof what, "a copy of %s", other->path);
			replace_file(s, one, other->text, what, ONLY_REFUSED);
			if (a < b)
				continue;
			begin(&t, s, NULL, ONLY_REFUSED);
			snprintf(t.what, sizeof t.what, "%s and %s are exchanged", one->path, other->path);
			put(&t, one, other->text);
			put(&t, other, one->text);
			judge(&t);
		}
}

/* A segment under another number: above all, below all, between two. */
static void copy_segments(const struct subject *s)
{
	for (size_t i = 0; i < s->file_count; i++)
		for (uint64_t seq = 1; seq < 40; seq++) {
			struct trial t;
			char name[SEGMENT_NAME_LEN + 1];
			segment_name(seq, name);
			if (s->files[i].place == RAM_ARTIFACTS || ram_disk_read(s->sample.disk, RAM_JOURNAL, name))
				continue;
			begin(&t, s, NULL, ONLY_ALL);
			snprintf(t.what, sizeof t.what, "journal/%s is a copy of %s", name, s->files[i].path);
			ram_disk_put(&t.disk, RAM_JOURNAL, name, s->files[i].text);
			judge(&t);
		}
}

/* Is there anything that knows of a later change to the table than the older snapshot does? Where it is not, nobody
 * can tell it from the newest. */
static bool is_known_elsewhere(const struct subject *s, const struct file *f)
{
	for (size_t i = 0; i < s->file_count; i++) {
		struct span changed, revision;
		const struct file *other = &s->files[i];
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
static void bring_back(const struct subject *s)
{
	for (size_t at = 0; at < s->sample.state_count; at++)
		for (size_t i = 0; i < s->file_count; i++) {
			const struct file *f = &s->files[i];
			char what[64];
			const struct buf *old = ram_disk_read(s->sample.states[at].disk, f->place, f->name);
			snprintf(what, sizeof what, "as it was after commit %zu", at);
			if (old && !span_is(buf_as_span(old), f->text))
				replace_file(s, f, buf_as_span(old), what,
				             f->place == RAM_STATE && !is_known_elsewhere(s, f) ? ALSO_OLDER : ONLY_ALL);
		}
}

/* ... and segments that have gone since. */
struct back {
	const struct subject *subject;
	size_t at;
};

static void bring_segment_back(void *context, const char *name)
{
	const struct back *b = context;
	const struct sample *s = &b->subject->sample;
	struct trial t;
	if (ram_disk_read(s->disk, RAM_JOURNAL, name))
		return;
	begin(&t, b->subject, NULL, ONLY_ALL);
	snprintf(t.what, sizeof t.what, "journal/%s is back as it was after commit %zu", name, b->at);
	ram_disk_put(&t.disk, RAM_JOURNAL, name, buf_as_span(ram_disk_read(s->states[b->at].disk, RAM_JOURNAL, name)));
	judge(&t);
}

static void bring_segments_back(const struct subject *s)
{
	for (size_t at = 0; at < s->sample.state_count; at++)
		ram_disk_each(s->sample.states[at].disk, RAM_JOURNAL, bring_segment_back, &(struct back){s, at});
}

static void strange_things(const struct subject *s)
{
	for (size_t i = 0; i < s->file_count; i++) {
		const struct file *f = &s->files[i];
		struct trial t;
		begin(&t, s, f->place == RAM_ARTIFACTS ? NULL : f->path, f->place == RAM_ARTIFACTS ? ONLY_ALL : ONLY_REFUSED);
		snprintf(t.what, sizeof t.what, "%s is a directory", f->path);
		put(&t, f, (struct span){0});
		ram_disk_put_dir(&t.disk, f->place, f->name);
		judge(&t);
	}
	for (int i = 0; i < 2; i++) {
		struct trial t;
		const char *name = i ? "artifacts" : "journal";
		begin(&t, s, NULL, ONLY_REFUSED);
		snprintf(t.what, sizeof t.what, "%s is a file", name);
		ram_disk_put(&t.disk, RAM_STATE, name, SPAN("x"));
		judge(&t);
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
static void newer(const struct subject *s, const struct file *f, const char *that, const char *what)
{
	struct buf text = {0};
	const char *at = memmem(f->text.at, f->text.len, that, strlen(that));
	if (!at)
		return;
	struct trial t;
	buf_add(&text, f->text.at, (size_t)(at - f->text.at));
	buf_text(&text, what);
	buf_add(&text, at + strlen(that), f->text.len - (size_t)(at - f->text.at) - strlen(that));
	resum(&text);
	begin(&t, s, f->path, ONLY_REFUSED);
	snprintf(t.what, sizeof t.what, "%s has %s", f->path, what);
	put(&t, f, buf_as_span(&text));
	judge(&t);
	buf_free(&text);
}

static void newer_files(const struct subject *s)
{
	for (size_t i = 0; i < s->file_count; i++) {
		const struct file *f = &s->files[i];
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

static void examine(enum sample_shape shape)
{
	struct subject s = {0};
	sample_make(&s.sample, shape, directory);
	find_files(&s);
	struct trial t;
	begin(&t, &s, NULL, ONLY_ALL);
	snprintf(t.what, sizeof t.what, "nothing is damaged");
	judge(&t);
	for (size_t i = 0; i < s.file_count; i++) {
		flip_bytes(&s, &s.files[i]);
		cut_bytes(&s, &s.files[i]);
		add_bytes(&s, &s.files[i]);
		blank_bytes(&s, &s.files[i]);
	}
	remove_files(&s);
	swap_files(&s);
	copy_segments(&s);
	bring_back(&s);
	bring_segments_back(&s);
	strange_things(&s);
	newer_files(&s);
	sample_free(&s.sample);
}

int main(int count, char **arguments)
{
	bool usage = count != 1 && !(count == 3 && strcmp(arguments[1], "--every") == 0);
	if (!usage && count == 3)
		every = (unsigned)strtoul(arguments[2], NULL, 10);
	if (usage || every == 0) {
		fprintf(stderr, "usage: corruption [--every BYTES]\n");
		return 2;
	}
	if (!mkdtemp(directory)) {
		perror(directory);
		return 1;
	}
	ident_init();
	log_set_level(LOG_LEVEL_ERROR);
	for (int shape = 0; shape < SAMPLE_SHAPES; shape++)
		examine((enum sample_shape)shape);
	rmdir(directory);
	printf("%" PRIu64 " damaged stores: %" PRIu64 " refused, %" PRIu64 " started with all that was acknowledged, %" PRIu64
	       " with an older state where no file that is left knows of a newer one, %" PRIu64 " wrong\n",
	       trials, refusals, accepted - older, older, wrongs);
	return wrongs == 0 ? 0 : 1;
}
