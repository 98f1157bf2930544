#include "client/ctl/command.h"
#include "client/ctl/age.h"
#include "client/ctl/call.h"
#include "client/ctl/check_files.h"
#include "client/ctl/complain.h"
#include "client/ctl/completion.h"
#include "client/ctl/diff.h"
#include "client/ctl/export.h"
#include "client/ctl/help.h"
#include "client/ctl/import.h"
#include "client/ctl/manual.h"
#include "client/ctl/method_command.h"
#include "client/ctl/print.h"
#include "client/ctl/show.h"
#include "proto/buf.h"
#include "proto/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAME_ROOM = 64, NAMES_MAX = 128 };

static const char *const colours[] = {"auto", "always", "never", NULL};

const struct flag command_common_flags[] = {
	{.name = "socket", .letter = 's', .argument = "PATH", .offer = OFFER_FILE,
	 .prose = "The daemon's socket."},
	{.name = "timeout", .letter = 't', .argument = "SECONDS",
	 .prose = "How long to wait for each reply: seconds, or 500ms, 2m. Default 30."},
	{.name = "color", .argument = "WHEN", .choices = colours,
	 .prose = "Colours: auto is on a terminal, unless NO_COLOR is set."},
	{.name = "help", .letter = 'h', .prose = "This text."},
	{.name = "version", .letter = 'V', .prose = "The version."},
	{.name = NULL},
};

const struct flag command_output_flags[] = {
	{.name = "json", .prose = "One JSON document, as the daemon gives it."},
	{.name = "jsonl", .prose = "JSON, a record a line."},
	{.name = "quiet", .letter = 'q', .prose = "Ids alone, one a line; with --fields those values alone."},
	{.name = "fields", .argument = "A,B", .many = true,
	 .prose = "Only these members of the result, or what is inside them: a,b.c."},
	{.name = "absolute", .prose = "Times as dates in the local time zone, not as ages."},
	{.name = "utc", .prose = "Times as dates in UTC; times that are given without an offset are UTC, too."},
	{.name = NULL},
};

/* What is not one method's. */
static const struct command own_commands[] = {
	{.noun = "run", .verb = "diff", .prose = "Shows what differs between two runs, side by side.",
	 .run = diff_run,
	 .flags = diff_flags, .operands = diff_operands,
	 .notes = "Request, meta, error, kind and status are compared, value by value: meta.metrics.cagr. In a "
	          "pipe: path, A's value, B's value, with tabs between. The exit status is 0 whether they differ "
	          "or not, but for --exit-code.",
	 .examples = "persistctl run diff bt-1 bt-2\n"
	             "persistctl run diff bt-1 bt-2 --fields meta.metrics --exit-code"},
	{.noun = "", .verb = "import",
	 .prose = "Takes in files of records: jobs.json, runs.json, directories, JSON lines.",
	 .run = import_run, .flags = import_flags, .operands = import_operands, .no_output_flags = true,
	 .examples = "persistctl import ~/old/jobs.json ~/old/runs.json --nan=null --dry-run\n"
	             "persistctl import backup.jsonl"},
	{.noun = "", .verb = "export",
	 .prose = "Gives every record, as JSON lines, as one document, or as a table.",
	 .run = export_run, .flags = export_flags, .no_output_flags = true,
	 .examples = "persistctl export > backup.jsonl\n"
	             "persistctl export --jobs --since 1w --status failed -o failed.jsonl"},
	{.noun = "", .verb = "call", .prose = "Calls any method with parameters as JSON.", .run = call_run,
	 .operands = call_operands, .views = {show_indented, NULL},
	 .examples = "persistctl call job.list '{\"status\": \"running\", \"limit\": 10}'"},
	{.noun = "", .verb = "check", .prose = "Validates the files of a state directory, with persistd --check.",
	 .run = check_files_run, .flags = check_files_flags, .no_output_flags = true,
	 .notes = "Exit status 0: sound; 1: findings, which are printed. The files of a running daemon are in "
	          "use and cannot be checked.",
	 .examples = "persistctl check --state-dir /var/backups/persistd"},
	{.noun = "", .verb = "completion", .prose = "Gives the script by which a shell completes command lines.",
	 .run = completion_run, .operands = completion_operands, .no_output_flags = true,
	 .notes = "The Debian package has put it in its place. Else: for bash, source <(persistctl completion "
	          "bash) in ~/.bashrc; for zsh, the same with zsh in ~/.zshrc, behind compinit; for fish, its "
	          "output in ~/.config/fish/completions/persistctl.fish.",
	 .examples = "persistctl completion fish > ~/.config/fish/completions/persistctl.fish"},
	{.noun = "", .verb = "help", .prose = "Says how commands and methods are used.", .run = help_run,
	 .operands = help_operands, .no_output_flags = true},
};

/* ---- all of them */

void commands_make(struct commands *all)
{
	*all = (struct commands){0};
	for (size_t m = 0; m < METHOD_COUNT; m++)
		method_command_add(all, &spec_methods[m]);
	for (size_t c = 0; c < sizeof own_commands / sizeof *own_commands; c++) {
		all->at = mem_resize(all->at, (all->count + 1) * sizeof *all->at);
		all->at[all->count++] = own_commands[c];
	}
}

void commands_free(struct commands *all)
{
	for (size_t i = 0; i < all->owned_count; i++)
		free(all->owned[i]);
	free(all->owned);
	free(all->at);
	*all = (struct commands){0};
}

void command_flags(const struct command *c, const struct flag *lists[FLAG_LISTS])
{
	memset(lists, 0, FLAG_LISTS * sizeof *lists);
	lists[0] = c->flags;
	lists[1] = command_common_flags;
	lists[2] = c->no_output_flags ? NULL : command_output_flags;
}

void command_name(const struct command *c, char out[NAME_ROOM])
{
	snprintf(out, NAME_ROOM, "%s%s%s", c->noun, c->noun[0] ? " " : "", c->verb);
}

const struct command *command_find(const struct commands *all, const char *noun, const char *verb)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->at[i].noun, noun) == 0 && strcmp(all->at[i].verb, verb) == 0)
			return &all->at[i];
	return NULL;
}

bool command_noun(const struct commands *all, const char *noun)
{
	for (size_t i = 0; noun[0] && i < all->count; i++)
		if (strcmp(all->at[i].noun, noun) == 0)
			return true;
	return false;
}

/* ---- what was meant */

static const struct command *command_of_method(const struct commands *all, const char *name)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].method && strcmp(all->at[i].method->name, name) == 0)
			return &all->at[i];
	return NULL;
}

static const char *nearest(const struct commands *all, const char *noun, const char *typed)
{
	const char *names[NAMES_MAX + 1] = {0};
	size_t count = 0;

	for (size_t i = 0; i < all->count && count < NAMES_MAX; i++) {
		if (strcmp(all->at[i].noun, noun) == 0)
			names[count++] = all->at[i].verb;
		else if (!noun[0])
			names[count++] = all->at[i].noun;
	}
	return fault_did_you_mean(span_of(typed), names);
}

/* `list` alone: which noun's? */
static void add_nouns_of(struct buf *out, const struct commands *all, const char *verb)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].noun[0] && strcmp(all->at[i].verb, verb) == 0)
			buf_printf(out, "%s%s %s", out->len > 0 ? ", " : "; did you mean ", all->at[i].noun, verb);
	buf_text(out, out->len > 0 ? "?" : "");
}

static void add_nearest(struct buf *out, const struct commands *all, const char *noun, const char *verb)
{
	const char *near = nearest(all, noun, verb);

	if (near)
		buf_printf(out, "; did you mean %s%s%s?", noun, noun[0] ? " " : "", near);
	else if (!noun[0])
		add_nouns_of(out, all, verb);
}

enum exit_status command_unknown(const struct commands *all, const char *noun, const char *verb)
{
	const struct command *c = command_of_method(all, verb);
	__attribute__((cleanup(buf_free))) struct buf meant = {0};
	char name[NAME_ROOM];

	if (c && !noun[0]) {
		command_name(c, name);
		return complain_usage("", "there is no command %s; did you mean %s? (or call %s)", verb, name, verb);
	}
	if (!noun[0] && flags_find((const struct flag *const[FLAG_LISTS]){command_common_flags}, span_of(verb)))
		buf_printf(&meant, "; did you mean --%s?", verb);
	else
		add_nearest(&meant, all, noun, verb);
	return complain_usage(noun, "there is no command %s%s%s%.*s", noun, noun[0] ? " " : "", verb,
	                      (int)meant.len, meant.len > 0 ? meant.at : "");
}

/* ---- the words of a command among flags, which may stand anywhere */

struct words {
	const char *noun, *verb; /* NULL: not there */
	char **rest;             /* all but the two; owned */
	int rest_count;
};

static const struct flag *flag_of_any(const struct commands *all, struct span name)
{
	const struct flag *lists[FLAG_LISTS] = {command_common_flags, command_output_flags}, *f;

	f = flags_find(lists, name);
	for (size_t i = 0; !f && i < all->count; i++) {
		command_flags(&all->at[i], lists);
		f = flags_find(lists, name);
	}
	return f;
}

static const struct flag *letter_of_any(const struct commands *all, char letter)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct flag *lists[FLAG_LISTS];
		command_flags(&all->at[i], lists);
		for (size_t l = 0; l < FLAG_LISTS; l++)
			for (const struct flag *f = lists[l]; f && f->name; f++)
				if (f->letter == letter)
					return f;
	}
	return NULL;
}

/* Whether the word after this flag is its value. */
static bool takes_next(const struct commands *all, const char *word)
{
	const struct flag *f;

	if (word[1] == '-') {
		f = strchr(word, '=') ? NULL : flag_of_any(all, span_of(word + 2));
		return f && f->argument;
	}
	for (const char *letter = word + 1; *letter; letter++) {
		f = letter_of_any(all, *letter);
		if (f && f->argument)
			return !letter[1];
	}
	return false;
}

static bool takes_verb(const struct commands *all, const struct words *w)
{
	return !w->verb && command_noun(all, w->noun);
}

static void split(struct words *w, const struct commands *all, int argc, char **argv)
{
	bool ended = false;

	*w = (struct words){.rest = mem_zero((size_t)(argc + 1) * sizeof *argv)};
	for (int i = 0; i < argc; i++) {
		const char *word = argv[i];
		bool dashed = !ended && !flags_is_operand(word);
		if (!dashed && !w->noun) {
			w->noun = word;
		} else if (!dashed && takes_verb(all, w)) {
			w->verb = word;
		} else {
			ended = ended || strcmp(word, "--") == 0;
			w->rest[w->rest_count++] = argv[i];
			if (dashed && !ended && takes_next(all, word) && i + 1 < argc)
				w->rest[w->rest_count++] = argv[++i];
		}
	}
}

/* ---- carrying out */

static enum exit_status read_form(struct invocation *i, const char *name)
{
	bool json, jsonl, quiet;

	i->form = i->screen.terminal ? FORM_PEOPLE : FORM_PLAIN;
	if (i->command->no_output_flags)
		return EXIT_OK;
	json = given_on(&i->given, "json");
	jsonl = given_on(&i->given, "jsonl");
	quiet = given_on(&i->given, "quiet");
	if (json && (jsonl || quiet))
		return complain_usage(name, "--json cannot go together with --%s", jsonl ? "jsonl" : "quiet");
	if (quiet)
		i->form = FORM_IDS;
	else if (json || jsonl)
		i->form = json ? FORM_JSON : FORM_JSONL;
	i->screen.utc = given_on(&i->given, "utc");
	i->screen.absolute = i->screen.utc || given_on(&i->given, "absolute");
	return EXIT_OK;
}

static enum exit_status read_common(struct invocation *i, const char *name)
{
	const char *timeout = given_text(&i->given, "timeout");
	int64_t micros;

	screen_init(&i->screen, STDOUT_FILENO, given_text(&i->given, "color"));
	i->session.socket = given_text(&i->given, "socket");
	if (i->session.socket && !i->session.socket[0])
		return complain_usage(name, "--socket must be a path");
	if (timeout && (!age_parse_length(timeout, true, &micros) || micros == 0))
		return complain_usage(name, "--timeout must be a number of seconds above 0, or such as 500ms or 2m");
	if (timeout)
		i->session.timeout = (double)micros / 1e6;
	return read_form(i, name);
}

static enum exit_status carry_out(struct invocation *i, char **rest, int rest_count)
{
	enum exit_status status;
	char name[NAME_ROOM];

	command_name(i->command, name);
	command_flags(i->command, i->given.lists);
	if (!flags_parse(&i->given, rest_count, rest, name))
		return EXIT_USAGE;
	if (given_on(&i->given, "version"))
		return print_text("persistctl " PERSISTD_VERSION "\n");
	status = read_common(i, name);
	if (given_on(&i->given, "help") && status == EXIT_OK)
		return help_command(i->command, &i->screen);
	if (status == EXIT_OK && !i->command->operands && i->given.operand_count > 0 && !i->command->method)
		return help_no_place(i->command, i->given.operands[0]);
	return status == EXIT_OK ? i->command->run(i) : status;
}

static enum exit_status refuse_noun(const struct commands *all, const char *noun)
{
	__attribute__((cleanup(buf_free))) struct buf verbs = {0};

	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->at[i].noun, noun) == 0)
			buf_printf(&verbs, "%s%s", verbs.len > 0 ? ", " : "", all->at[i].verb);
	return complain_usage(noun, "%s needs a command: %.*s", noun, (int)verbs.len, verbs.at);
}

/* No command: --help, --version, a noun alone, or nothing. */
static enum exit_status without_command(const struct commands *all, const struct words *w)
{
	struct given given = {.lists = {command_common_flags, command_output_flags}};
	struct screen screen;
	enum exit_status status = EXIT_USAGE;

	screen_init(&screen, STDOUT_FILENO, NULL);
	if (flags_parse(&given, w->rest_count, w->rest, "")) {
		if (given_on(&given, "version"))
			status = print_text("persistctl " PERSISTD_VERSION "\n");
		else if (given_on(&given, "help"))
			status = help_overview(all, w->noun, &screen);
		else if (w->noun)
			refuse_noun(all, w->noun);
		else
			complain_usage("", "a command is missing");
	}
	given_free(&given);
	return status;
}

static enum exit_status dispatch(const struct commands *all, const struct words *w)
{
	struct invocation i = {.all = all};
	bool alone = w->noun && !command_noun(all, w->noun);
	enum exit_status status;

	if (!w->noun || (!alone && !w->verb))
		return without_command(all, w);
	i.command = command_find(all, alone ? "" : w->noun, alone ? w->noun : w->verb);
	if (!i.command)
		return command_unknown(all, alone ? "" : w->noun, alone ? w->noun : w->verb);
	status = carry_out(&i, w->rest, w->rest_count);
	session_close(&i.session);
	given_free(&i.given);
	return status;
}

/* What the completion scripts ask, and what persistctl(1) is made of. */
static bool asked_by_scripts(const struct commands *all, int argc, char **argv, enum exit_status *status)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (strcmp(word, "__complete") == 0)
		*status = completion_answer(all, argc - 2, argv + 2);
	else if (strcmp(word, "__manual") == 0)
		*status = manual_print(all);
	else
		return false;
	return true;
}

enum exit_status command_main(int argc, char **argv)
{
	struct commands all;
	struct words words;
	enum exit_status status;

	ident_init();
	commands_make(&all);
	if (!asked_by_scripts(&all, argc, argv, &status)) {
		split(&words, &all, argc - 1, argv + 1);
		status = dispatch(&all, &words);
		free(words.rest);
	}
	commands_free(&all);
	return print_flush() == EXIT_OK || status != EXIT_OK ? status : EXIT_FAILED;
}
