/* Damages each file of small stores in every way that can be thought of, and starts the real store on what is left: it
 * shows exactly what was acknowledged, or refuses with the damaged file's name, and writes nothing; never less. --check
 * says the same. */
#include "daemon/check.h"
#include "daemon/log.h"
#include "proto/mem.h"
#include "tests/crash/damage.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char directory[] = "/tmp/persistd-corruption-XXXXXX";
static uint64_t trials, refusals, accepted, older, wrongs;
enum { WRONGS_SHOWN = 20 };

__attribute__((format(printf, 2, 3))) static bool wrong(const struct damage_trial *t, const char *format, ...)
{
	va_list arguments;
	if (wrongs++ >= WRONGS_SHOWN)
		return false;
	printf("%s: %s: ", sample_name(t->damage->sample.shape), t->what);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	return false;
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
static bool keeps_payloads(const struct damage_trial *t)
{
	const struct damage *s = t->damage;
	for (size_t i = 0; i < s->file_count; i++) {
		const struct damage_file *f = &s->files[i];
		const struct buf *is = f->place == RAM_ARTIFACTS ? ram_disk_read(&t->disk, RAM_ARTIFACTS, f->name) : NULL;
		if (f->place == RAM_ARTIFACTS && f != t->payload && !(is && span_is(buf_as_span(is), f->text)))
			return wrong(t, "%s is another one, or gone", f->path);
	}
	return true;
}

static bool shows(const struct damage_trial *t, struct process *p)
{
	const struct sample *s = &t->damage->sample;
	struct content *shown = sample_content(p);
	char why[2048];
	bool ok = same(shown, s->content);
	if (!ok && t->allowed == ALLOW_OLDER && is_state(s, shown)) {
		older++;
		ok = true;
	}
	if (t->allowed == ALLOW_REFUSAL) {
		ok = wrong(t, "it starts");
	} else if (!ok) {
		content_compare(s->content, shown, why, sizeof why);
		wrong(t, "another store: %s", why);
	}
	content_free(shown);
	return ok && keeps_payloads(t);
}

static bool is_told(const struct damage_trial *t, const struct process *p)
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

/* A payload of another length than its record says, or none, is found; other damage to one nobody can see. */
static bool finds_payload(const struct damage_trial *t, int status)
{
	const struct damage_file *f = t->payload;
	const struct buf *is = f ? ram_disk_read(&t->disk, RAM_ARTIFACTS, f->name) : NULL;
	bool as_long = is && is->len == f->text.len && is->len > 0;
	if (f && t->allowed == ALLOW_ALL && as_long != (status == 0))
		return wrong(t, "--check %s", status ? "finds something in a payload of the right length" : "does not see it");
	return true;
}

/* The first line that is no note: FILE[:LINE:BYTE]: MESSAGE */
static bool says_the_same(const struct damage_trial *t, const struct process *p, bool started, int status, char *printed)
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

static int check(struct damage_trial *t, char **printed)
{
	size_t len;
	FILE *out = open_memstream(printed, &len);
	uint64_t before = ram_disk_hash(&t->disk);
	int status = check_disk(&t->disk.disk, directory, out);
	fclose(out);
	if (ram_disk_hash(&t->disk) != before)
		wrong(t, "--check writes");
	finds_payload(t, status);
	return status;
}

/* --check goes first: a start that goes on changes the disk. */
static void judge(struct damage_trial *t)
{
	struct process p = {0};
	char *printed;
	int status = check(t, &printed);
	uint64_t before = ram_disk_hash(&t->disk);
	bool started = process_start(&p, &t->disk.disk, directory);
	says_the_same(t, &p, started, status, printed);
	trials++;
	if (started) {
		accepted++;
		shows(t, &p);
		process_end(&p);
	} else {
		refusals++;
		if (is_told(t, &p) && ram_disk_hash(&t->disk) != before)
			wrong(t, "it is refused (%s), and has written", p.why);
	}
	free(printed);
}

int main(int count, char **arguments)
{
	unsigned every = 1; /* so many bytes apart */
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
	damage_all(directory, every, judge);
	rmdir(directory);
	printf("%" PRIu64 " damaged stores: %" PRIu64 " refused, %" PRIu64 " started with all that was acknowledged, %" PRIu64
	       " with an older state where no file that is left knows of a newer one, %" PRIu64 " wrong\n",
	       trials, refusals, accepted - older, older, wrongs);
	return wrongs == 0 ? 0 : 1;
}
