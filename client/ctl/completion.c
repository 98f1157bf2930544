#include "client/ctl/completion.h"
#include "client/ctl/complain.h"
#include "client/ctl/help.h"
#include "client/ctl/live.h"
#include "client/ctl/print.h"
#include "client/ctl/typed.h"

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf

/* What may stand at the cursor: a flag's value, or an operand. */
struct place {
	const char *name; /* as help shows it: "TIME" */
	const char *const *choices;
	enum offer offer;
	enum table_id table;    /* OFFER_FIELDS */
	bool any_table;         /* OFFER_FIELDS: of any record */
	bool list;              /* several, with commas between them */
	const char *like;       /* nothing is known but that flags of other commands have this name; NULL: none */
};

struct completion {
	struct typed typed;
	struct candidates found;
};

/* ---- values */

static void add_choices(struct completion *k, const char *const *choices)
{
	for (; *choices; choices++)
		candidates_add(&k->found, span_of(*choices), (struct span){0});
}

/* export takes the statuses of jobs and those of runs. */
static void add_choices_of_others(struct completion *k, const char *flag)
{
	for (size_t i = 0; i < k->typed.all->count; i++)
		for (const struct flag *f = k->typed.all->at[i].flags; f && f->name; f++)
			if (strcmp(f->name, flag) == 0 && f->choices && f->param && f->param->many)
				add_choices(k, f->choices);
}

static void add_times(struct completion *k)
{
	static const char *const times[][2] = {
		{"today", "since midnight"}, {"yesterday", "since midnight before today"}, {"15m", "15 minutes ago"},
		{"2h", "2 hours ago"}, {"1d", "a day ago"}, {"1w", "a week ago"}, {"now", "this moment"},
	};

	for (size_t i = 0; i < sizeof times / sizeof *times; i++)
		candidates_add(&k->found, span_of(times[i][0]), span_of(times[i][1]));
}

static void add_json(struct completion *k)
{
	if (k->found.typed.len > 0 && k->found.typed.at[0] == '@') {
		candidates_ask(&k->found, "files", "@");
		return;
	}
	candidates_add(&k->found, SPAN("@"), SPAN("a file: @PATH"));
	candidates_add(&k->found, SPAN("-"), SPAN("stdin"));
	candidates_ask(&k->found, "list", NULL);
}

/* Names; behind a name and a dot what is inside that field. */
static void add_fields(struct completion *k, const struct spec_field *fields)
{
	struct candidates *c = &k->found;
	size_t outer = c->typed.len > 0 ? strcspn(c->typed.at, ".") : 0;
	bool inside = outer < c->typed.len;

	for (const struct spec_field *f = fields; f->name; f++) {
		if (!inside)
			candidates_add_row(c, f->name, f->prose);
		else if (f->fields && span_is((struct span){c->typed.at, outer}, span_of(f->name)))
			for (const struct spec_field *in = f->fields; in->name; in++) {
				OWNED_BUF path = {0};
				buf_printf(&path, "%s.%s", f->name, in->name);
				buf_char(&path, '\0');
				candidates_add_row(c, path.at, in->prose);
			}
	}
}

static void add_field_names(struct completion *k, const struct place *p)
{
	for (enum table_id t = 0; t < TABLE_COUNT; t++)
		if (p->any_table || p->table == t)
			add_fields(k, spec_fields(t));
}

static void add_methods(struct completion *k)
{
	for (size_t m = 0; m < METHOD_COUNT; m++)
		candidates_add_row(&k->found, spec_methods[m].name, spec_methods[m].prose);
}

/* ---- commands */

/* "save, get, list": what a noun alone stands for. */
static void add_noun(struct completion *k, const char *noun)
{
	OWNED_BUF verbs = {0};

	for (size_t i = 0; i < k->typed.all->count; i++)
		if (strcmp(k->typed.all->at[i].noun, noun) == 0)
			buf_printf(&verbs, "%s%s", verbs.len > 0 ? ", " : "", k->typed.all->at[i].verb);
	candidates_add(&k->found, span_of(noun), buf_as_span(&verbs));
}

/* noun "": the nouns, and the verbs that stand alone. */
static void add_commands(struct completion *k, const char *noun)
{
	for (size_t i = 0; i < k->typed.all->count; i++) {
		const struct command *c = &k->typed.all->at[i];
		if (strcmp(c->noun, noun) == 0)
			candidates_add_row(&k->found, c->verb, c->prose);
		else if (!noun[0])
			add_noun(k, c->noun);
	}
}

static void add_command_words(struct completion *k)
{
	const struct typed *t = &k->typed;

	if (t->operand_count == 0)
		add_commands(k, "");
	if (t->operand_count == 0 && memchr(t->word, '.', strlen(t->word)))
		add_methods(k);
	if (t->operand_count == 1 && command_noun(t->all, t->operands[0]))
		add_commands(k, t->operands[0]);
}

/* ---- flags */

/* Two names of one parameter say the same. */
static bool is_same(const struct flag *a, const struct flag *b)
{
	return a == b || (a->param && a->param == b->param && a->field == b->field);
}

static bool is_said_enough(const struct typed *t, const struct flag *f)
{
	for (size_t i = 0; i < t->said_count; i++)
		if (is_same(t->said[i], f) && !f->many)
			return true;
	return false;
}

/* A second name of a parameter says in help whose it is; here what it does. */
static void add_flag_row(struct completion *k, const char *word, const struct flag *f)
{
	OWNED_BUF prose = {0};
	bool alias = f->prose && strncmp(f->prose, "The same as", strlen("The same as")) == 0;

	if (alias && f->param)
		buf_text(&prose, f->field ? f->field->prose : f->param->prose);
	else
		help_flag_prose(&prose, f);
	buf_char(&prose, '\0');
	candidates_add_row(&k->found, word, prose.at);
}

static void add_flag(struct completion *k, const struct flag *f)
{
	OWNED_BUF word = {0};

	if (is_said_enough(&k->typed, f))
		return;
	buf_printf(&word, "--%s%s", !f->argument && f->on ? "no-" : "", f->name);
	buf_char(&word, '\0');
	add_flag_row(k, word.at, f);
}

/* In the order of help. Where no command is known yet, those that nearly all of them have. */
static void add_flags(struct completion *k)
{
	const struct command any = {.noun = "", .verb = ""}, *c = k->typed.command ? k->typed.command : &any;
	const struct flag *lists[FLAG_LISTS];
	const struct flag *order[] = {c->flags, c->no_output_flags ? NULL : command_output_flags,
	                              command_common_flags};

	command_flags(c, lists);
	for (size_t l = 0; l < sizeof order / sizeof *order; l++)
		for (const struct flag *f = order[l]; f && f->name; f++)
			if (flags_find(lists, span_of(f->name)) == f)
				add_flag(k, f);
}

/* ---- what stands at the cursor */

static void add_offer(struct completion *k, const struct place *p)
{
	struct candidates *c = &k->found;
	const char *socket = k->typed.socket;
	bool artifacts = k->typed.command && strcmp(k->typed.command->noun, "artifact") == 0;

	switch (p->offer) {
	case OFFER_NOTHING: break;
	case OFFER_FILE: candidates_ask(c, strcmp(p->name, "DIR") == 0 ? "directories" : "files", ""); break;
	case OFFER_JOB: live_ids(c, socket, TABLE_JOBS); break;
	case OFFER_RUN: live_ids(c, socket, TABLE_RUNS); break;
	case OFFER_ARTIFACT: live_ids(c, socket, TABLE_ARTIFACTS); break;
	case OFFER_JOB_TYPE: live_groups(c, socket, TABLE_JOBS); break;
	case OFFER_KIND: live_groups(c, socket, artifacts ? TABLE_ARTIFACTS : TABLE_RUNS); break;
	case OFFER_FIELDS: add_field_names(k, p); break;
	case OFFER_COMMAND: add_command_words(k); break;
	case OFFER_METHOD: add_methods(k); break;
	}
}

/* `value` is the word at the cursor, or its end, behind `before`. */
static void add_values(struct completion *k, const struct place *p, struct span before, struct span value)
{
	struct candidates *c = &k->found;
	const char *comma = p->list ? memrchr(value.at, ',', value.len) : NULL;
	size_t said = comma ? (size_t)(comma + 1 - value.at) : 0;

	c->before = (struct span){before.at, before.len + said};
	c->typed = (struct span){value.at + said, value.len - said};
	if (p->choices)
		add_choices(k, p->choices);
	else if (p->offer != OFFER_NOTHING)
		add_offer(k, p);
	else if (strcmp(p->name, "TIME") == 0)
		add_times(k);
	else if (strcmp(p->name, "JSON") == 0)
		add_json(k);
	else if (p->like)
		add_choices_of_others(k, p->like);
	if (p->list && c->count > 0)
		candidates_ask(c, "list", NULL);
}

/* --fields of a command whose method has no such parameter: of the records that its noun says, or, where it
 * is no method's at all, of any. */
static void find_fields(struct place *p, const struct command *c)
{
	for (enum table_id t = 0; c && t < TABLE_COUNT; t++)
		if (strcmp(c->noun, spec_record_name(t)) == 0)
			*p = (struct place){.name = p->name, .offer = OFFER_FIELDS, .table = t, .list = true};
	if (c && p->offer == OFFER_NOTHING && !c->noun[0] && !c->method)
		*p = (struct place){.name = p->name, .offer = OFFER_FIELDS, .any_table = true, .list = true};
}

static struct place place_of_flag(const struct typed *t, const struct flag *f)
{
	struct place p = {
		.name = f->argument, .choices = f->choices, .offer = f->offer, .table = f->table,
		.list = f->many && strcmp(f->argument, "JSON") != 0,
		.like = f->many && !f->param ? f->name : NULL,
	};

	if (p.offer == OFFER_NOTHING && strcmp(f->name, "fields") == 0)
		find_fields(&p, t->command);
	return p;
}

/* "--status=ru", "-s/tm": whether the word is a flag with a value begun behind it, and which (*flag NULL: one
 * that nobody knows). Else *flag is the last letter's. */
static bool has_value(const struct typed *t, const struct flag **flag, const char **value)
{
	const char *word = t->word, *equals = strchr(word, '=');

	*flag = NULL;
	*value = equals ? equals + 1 : NULL;
	if (word[1] == '-' && equals)
		*flag = typed_flag(t, (struct span){word + 2, (size_t)(equals - word) - 2}, 0);
	if (word[1] == '-')
		return equals != NULL;
	for (const char *at = word + 1; *at; at++) {
		*flag = typed_flag(t, (struct span){0}, *at);
		*value = at + 1;
		if (!*flag || ((*flag)->argument && at[1]))
			return true;
	}
	return false;
}

static void complete_dashed(struct completion *k)
{
	const struct typed *t = &k->typed;
	const struct flag *flag;
	const char *value;

	if (has_value(t, &flag, &value)) {
		struct place p = {.name = ""};
		if (flag && flag->argument)
			p = place_of_flag(t, flag);
		add_values(k, &p, (struct span){t->word, (size_t)(value - t->word)}, span_of(value));
	} else if (flag) {
		add_flag_row(k, t->word, flag);
	} else {
		add_flags(k);
	}
}

static const struct operand *operand_at(const struct command *c, size_t place)
{
	const struct operand *o = c->operands;

	while (o && o->name && place > 0 && !o->many) {
		o++;
		place--;
	}
	return o && o->name ? o : NULL;
}

static bool is_json(const struct operand *o)
{
	return strcmp(o->name, "JSON") == 0;
}

static bool takes_json(const struct command *c)
{
	for (const struct operand *o = c->operands; o && o->name; o++)
		if (is_json(o))
			return true;
	return false;
}

/* save --jsonl: a file of records instead of one. */
static bool takes_lines(const struct typed *t)
{
	for (const struct flag *f = t->command->flags; f && f->name; f++)
		if (strcmp(f->name, "jsonl") == 0)
			return typed_said(t, f->name) && takes_json(t->command);
	return false;
}

static void complete_operand(struct completion *k)
{
	const struct typed *t = &k->typed;
	const struct operand *o = operand_at(t->command, t->operand_count);
	struct span word = span_of(t->word), none = {t->word, 0};
	struct place p = {.name = ""};

	if (takes_lines(t))
		p.offer = OFFER_FILE;
	else if (t->word[0] == '@' && takes_json(t->command))
		p.name = "JSON";
	else if (o && !is_json(o))
		p = (struct place){.name = o->name, .choices = o->choices, .offer = o->offer};
	k->found.taken = t->operands;
	k->found.taken_count = t->operand_count;
	if (p.name[0] || p.offer != OFFER_NOTHING) {
		k->found.no_dashes = !t->ended;
		add_values(k, &p, none, word);
	} else if (!t->ended) { /* there is nothing else to say */
		add_flags(k);
	}
}

static void complete(struct completion *k)
{
	const struct typed *t = &k->typed;

	k->found.before = (struct span){t->word, 0};
	k->found.typed = span_of(t->word);
	if (t->awaiting) {
		struct place p = place_of_flag(t, t->awaiting);
		add_values(k, &p, k->found.before, k->found.typed);
	} else if (!t->ended && t->word[0] == '-') {
		complete_dashed(k);
	} else if (!t->noun) {
		add_commands(k, "");
	} else if (t->wants_verb) {
		add_commands(k, t->noun);
	} else if (t->command) {
		complete_operand(k);
	}
}

enum exit_status completion_answer(const struct commands *all, int count, char **words)
{
	struct completion k = {0};

	typed_read(&k.typed, all, count, words);
	complete(&k);
	print_buf(&k.found.lines);
	typed_free(&k.typed);
	candidates_free(&k.found);
	return EXIT_OK;
}

/* ---- persistctl completion */

static const char bash_script[] =
#include "client/ctl/persistctl.bash.inc"
	;
static const char zsh_script[] =
#include "client/ctl/persistctl.zsh.inc"
	;
static const char fish_script[] =
#include "client/ctl/persistctl.fish.inc"
	;

static const char *const shells[] = {"bash", "zsh", "fish", NULL};
static const char *const scripts[] = {bash_script, zsh_script, fish_script};

const struct operand completion_operands[] = {
	{.name = "SHELL", .required = true, .choices = shells, .prose = "bash, zsh or fish."},
	{0},
};

enum exit_status completion_run(struct invocation *i)
{
	const char *shell = given_operand(&i->given, 0);

	if (i->given.operand_count > 1)
		return complain_usage("completion", "completion: there is no place for %s", i->given.operands[1]);
	for (size_t s = 0; shell && shells[s]; s++)
		if (strcmp(shell, shells[s]) == 0)
			return print_text(scripts[s]);
	if (shell)
		return complain_usage("completion", "there is no completion for %s; there is for bash, zsh and fish",
		                      shell);
	return complain_usage("completion", "SHELL is missing: it must be bash, zsh or fish");
}
