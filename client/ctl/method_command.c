#include "client/ctl/method_command.h"
#include "client/ctl/complain.h"
#include "client/ctl/help.h"
#include "client/ctl/object.h"
#include "client/ctl/print.h"
#include "client/ctl/show.h"
#include "client/ctl/value.h"
#include "proto/mem.h"
#include "proto/params.h"
#include "proto/scan.h"
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf
enum { MADE_FLAGS_MAX = 96, MADE_OPERANDS_MAX = SPEC_PARAMS_MAX + 2 };

/* ---- names */

static void *keep(struct commands *all, void *what)
{
	all->owned = mem_resize(all->owned, (all->owned_count + 1) * sizeof *all->owned);
	all->owned[all->owned_count++] = what;
	return what;
}

static const char *kept_text(struct commands *all, const struct buf *b)
{
	char *text = mem_alloc(b->len + 1);

	if (b->len > 0)
		memcpy(text, b->at, b->len);
	text[b->len] = '\0';
	return keep(all, text);
}

static const char *dashed(struct commands *all, const char *name)
{
	OWNED_BUF text = {0};

	for (; *name; name++)
		buf_char(&text, *name == '_' ? '-' : *name);
	return kept_text(all, &text);
}

static const char *capitals(struct commands *all, const char *name)
{
	OWNED_BUF text = {0};

	for (; *name; name++)
		buf_char(&text, (char)toupper((unsigned char)*name));
	return kept_text(all, &text);
}

/* ---- flags */

struct making {
	struct commands *all;
	const struct spec_method *method;
	const struct presentation *presentation; /* NULL: none */
	struct flag flags[MADE_FLAGS_MAX + 1];
	size_t count;
};

static bool is_record(const struct spec_param *p)
{
	return p->type == SPEC_OBJECT && p->fields;
}

static bool name_is_taken(const struct flag *list, const char *name)
{
	for (; list && list->name; list++)
		if (strcmp(list->name, name) == 0)
			return true;
	return false;
}

static void add_flag(struct making *m, struct flag f)
{
	assert(m->count < MADE_FLAGS_MAX);
	m->flags[m->count++] = f;
	m->flags[m->count] = (struct flag){0};
}

static const char *argument_of(struct commands *all, enum spec_type type, const char *name)
{
	switch (type) {
	case SPEC_BOOL: return NULL;
	case SPEC_INT:
	case SPEC_NUMBER: return "N";
	case SPEC_TIME: return "TIME";
	case SPEC_OBJECT:
	case SPEC_ARRAY:
	case SPEC_ANY: return "JSON";
	case SPEC_STRINGS:
	case SPEC_FIELDS: return "A,B";
	case SPEC_STRING: return "TEXT";
	case SPEC_IDENT:
	case SPEC_KIND:
	case SPEC_CHOICE:
	case SPEC_CURSOR: return capitals(all, name);
	}
	return NULL;
}

static enum offer offer_of(enum spec_type type, enum ident ident)
{
	static const enum offer idents[IDENT_COUNT] = {
		[IDENT_JOB] = OFFER_JOB, [IDENT_JOB_TYPE] = OFFER_JOB_TYPE, [IDENT_RUN] = OFFER_RUN,
		[IDENT_ARTIFACT] = OFFER_ARTIFACT,
	};

	if (type == SPEC_IDENT)
		return idents[ident];
	return type == SPEC_KIND ? OFFER_KIND : type == SPEC_FIELDS ? OFFER_FIELDS : OFFER_NOTHING;
}

/* A name that all commands have stays theirs: `wait`'s timeout becomes --wait-timeout. But for --fields,
 * which says the same of both. */
static const char *flag_name(const struct making *m, const char *name, enum spec_type type)
{
	const char *dash = dashed(m->all, name);
	OWNED_BUF before = {0};

	if (type == SPEC_FIELDS ||
	    (!name_is_taken(command_common_flags, dash) && !name_is_taken(command_output_flags, dash)))
		return dash;
	buf_printf(&before, "%s-%s", strrchr(m->method->name, '.') + 1, name);
	buf_char(&before, '\0');
	return dashed(m->all, before.at);
}

static struct flag made_flag(struct making *m, const struct spec_param *p, const struct spec_field *field)
{
	struct spec_field f = field ? *field : spec_param_field(p);
	bool many = (!field && p->many) || f.type == SPEC_OBJECT || f.type == SPEC_FIELDS;

	return (struct flag){
		.name = flag_name(m, f.name, f.type),
		.letter = !field && (strcmp(f.name, "limit") == 0 || strcmp(f.name, "dry_run") == 0) ? 'n' : 0,
		.argument = argument_of(m->all, f.type, f.name),
		.on = f.type == SPEC_BOOL && f.fallback && strcmp(f.fallback, "true") == 0,
		.many = many, .choices = f.choices, .offer = offer_of(f.type, f.ident),
		.table = p->table, .prose = f.prose, .param = p, .field = field,
	};
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);
	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static void add_alias(struct making *m, const struct flag *of, const char *name)
{
	OWNED_BUF prose = {0};
	struct flag alias = *of;

	buf_printf(&prose, "The same as --%s.", of->name);
	alias.name = name;
	alias.letter = 0;
	alias.prose = kept_text(m->all, &prose);
	if (!name_is_taken(m->flags, name))
		add_flag(m, alias);
}

static void add_made(struct making *m, const struct spec_param *p, const struct spec_field *field)
{
	struct flag f = made_flag(m, p, field);

	if (name_is_taken(m->flags, f.name))
		return;
	add_flag(m, f);
	if (p->type == SPEC_TIME && ends_with(p->name, "_after"))
		add_alias(m, &f, "since");
	if (p->type == SPEC_TIME && ends_with(p->name, "_before"))
		add_alias(m, &f, "until");
	for (const struct flag_alias *a = m->presentation ? m->presentation->aliases : NULL; a && a->name; a++)
		if (strcmp(a->of, field ? field->name : p->name) == 0)
			add_alias(m, &f, a->name);
}

static void add_param(struct making *m, const struct spec_param *p)
{
	if (is_record(p))
		for (const struct spec_field *f = p->fields; f->name; f++)
			if (!f->ours)
				add_made(m, p, f);
	add_made(m, p, NULL);
}

static const struct flag *make_flags(struct making *m)
{
	const struct flag *more = m->presentation ? m->presentation->flags : NULL;

	for (; more && more->name; more++)
		add_flag(m, *more);
	for (unsigned i = 0; i < m->method->param_count; i++)
		add_param(m, &m->method->params[i]);
	return keep(m->all, mem_copy(m->flags, (m->count + 1) * sizeof *m->flags));
}

/* ---- operands */

static bool is_word(const struct spec_param *p)
{
	switch (p->type) {
	case SPEC_IDENT:
	case SPEC_KIND:
	case SPEC_STRING:
	case SPEC_INT:
	case SPEC_NUMBER:
	case SPEC_TIME:
	case SPEC_CHOICE:
	case SPEC_ANY: return !p->unbounded;
	case SPEC_BOOL:
	case SPEC_OBJECT:
	case SPEC_ARRAY:
	case SPEC_STRINGS:
	case SPEC_FIELDS:
	case SPEC_CURSOR: return false;
	}
	return false;
}

static struct operand made_operand(struct making *m, const struct spec_param *p)
{
	bool record = is_record(p);

	return (struct operand){
		.name = record ? "JSON" : capitals(m->all, p->name), .required = !record,
		.offer = offer_of(p->type, p->ident), .choices = p->choices, .prose = p->prose,
		.flag = flag_name(m, p->name, p->type),
	};
}

static const struct operand *make_operands(struct making *m)
{
	struct operand made[MADE_OPERANDS_MAX] = {0};
	size_t count = 0;

	if (m->presentation && m->presentation->operands)
		return m->presentation->operands;
	for (int records = 0; records < 2; records++)
		for (unsigned i = 0; i < m->method->param_count; i++) {
			const struct spec_param *p = &m->method->params[i];
			if (p->required && (records ? is_record(p) : is_word(p)))
				made[count++] = made_operand(m, p);
		}
	return keep(m->all, mem_copy(made, (count + 1) * sizeof *made));
}

/* ---- the command */

static void add_words(struct making *m, struct command *c)
{
	const char *dot = strrchr(m->method->name, '.');
	OWNED_BUF noun = {0};

	assert(dot);
	buf_add(&noun, m->method->name, (size_t)(dot - m->method->name));
	bool alone = span_is(buf_as_span(&noun), SPAN("server")) || span_is(buf_as_span(&noun), SPAN("rpc"));
	c->noun = alone ? "" : kept_text(m->all, &noun);
	c->verb = dashed(m->all, dot + 1);
	if (m->presentation && m->presentation->noun)
		c->noun = m->presentation->noun;
	if (m->presentation && m->presentation->verb)
		c->verb = m->presentation->verb;
}

void method_command_add(struct commands *all, const struct spec_method *method)
{
	struct making m = {.all = all, .method = method, .presentation = presentation_of(method)};
	const struct presentation *p = m.presentation;
	struct command c = {.method = method, .prose = method->prose, .run = method_run};

	if (p && p->hidden)
		return;
	add_words(&m, &c);
	c.flags = make_flags(&m);
	c.operands = make_operands(&m);
	if (p) {
		c.prose = p->prose ? p->prose : method->prose;
		c.run = p->run ? p->run : method_run;
		c.views = p->views;
		c.notes = p->notes;
		c.examples = p->examples;
	}
	all->at = mem_resize(all->at, (all->count + 1) * sizeof *all->at);
	all->at[all->count++] = c;
}

/* ---- parameters */

static const char *shown_name(const struct command *c, const struct spec_param *p, char out[80])
{
	for (const struct operand *o = c->operands; o && o->name; o++)
		for (const struct flag *f = c->flags; o->flag && f->name; f++)
			if (f->param == p && !f->field && strcmp(f->name, o->flag) == 0)
				return o->name;
	for (const struct flag *f = c->flags; f->name; f++) {
		if (f->param == p && !f->field) {
			snprintf(out, 80, "--%s", f->name);
			return out;
		}
	}
	return p->name;
}

/* The operand that stands for a field of the record; NULL: none does. */
static const char *first_field(const struct command *c, const struct spec_param *p)
{
	for (const struct operand *o = c->operands; o && o->name; o++)
		for (const struct flag *f = c->flags; o->flag && f->name; f++)
			if (f->param == p && f->field && !o->offer && strcmp(f->name, o->flag) == 0)
				return o->name;
	return NULL;
}

static enum exit_status missing(struct invocation *i, const struct spec_param *p)
{
	OWNED_BUF expected = {0};
	struct spec_field one = spec_param_field(p);
	const char *first;
	char room[80];

	first = first_field(i->command, p);
	if (first)
		return help_missing(i->command, "%s is missing", first);
	if (is_record(p))
		return help_missing(i->command, "nothing is said: give fields as flags, or a JSON object ({} will "
		                                "do)");
	field_expected(&expected, &one);
	return help_missing(i->command, "%s is missing: it must be %.*s", shown_name(i->command, p, room),
	                    (int)expected.len, expected.at);
}

static enum exit_status add_field(struct invocation *i, const struct spec_param *p,
                                  const struct spec_field *f, const char *name, struct buf *record,
                                  bool *said)
{
	OWNED_BUF value = {0};
	enum exit_status status = value_add(&value, &i->given, p, f, &i->screen, name);

	if (status != EXIT_OK || value.len == 0)
		return status;
	object_set(record, span_of(f->name), buf_as_span(&value));
	*said = true;
	return EXIT_OK;
}

static enum exit_status record_value(struct invocation *i, const struct spec_param *p, struct span start,
                                     const char *name, struct buf *out)
{
	OWNED_BUF whole = {0}, record = {0};
	bool said = start.at != NULL;
	enum exit_status status = value_add(&whole, &i->given, p, NULL, &i->screen, name);

	buf_text(&record, "{}");
	if (start.at)
		object_merge(&record, start);
	if (status == EXIT_OK && whole.len > 0) {
		object_merge(&record, buf_as_span(&whole));
		said = true;
	}
	for (const struct spec_field *f = p->fields; status == EXIT_OK && f->name; f++)
		status = add_field(i, p, f, name, &record, &said);
	if (status == EXIT_OK && said)
		buf_span(out, buf_as_span(&record));
	return status;
}

static enum exit_status add_value(struct invocation *i, const struct spec_param *p, struct span record,
                                  const char *name, struct buf *out)
{
	OWNED_BUF value = {0};
	struct span there;
	enum exit_status status = is_record(p) ? record_value(i, p, record, name, &value)
	                                       : value_add(&value, &i->given, p, NULL, &i->screen, name);

	if (status != EXIT_OK)
		return status;
	if (value.len > 0)
		object_set(out, span_of(p->name), buf_as_span(&value));
	else if (p->required && !scan_member(buf_as_span(out), p->name, &there))
		return missing(i, p);
	return EXIT_OK;
}

static bool stands_in(const char *const *names, const char *name)
{
	for (; names && *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

/* Of two parameters of which one must be there, the one that has a place among the operands. */
static const struct spec_param *usual_one(const struct command *c, const struct spec_rule *rule)
{
	const struct spec_param *a = &c->method->params[rule->a], *b = &c->method->params[rule->b];
	char room[80];

	return strncmp(shown_name(c, b, room), "--", 2) != 0 ? b : a;
}

/* As it was typed: --since, not --created-after. */
static const char *typed_name(const struct invocation *i, const struct spec_param *p, char out[80])
{
	for (size_t g = i->given.flag_count; g > 0; g--) {
		const struct given_flag *said = &i->given.flags[g - 1];
		if (said->flag->param != p || said->flag->field)
			continue;
		given_name(said, out);
		return out;
	}
	return shown_name(i->command, p, out);
}

static bool is_said(struct span params, const struct spec_param *p, const char *only)
{
	OWNED_BUF quoted = {0};
	struct span value;

	if (!scan_member(params, p->name, &value))
		return false;
	if (only)
		buf_string(&quoted, span_of(only));
	return !only || span_is(value, buf_as_span(&quoted));
}

/* The rules about two parameters, in the words of the command line. */
static enum exit_status judge_pairs(struct invocation *i, struct span params)
{
	const struct spec_rule *rule = i->command->method->rules;

	for (; rule && rule->kind != SPEC_RULE_END; rule++) {
		const struct spec_param *a = &i->command->method->params[rule->a],
		                        *b = &i->command->method->params[rule->b];
		char name[64], rooms[2][80];
		bool has_a = is_said(params, a, rule->a_is), has_b = is_said(params, b, NULL);
		if (rule->kind == SPEC_EXACTLY_ONE && !has_a && !has_b)
			return missing(i, usual_one(i->command, rule));
		if (!has_a || !has_b)
			continue;
		command_name(i->command, name);
		return complain_usage(name, "%s%s%s and %s cannot go together", typed_name(i, a, rooms[0]),
		                      rule->a_is ? " " : "", rule->a_is ? rule->a_is : "",
		                      typed_name(i, b, rooms[1]));
	}
	return EXIT_OK;
}

/* What the rows say about the parameters together. */
enum exit_status method_judge(const struct invocation *i, struct span params)
{
	OWNED_BUF scratch = {0};
	struct params read;
	struct fault fault;
	char name[64];

	if (params_read(i->command->method, params, NULL, &read, &scratch, &fault))
		return EXIT_OK;
	command_name(i->command, name);
	complain("%s", fault.message);
	complain_detail("hint", fault.hint);
	return complain_help(name);
}

static enum exit_status refuse_operands(const struct invocation *i)
{
	const char *extra = given_operand(&i->given, 0);
	return extra ? help_no_place(i->command, extra) : EXIT_OK;
}

/* The id that the command is about, for what is said of a call that fails; NULL: none, or several. */
static const char *only_id(const struct invocation *i)
{
	const struct operand *o = i->command->operands;
	const char *id, *other;
	size_t at = 0;

	if (!o || !o->name || !o->required || !o->flag)
		return NULL;
	id = given_next(&i->given, o->flag, &at);
	other = id ? given_next(&i->given, o->flag, &at) : NULL;
	return other ? NULL : id;
}

enum exit_status method_params(struct invocation *i, struct span start, struct span record,
                               const char *const *without, struct buf *out)
{
	const struct spec_method *m = i->command->method;
	enum exit_status status;
	char name[64];

	command_name(i->command, name);
	i->session.subject = only_id(i);
	status = refuse_operands(i);
	buf_text(out, "{}");
	object_merge(out, start);
	for (unsigned p = 0; status == EXIT_OK && p < m->param_count; p++)
		if (!stands_in(without, m->params[p].name))
			status = add_value(i, &m->params[p], record, name, out);
	if (status == EXIT_OK)
		status = judge_pairs(i, buf_as_span(out));
	return status == EXIT_OK && !without ? method_judge(i, buf_as_span(out)) : status;
}

/* ---- running */

enum exit_status method_run(struct invocation *i)
{
	OWNED_BUF params = {0};
	enum exit_status status;

	given_operands(&i->given, i->command->operands);
	status = method_params(i, SPAN("{}"), (struct span){0}, NULL, &params);
	return status == EXIT_OK ? show_call(i, i->command->method->name, buf_as_span(&params)) : status;
}

/* ---- once for each id */

static bool ident_of(const struct operand *o, enum ident *ident)
{
	switch (o->offer) {
	case OFFER_JOB: *ident = IDENT_JOB; return true;
	case OFFER_RUN: *ident = IDENT_RUN; return true;
	case OFFER_ARTIFACT: *ident = IDENT_ARTIFACT; return true;
	case OFFER_NOTHING:
	case OFFER_FILE:
	case OFFER_JOB_TYPE:
	case OFFER_KIND:
	case OFFER_FIELDS:
	case OFFER_COMMAND:
	case OFFER_METHOD: break;
	}
	return false;
}

enum exit_status method_judge_ids(const struct invocation *i)
{
	enum ident ident;
	size_t wrong = 0;
	char name[64];

	if (!ident_of(&i->command->operands[0], &ident))
		return EXIT_OK;
	for (size_t at = 0; at < i->given.operand_count; at++) {
		const char *id = i->given.operands[at];
		if (strlen(id) <= IDENT_MAX && ident_check(ident, span_of(id)))
			continue;
		complain("ID \"%s\" must be a string that matches %s", id, ident_pattern(ident));
		wrong++;
	}
	if (wrong == 0)
		return EXIT_OK;
	command_name(i->command, name);
	return complain_help(name);
}

/* The parameters of every id but the first are those of the first with another id. */
static enum exit_status do_one(struct invocation *i, size_t flag_count, const char *id, method_each *each,
                               void *context)
{
	OWNED_BUF params = {0};
	enum exit_status status;

	i->given.flag_count = flag_count;
	i->given.operands[0] = id;
	i->given.operand_count = 1;
	given_operands(&i->given, i->command->operands);
	status = method_params(i, SPAN("{}"), (struct span){0}, NULL, &params);
	return status == EXIT_OK ? each(i, buf_as_span(&params), context) : status;
}

/* Whether the others would fail in the same way. */
static bool ends_all(enum exit_status status)
{
	switch (status) {
	case EXIT_USAGE:
	case EXIT_NO_DAEMON:
	case EXIT_TIMEOUT:
	case EXIT_INTERRUPTED: return true;
	case EXIT_OK:
	case EXIT_FAILED:
	case EXIT_NOT_FOUND:
	case EXIT_CONFLICT: break;
	}
	return false;
}

static enum exit_status both(enum exit_status so_far, enum exit_status status)
{
	if (so_far == EXIT_OK || so_far == status)
		return status;
	return status == EXIT_OK ? so_far : ends_all(status) ? status : EXIT_FAILED;
}

enum exit_status method_for_each(struct invocation *i, method_each *each, void *context)
{
	size_t count = i->given.operand_count, flag_count = i->given.flag_count;
	enum exit_status result = EXIT_OK;
	OWNED_BUF params = {0};

	if (count == 0) { /* the id is a flag, or is missing */
		result = method_params(i, SPAN("{}"), (struct span){0}, NULL, &params);
		return result == EXIT_OK ? each(i, buf_as_span(&params), context) : result;
	}
	result = method_judge_ids(i);
	if (result != EXIT_OK)
		return result;
	const char **ids = mem_copy(i->given.operands, count * sizeof *ids);
	for (size_t at = 0; at < count && !ends_all(result); at++)
		result = both(result, do_one(i, flag_count, ids[at], each, context));
	free(ids);
	return result;
}

static enum exit_status show_one(struct invocation *i, struct span params, void *context)
{
	bool *any = context;

	if (*any && i->form == FORM_PEOPLE && !i->command->views.people)
		print_text("\n");
	enum exit_status status = show_call(i, i->command->method->name, params);
	*any |= status == EXIT_OK;
	return status;
}

enum exit_status method_run_each(struct invocation *i)
{
	bool any = false;

	return method_for_each(i, show_one, &any);
}
