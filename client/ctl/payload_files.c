#include "client/ctl/payload_files.h"
#include "proto/mem.h"
#include "proto/scan.h"
#include "proto/stamp.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { ENDING = 5, RANDOM_DIGITS = 10 }; /* ".json" */

static void add(struct payload_files *p, const char *directory, struct span id)
{
	struct payload_file f = {0};
	struct buf path = {0};

	if ((p->count & (p->count - 1)) == 0)
		p->at = mem_resize(p->at, (p->count ? p->count * 2 : 1) * sizeof *p->at);
	memcpy(f.id, id.at, id.len);
	buf_printf(&path, "%s/artifacts/%s.json", directory, f.id);
	buf_char(&path, '\0');
	f.path = path.at;
	p->at[p->count++] = f;
}

static int by_id(const void *a, const void *b)
{
	const struct payload_file *one = a, *other = b;

	return strcmp(one->id, other->id);
}

void payload_files_list(struct payload_files *p, const char *directory)
{
	struct buf path = {0};
	struct dirent *entry;

	buf_printf(&path, "%s/artifacts", directory);
	buf_char(&path, '\0');
	DIR *d = opendir(path.at);
	while (d && (entry = readdir(d))) {
		size_t len = strlen(entry->d_name);
		if (len <= ENDING || strcmp(entry->d_name + len - ENDING, ".json") != 0)
			continue;
		struct span id = {entry->d_name, len - ENDING};
		if (id.len <= IDENT_ARTIFACT_MAX && ident_check(IDENT_ARTIFACT, id))
			add(p, directory, id);
	}
	if (d)
		closedir(d);
	if (p->count > 0)
		qsort(p->at, p->count, sizeof *p->at, by_id);
	buf_free(&path);
}

void payload_files_free(struct payload_files *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free(p->at[i].path);
		free(p->at[i].run_id);
		free(p->at[i].kind);
	}
	free(p->at);
	*p = (struct payload_files){0};
}

/* The first of this id: several directories may have it. NULL: none. */
static struct payload_file *find(struct payload_files *p, struct span id)
{
	struct payload_file key = {0};

	if (p->count == 0 || id.len == 0 || id.len > IDENT_ARTIFACT_MAX)
		return NULL;
	memcpy(key.id, id.at, id.len);
	struct payload_file *f = bsearch(&key, p->at, p->count, sizeof *p->at, by_id);
	while (f && f > p->at && strcmp(f[-1].id, key.id) == 0)
		f--;
	return f;
}

static bool is_same_id(const struct payload_files *p, const struct payload_file *f, const char *id)
{
	return f < p->at + p->count && strcmp(f->id, id) == 0;
}

void payload_files_artifact(struct payload_files *p, struct span id)
{
	struct payload_file *f = find(p, id);

	for (const char *same = f ? f->id : NULL; f && is_same_id(p, f, same); f++)
		f->has_record = true;
}

static struct span member_text(struct span object, const char *name, struct buf *scratch)
{
	struct span value, text;

	return scan_member(object, name, &value) && scan_string(value, scratch, &text) ? text : (struct span){0};
}

struct span payload_file_kind(struct span id, struct span run_id, struct span run_kind)
{
	char middle[IDENT_ARTIFACT_MAX + 3] = "_";
	size_t len = 1 + ident_sanitise(run_id, middle + 1, IDENT_ARTIFACT_MAX);

	middle[len++] = '_';
	if (id.len <= len + RANDOM_DIGITS || memcmp(id.at + id.len - RANDOM_DIGITS - len, middle, len) != 0)
		return run_kind;
	return (struct span){id.at, id.len - RANDOM_DIGITS - len};
}

static char *copy(struct span text)
{
	char *made = mem_alloc(text.len + 1);

	if (text.len > 0)
		memcpy(made, text.at, text.len);
	made[text.len] = '\0';
	return made;
}

void payload_files_run(struct payload_files *p, struct span run)
{
	__attribute__((cleanup(buf_free))) struct buf a = {0}, b = {0}, c = {0};

	if (p->count == 0)
		return;
	struct payload_file *f = find(p, member_text(run, "artifact_id", &a));
	if (!f || f->run_id)
		return;
	struct span id = member_text(run, "id", &b), kind = member_text(run, "kind", &c);
	f->run_id = copy(id);
	f->kind = copy(payload_file_kind(span_of(f->id), id, kind.len > 0 ? kind : SPAN("run")));
}

void payload_file_record(struct buf *out, const struct payload_file *f, const struct file *opened,
                         struct span payload)
{
	buf_printf(out, "{\"id\":\"%s\",\"run_id\":", f->id);
	buf_string(out, span_of(f->run_id));
	buf_text(out, ",\"kind\":");
	buf_string(out, span_of(f->kind));
	buf_text(out, ",\"created_at\":");
	stamp_json(out, opened->changed.tv_sec * INT64_C(1000000) + opened->changed.tv_nsec / 1000);
	buf_text(out, ",\"payload\":");
	buf_span(out, payload);
	buf_char(out, '}');
}
