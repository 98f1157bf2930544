#include "client/ctl/flags.h"
#include "client/ctl/complain.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAMES_MAX = 96, NO_LEN = 3 };

const struct flag *flags_find(const struct flag *const lists[FLAG_LISTS], struct span name)
{
	for (size_t l = 0; l < FLAG_LISTS; l++)
		for (const struct flag *f = lists[l]; f && f->name; f++)
			if (span_is(name, span_of(f->name)))
				return f;
	return NULL;
}

static const struct flag *find_letter(const struct flag *const lists[FLAG_LISTS], char letter)
{
	for (size_t l = 0; l < FLAG_LISTS; l++)
		for (const struct flag *f = lists[l]; f && f->name; f++)
			if (f->letter == letter)
				return f;
	return NULL;
}

static void complain_unknown(const struct given *g, struct span typed, const char *command)
{
	const char *names[NAMES_MAX + 1] = {0}, *near;
	size_t count = 0;

	for (size_t l = 0; l < FLAG_LISTS; l++)
		for (const struct flag *f = g->lists[l]; f && f->name && count < NAMES_MAX; f++)
			names[count++] = f->name;
	near = fault_did_you_mean(typed, names);
	complain_usage(command, "there is no flag --%.*s%s%s%s", (int)typed.len, typed.at,
	               near ? "; did you mean --" : "", near ? near : "", near ? "?" : "");
}

static bool choice_is(const char *const *choices, struct span value)
{
	for (; *choices; choices++)
		if (span_is(value, span_of(*choices)))
			return true;
	return false;
}

static bool refuse_choice(const struct flag *f, const char *value, const char *command)
{
	__attribute__((cleanup(buf_free))) struct buf names = {0};
	const char *near = fault_did_you_mean(span_of(value), f->choices);

	for (size_t i = 0; f->choices[i]; i++)
		buf_printf(&names, "%s%s", i > 0 ? ", " : "", f->choices[i]);
	buf_char(&names, '\0');
	complain_usage(command, "--%s must be one of %s%s%s%s", f->name, names.at, near ? "; did you mean " : "",
	               near ? near : "", near ? "?" : "");
	return false;
}

static bool add(struct given *g, const struct flag *f, const char *value, bool on, const char *command)
{
	/* what a method's parameter takes is judged with the parameter, in its own words */
	if (value && f->choices && !f->param && !choice_is(f->choices, span_of(value)))
		return refuse_choice(f, value, command);
	g->flags[g->flag_count++] = (struct given_flag){f, value, on, NULL};
	return true;
}

/* The words that are still to be read. */
struct words {
	char **at;
	int left;
};

static const char *take(struct words *w)
{
	w->left--;
	return *w->at++;
}

static bool take_value(struct given *g, const struct flag *f, const char *typed, struct words *w,
                       const char *command)
{
	if (w->left > 0)
		return add(g, f, take(w), true, command);
	complain_usage(command, "%s needs a value: %s", typed, f->argument);
	return false;
}

static bool parse_long(struct given *g, const char *word, struct words *w, const char *command)
{
	const char *equals = strchr(word, '=');
	struct span name = {word + 2, equals ? (size_t)(equals - word) - 2 : strlen(word) - 2};
	const struct flag *f = flags_find(g->lists, name);
	bool on = true;

	if (!f && name.len > NO_LEN && memcmp(name.at, "no-", NO_LEN) == 0) {
		f = flags_find(g->lists, (struct span){name.at + NO_LEN, name.len - NO_LEN});
		on = false;
		if (f && f->argument)
			f = NULL;
	}
	if (!f) {
		complain_unknown(g, name, command);
		return false;
	}
	if (equals && !f->argument) {
		complain_usage(command, "--%s takes no value", f->name);
		return false;
	}
	if (f->argument && !equals)
		return take_value(g, f, word, w, command);
	return add(g, f, equals ? equals + 1 : NULL, on, command);
}

static bool parse_letters(struct given *g, const char *word, struct words *w, const char *command)
{
	for (const char *at = word + 1; *at; at++) {
		const struct flag *f = find_letter(g->lists, *at);
		if (!f) {
			complain_usage(command, "there is no flag -%c", *at);
			return false;
		}
		if (f->argument && at[1])
			return add(g, f, at + 1, true, command);
		if (f->argument)
			return take_value(g, f, word, w, command);
		if (!add(g, f, NULL, true, command))
			return false;
	}
	return true;
}

/* No more of either than there are words and letters in them. */
static void make_room(struct given *g, int argc, char **argv)
{
	size_t letters = 0;

	for (int i = 0; i < argc; i++)
		letters += argv[i][0] == '-' && argv[i][1] != '-' ? strlen(argv[i]) : 1;
	/* an operand may become a flag: given_operands */
	g->flags = mem_resize(g->flags, (g->flag_count + letters + (size_t)argc) * sizeof *g->flags);
	g->operands = mem_resize(g->operands, (g->operand_count + (size_t)argc) * sizeof *g->operands);
}

bool flags_is_operand(const char *word)
{
	return word[0] != '-' || !word[1] || (word[1] >= '0' && word[1] <= '9');
}

bool flags_parse(struct given *g, int argc, char **argv, const char *command)
{
	struct words words = {argv, argc};
	bool ended = false;

	make_room(g, argc, argv);
	while (words.left > 0) {
		const char *word = take(&words);
		if (!ended && strcmp(word, "--") == 0)
			ended = true;
		else if (ended || flags_is_operand(word))
			g->operands[g->operand_count++] = word;
		else if (!(word[1] == '-' ? parse_long : parse_letters)(g, word, &words, command))
			return false;
	}
	return true;
}

void given_name(const struct given_flag *said, char out[80])
{
	if (said->operand)
		snprintf(out, 80, "%s", said->operand->name);
	else
		snprintf(out, 80, "--%s", said->flag->name);
}

void given_say(struct given *g, const struct operand *o, const char *typed)
{
	const struct flag *f = flags_find(g->lists, span_of(o->flag));

	assert(f && f->argument);
	g->flags[g->flag_count++] = (struct given_flag){f, typed, true, o};
}

void given_operands(struct given *g, const struct operand *operands)
{
	const struct operand *o = operands;
	size_t kept = 0;

	for (size_t i = 0; i < g->operand_count; i++) {
		const char *typed = g->operands[i];
		if (o && o->name && o->flag)
			given_say(g, o, typed);
		else
			g->operands[kept++] = typed;
		if (o && o->name && !o->many)
			o++;
	}
	g->operand_count = kept;
}

void given_free(struct given *g)
{
	free(g->flags);
	free(g->operands);
	*g = (struct given){0};
}

static const struct flag *known(const struct given *g, const char *name)
{
	const struct flag *f = flags_find(g->lists, span_of(name));
	assert(f);
	return f;
}

static const struct given_flag *last(const struct given *g, const struct flag *f)
{
	for (size_t i = g->flag_count; i > 0; i--)
		if (g->flags[i - 1].flag == f)
			return &g->flags[i - 1];
	return NULL;
}

bool given_has(const struct given *g, const char *name)
{
	return last(g, known(g, name)) != NULL;
}

bool given_on(const struct given *g, const char *name)
{
	const struct flag *f = known(g, name);
	const struct given_flag *said = last(g, f);
	return said ? said->on : f->on;
}

const char *given_text(const struct given *g, const char *name)
{
	const struct given_flag *said = last(g, known(g, name));
	return said ? said->value : NULL;
}

const char *given_next(const struct given *g, const char *name, size_t *at)
{
	const struct flag *f = known(g, name);

	while (*at < g->flag_count) {
		const struct given_flag *said = &g->flags[(*at)++];
		if (said->flag == f)
			return said->value;
	}
	return NULL;
}

const char *given_operand(const struct given *g, size_t place)
{
	return place < g->operand_count ? g->operands[place] : NULL;
}
