#include "client/ctl/typed.h"
#include "proto/mem.h"
#include <stdlib.h>

static const struct flag *flag_of(const struct command *c, struct span name, char letter)
{
	const struct flag *lists[FLAG_LISTS];

	command_flags(c, lists);
	for (size_t l = 0; l < FLAG_LISTS; l++)
		for (const struct flag *f = lists[l]; f && f->name; f++)
			if (letter ? f->letter == letter : span_is(name, span_of(f->name)))
				return f;
	return NULL;
}

const struct flag *typed_flag(const struct typed *t, struct span name, char letter)
{
	const struct flag *f = NULL;

	if (t->command)
		return flag_of(t->command, name, letter);
	for (size_t i = 0; !f && i < t->all->count; i++)
		f = flag_of(&t->all->at[i], name, letter);
	return f;
}

static void say(struct typed *t, const struct flag *f, const char *value)
{
	t->said[t->said_count++] = f;
	if (value && strcmp(f->name, "socket") == 0)
		t->socket = value;
}

static void take_long(struct typed *t, const char *word)
{
	struct span name = {word + 2, strcspn(word + 2, "=")};
	const char *value = name.at[name.len] ? name.at + name.len + 1 : NULL;
	const struct flag *f = typed_flag(t, name, 0);

	if (f && f->argument && !value)
		t->awaiting = f;
	else if (f)
		say(t, f, value);
}

static void take_letters(struct typed *t, const char *word)
{
	for (const char *at = word + 1; *at; at++) {
		const struct flag *f = typed_flag(t, (struct span){0}, *at);
		if (f && f->argument && !at[1])
			t->awaiting = f;
		else if (f)
			say(t, f, f->argument ? at + 1 : NULL);
		if (!f || f->argument)
			return;
	}
}

static void take_operand(struct typed *t, const char *word)
{
	if (!t->noun) {
		t->noun = word;
		t->wants_verb = command_noun(t->all, word);
		t->command = t->wants_verb ? NULL : command_find(t->all, "", word);
	} else if (t->wants_verb) {
		t->wants_verb = false;
		t->command = command_find(t->all, t->noun, word);
	} else {
		t->operands[t->operand_count++] = word;
	}
}

static void take(struct typed *t, const char *word)
{
	if (t->awaiting) {
		say(t, t->awaiting, word);
		t->awaiting = NULL;
	} else if (!t->ended && strcmp(word, "--") == 0) {
		t->ended = true;
	} else if (t->ended || flags_is_operand(word)) {
		take_operand(t, word);
	} else if (word[1] == '-') {
		take_long(t, word);
	} else {
		take_letters(t, word);
	}
}

/* Each letter of a word may be a flag. */
static size_t most_flags(int count, char **words)
{
	size_t most = 0;

	for (int i = 0; i < count; i++)
		most += strlen(words[i]) + 1;
	return most;
}

void typed_read(struct typed *t, const struct commands *all, int count, char **words)
{
	int before = count > 0 ? count - 1 : 0;

	*t = (struct typed){
		.all = all, .word = count > 0 ? words[before] : "",
		.operands = mem_zero((size_t)(before + 1) * sizeof *t->operands),
		.said = mem_zero((most_flags(before, words) + 1) * sizeof *t->said),
	};
	for (int i = 0; i < before; i++)
		take(t, words[i]);
}

void typed_free(struct typed *t)
{
	free(t->operands);
	free(t->said);
	*t = (struct typed){0};
}

bool typed_said(const struct typed *t, const char *flag)
{
	for (size_t i = 0; i < t->said_count; i++)
		if (strcmp(t->said[i]->name, flag) == 0)
			return true;
	return false;
}
