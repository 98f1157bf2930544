#include "daemon/loss.h"
#include "proto/mem.h"
#include <stdarg.h>
#include <stdlib.h>

struct loss *loss_add(struct loss_list *l, enum loss_kind kind, const char *file, const char *format, ...)
{
	char why[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(why, sizeof why, format, arguments);
	va_end(arguments);
	struct loss one = {.kind = kind, .file = mem_copy(file, strlen(file) + 1), .why = mem_copy(why, strlen(why) + 1),
	                   .table = TABLE_COUNT, .last = UINT64_MAX};
	buf_add(&l->all, &one, sizeof one);
	return loss_at(l, loss_count(l) - 1);
}

size_t loss_count(const struct loss_list *l)
{
	return l->all.len / sizeof(struct loss);
}

struct loss *loss_at(const struct loss_list *l, size_t i)
{
	return &((struct loss *)(void *)l->all.at)[i];
}

bool loss_is_none(const struct loss_list *l)
{
	for (size_t i = 0; i < loss_count(l); i++)
		if (loss_at(l, i)->kind != LOSS_NOTE && loss_at(l, i)->kind != LOSS_NOTHING)
			return false;
	return true;
}

void loss_free(struct loss_list *l)
{
	for (size_t i = 0; i < loss_count(l); i++) {
		struct loss *one = loss_at(l, i);
		free(one->file);
		free(one->why);
		free(one->id);
	}
	buf_free(&l->all);
}

/* Of a damaged segment's line nobody knows the table. */
static struct newest_version *find_version(const struct newest *newest, const struct loss *l, enum table_id *t)
{
	struct newest_version *best = NULL;
	for (int u = 0; u < TABLE_COUNT && l->id; u++) {
		if (l->table != TABLE_COUNT && l->table != (enum table_id)u)
			continue;
		struct newest_version *v = newest_find(newest, (enum table_id)u, span_of(l->id));
		if (v && (!best || v->revision > best->revision)) {
			best = v;
			*t = (enum table_id)u;
		}
	}
	return best;
}

/* Whatever stood there, a later version is known. */
static bool is_superseded(const struct loss *l, const struct newest_version *v)
{
	return v->certain && v->revision > l->last;
}

static void print_deletion(const struct newest *newest, const struct loss *l, FILE *out)
{
	struct newest_version *v = newest_find(newest, l->table, span_of(l->id));
	const char *what = spec_record_name(l->table);
	if (!v || !v->text.at) {
		fprintf(out, ": %s %s is not there\n", what, l->id);
	} else if (is_superseded(l, v)) {
		fprintf(out, ": what is saved of %s %s came later\n", what, l->id);
	} else {
		v->may_be_older = true;
		fprintf(out, ": %s %s may have been deleted, and is saved all the same\n", what, l->id);
	}
}

/* True: nothing else is there of it. */
static bool print_record(const struct newest *newest, const struct loss *l, FILE *out)
{
	enum table_id t = l->table;
	struct newest_version *v = find_version(newest, l, &t);
	if (!l->id) {
		fprintf(out, "; which record it was cannot be told\n");
	} else if (!v) {
		fprintf(out, "; nothing else holds %s %s: it is lost\n",
		        t < TABLE_COUNT ? spec_record_name(t) : "the record", l->id);
	} else if (is_superseded(l, v)) {
		fprintf(out, "; what is saved of %s %s came later\n", spec_record_name(t), l->id);
	} else if (!v->text.at) {
		fprintf(out, "; %s %s is known to have been deleted\n", spec_record_name(t), l->id);
	} else {
		v->may_be_older = true;
		fprintf(out, "; %s %s is saved as of revision %llu, which may be older than acknowledged\n", spec_record_name(t),
		        l->id, (unsigned long long)v->revision);
	}
	return !v;
}

static void print_one(struct loss_list *l, const struct loss *one, const struct newest *newest, FILE *out)
{
	fprintf(out, "%s:", one->file);
	if (one->line > 0)
		fprintf(out, "%llu:%llu:", (unsigned long long)one->line, (unsigned long long)one->byte);
	fprintf(out, " %s%s", one->kind == LOSS_NOTE ? "note: " : "", one->why);
	if (one->kind == LOSS_RECORD)
		l->lost += print_record(newest, one, out);
	else if (one->kind == LOSS_DELETION)
		print_deletion(newest, one, out);
	else
		fputc('\n', out);
	l->lost += one->count;
}

void loss_print(struct loss_list *l, struct newest *newest, FILE *out)
{
	for (size_t i = 0; i < loss_count(l); i++)
		if (loss_at(l, i)->kind != LOSS_NOTHING)
			print_one(l, loss_at(l, i), newest, out);
}
