#include "client/ctl/help.h"
#include "client/ctl/complain.h"
#include "client/ctl/print.h"
#include "proto/discover.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf
enum {
	WIDTH_IN_A_PIPE = 80, WIDTH_MOST = 110, WORDS_WIDTH = 28, MARGIN = 2, PROSE_LEAST = 30, NARROW_INDENT = 10
};

const struct operand help_operands[] = {
	{.name = "COMMAND", .many = true, .offer = OFFER_COMMAND,
	 .prose = "A command, such as job list; its noun alone; or a method, such as job.list."},
	{0},
};

static const char about[] =
	"Talks to persistd: keeps and shows the jobs, runs and artifacts of this machine's programs.";
static const char about_output[] =
	"Results go to stdout, everything else to stderr. A terminal gets tables and records for reading, a pipe "
	"gets plain columns, or a line of JSON for a single result; --json gives the daemon's own reply "
	"anywhere.";
static const char about_socket[] =
	"The socket is --socket, else $PERSISTD_SOCKET, else $XDG_RUNTIME_DIR/persistd/persistd.sock (without "
	"that variable /tmp/persistd-<uid>/persistd.sock), else /run/persistd/persistd.sock.";
static const char about_status[] =
	"Exit status: 0 done; 1 failed; 2 wrong usage; 3 not found; 4 conflict; 69 no daemon; 124 no reply in "
	"time; 130 interrupted.";

static const char about_times[] =
	"TIME is how long ago (90s, 15m, 2h, 1h30m, 3d, 1w), now, today, yesterday, a date such as 2026-11-22, "
	"\"2026-11-22 16:50\", or RFC 3339. Without an offset it is local time";
static const char about_objects[] =
	"An object is given as JSON, as @FILE, as - (stdin), or member by member, as often as needed: key=text, "
	"key:=JSON.";

static unsigned width_of(const struct screen *s)
{
	unsigned width = s->terminal ? s->columns : WIDTH_IN_A_PIPE;
	return width < WIDTH_MOST ? width : WIDTH_MOST;
}

/* Prose is written with marks for the web page; a terminal shows none. */
static bool is_mark(char c)
{
	return c == '`';
}

/* Fills lines with words; the first line goes on where `at` columns are taken already. */
static void wrap(struct buf *out, const char *text, unsigned at, unsigned indent, unsigned width)
{
	bool fresh = true;

	while (*text) {
		OWNED_BUF word = {0};
		for (text += strspn(text, " "); *text && *text != ' '; text++)
			if (!is_mark(*text))
				buf_char(&word, *text);
		unsigned columns = screen_width(buf_as_span(&word));
		if (!fresh && at + 1 + columns > width) {
			buf_char(out, '\n');
			screen_pad(out, indent);
			at = indent;
			fresh = true;
		}
		if (!fresh)
			buf_char(out, ' ');
		buf_span(out, buf_as_span(&word));
		at += columns + !fresh;
		fresh = false;
	}
	buf_char(out, '\n');
}

static void paragraph(struct buf *out, const char *text, unsigned width)
{
	wrap(out, text, 0, 0, width);
}

/* Words on the left, prose on the right; long words get a line of their own. */
static void entry(struct buf *out, const struct buf *words, const char *prose, unsigned left, unsigned width)
{
	unsigned taken = MARGIN + screen_width(buf_as_span(words));

	screen_pad(out, MARGIN);
	buf_span(out, buf_as_span(words));
	if (taken + MARGIN > left || width < left + PROSE_LEAST) {
		buf_char(out, '\n');
		left = width < left + PROSE_LEAST ? NARROW_INDENT : left;
		screen_pad(out, left);
	} else {
		screen_pad(out, left - taken);
	}
	wrap(out, prose, left, left, width);
}

/* ---- a command */

static bool takes_flags(const struct command *c)
{
	return c->flags && c->flags[0].name;
}

void help_synopsis(struct buf *out, const struct command *c)
{
	char name[64];

	command_name(c, name);
	buf_text(out, name);
	if (takes_flags(c) || !c->no_output_flags)
		buf_text(out, " [FLAG]...");
	for (const struct operand *o = c->operands; o && o->name; o++)
		buf_printf(out, o->required ? " %s%s" : " [%s]%s", o->name, o->many ? "..." : "");
}

void help_flag_words(struct buf *out, const struct flag *f)
{
	if (f->letter)
		buf_printf(out, "-%c, ", f->letter);
	buf_printf(out, "--%s%s", !f->argument && f->on ? "no-" : "", f->name);
	if (f->argument)
		buf_printf(out, " %s", f->argument);
}

static void add_choices(struct buf *out, const struct flag *f)
{
	buf_text(out, " One of ");
	for (size_t i = 0; f->choices[i]; i++)
		buf_printf(out, "%s%s", i > 0 ? ", " : "", f->choices[i]);
	buf_char(out, '.');
}

/* The spec says what a flag does when it is on. */
static const char *prose_of(const struct flag *f)
{
	return f->prose ? f->prose : "";
}

void help_flag_prose(struct buf *out, const struct flag *f)
{
	const char *fallback = f->field ? f->field->fallback : f->param ? f->param->fallback : NULL;
	bool off = !f->argument && f->on;

	buf_text(out, off ? "Do not " : "");
	if (prose_of(f)[0])
		buf_char(out, off ? (char)tolower((unsigned char)prose_of(f)[0]) : prose_of(f)[0]);
	buf_text(out, prose_of(f)[0] ? prose_of(f) + 1 : "");
	if (strncmp(prose_of(f), "The same as", 11) == 0)
		return;
	if (f->choices)
		add_choices(out, f);
	if (f->param && !f->field && f->param->many)
		buf_text(out, " Several with commas between them.");
	if (f->argument && fallback && strcmp(fallback, "null") != 0 && strcmp(fallback, "{}") != 0) {
		size_t quoted = fallback[0] == '"', len = strlen(fallback) - 2 * quoted;
		if (len > 0)
			buf_printf(out, " Default %.*s.", (int)len, fallback + quoted);
	}
}

static void add_flags(struct buf *out, const struct flag *list, const struct command *c, unsigned width)
{
	const struct flag *lists[FLAG_LISTS];

	command_flags(c, lists);
	for (const struct flag *f = list; f && f->name; f++) {
		OWNED_BUF words = {0}, prose = {0};
		if (flags_find(lists, span_of(f->name)) != f) /* hidden by one of the command's own */
			continue;
		buf_text(&words, f->letter ? "" : "    ");
		help_flag_words(&words, f);
		help_flag_prose(&prose, f);
		buf_char(&prose, '\0');
		entry(out, &words, prose.at, WORDS_WIDTH, width);
	}
}

static void add_operands(struct buf *out, const struct command *c, unsigned width)
{
	for (const struct operand *o = c->operands; o && o->name; o++) {
		OWNED_BUF words = {0};
		buf_text(&words, o->name);
		entry(out, &words, o->prose ? o->prose : "", WORDS_WIDTH, width);
	}
}

static void add_rules(struct buf *out, const struct command *c, unsigned width)
{
	const struct spec_rule *rule = c->method ? c->method->rules : NULL;

	for (; rule && rule->kind != SPEC_RULE_END; rule++) {
		OWNED_BUF text = {0};
		buf_printf(&text, "Mind that %s.", rule->prose);
		buf_char(&text, '\0');
		paragraph(out, text.at, width);
	}
}

static bool takes_type(const struct command *c, enum spec_type type)
{
	for (const struct flag *f = c->flags; f && f->name; f++)
		if (f->param ? (f->field ? f->field->type : f->param->type) == type
		             : type == SPEC_TIME && f->argument && strcmp(f->argument, "TIME") == 0)
			return true;
	return false;
}

static void add_notes(struct buf *out, const struct command *c, unsigned width)
{
	bool times = takes_type(c, SPEC_TIME), objects = takes_type(c, SPEC_OBJECT);

	if (times || objects || c->notes || (c->method && c->method->rules))
		buf_char(out, '\n');
	if (c->notes)
		paragraph(out, c->notes, width);
	if (times) {
		OWNED_BUF text = {0};
		buf_printf(&text, "%s%s.", about_times, c->no_output_flags ? "" : ", with --utc UTC");
		buf_char(&text, '\0');
		paragraph(out, text.at, width);
	}
	if (objects)
		paragraph(out, about_objects, width);
	add_rules(out, c, width);
}

static void add_examples(struct buf *out, const char *examples)
{
	buf_text(out, "\nExamples:\n");
	for (const char *at = examples; *at;) {
		size_t len = strcspn(at, "\n");
		buf_printf(out, "  %.*s\n", (int)len, at);
		at += len + (at[len] == '\n');
	}
}

enum exit_status help_command(const struct command *c, const struct screen *s)
{
	OWNED_BUF out = {0};
	unsigned width = width_of(s);

	buf_text(&out, "Usage: persistctl ");
	help_synopsis(&out, c);
	buf_text(&out, "\n\n");
	paragraph(&out, c->prose, width);
	if (c->operands && c->operands[0].name) {
		buf_char(&out, '\n');
		add_operands(&out, c, width);
	}
	buf_text(&out, "\nFlags:\n");
	add_flags(&out, c->flags, c, width);
	if (!c->no_output_flags)
		add_flags(&out, command_output_flags, c, width);
	add_flags(&out, command_common_flags, c, width);
	add_notes(&out, c, width);
	if (c->method) {
		OWNED_BUF text = {0};
		buf_printf(&text, "It calls %s; 'persistctl help %s' says what comes back.", c->method->name,
		           c->method->name);
		buf_char(&text, '\0');
		buf_char(&out, '\n');
		paragraph(&out, text.at, width);
	}
	if (c->examples)
		add_examples(&out, c->examples);
	return print_buf(&out);
}

enum exit_status help_no_place(const struct command *c, const char *word)
{
	const struct flag *lists[FLAG_LISTS];
	char name[64];

	command_name(c, name);
	command_flags(c, lists);
	const struct flag *f = flags_find(lists, span_of(word));
	return complain_usage(name, "%s: there is no place for %s%s%s%s", name, word,
	                      f ? "; did you mean --" : "", f ? f->name : "", f ? "?" : "");
}

enum exit_status help_missing(const struct command *c, const char *format, ...)
{
	OWNED_BUF usage = {0};
	char name[64], *text;
	va_list args;

	va_start(args, format);
	int len = vasprintf(&text, format, args);
	va_end(args);
	if (len >= 0) {
		complain("%s", text);
		free(text);
	}
	help_synopsis(&usage, c);
	complain("usage: persistctl %.*s", (int)usage.len, usage.at);
	command_name(c, name);
	return complain_help(name);
}

/* ---- everything */

static const char *title_of(const char *noun)
{
	static const char *const titles[][2] = {
		{"job", "Jobs"}, {"run", "Runs"}, {"artifact", "Artifacts"}, {"", "The daemon, and persistctl "
		                                                                  "itself"},
	};

	for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
		if (strcmp(titles[i][0], noun) == 0)
			return titles[i][1];
	return noun;
}

static void add_commands(struct buf *out, const struct commands *all, const char *noun, unsigned width)
{
	buf_printf(out, "\n%s:\n", title_of(noun));
	for (size_t i = 0; i < all->count; i++) {
		const struct command *c = &all->at[i];
		OWNED_BUF words = {0};
		char name[64];
		if (strcmp(c->noun, noun) != 0)
			continue;
		command_name(c, name);
		buf_text(&words, name);
		entry(out, &words, c->prose, 20, width);
	}
}

static bool is_first_of_its_noun(const struct commands *all, size_t place)
{
	for (size_t i = 0; i < place; i++)
		if (strcmp(all->at[i].noun, all->at[place].noun) == 0)
			return false;
	return true;
}

enum exit_status help_overview(const struct commands *all, const char *noun, const struct screen *s)
{
	OWNED_BUF out = {0};
	unsigned width = width_of(s);
	const struct command none = {.noun = "", .verb = ""};
	char before[64];

	snprintf(before, sizeof before, "%s ", noun ? noun : "");
	buf_printf(&out, "Usage: persistctl %s%s[FLAG]...\n", noun ? noun : "COMMAND", noun ? " COMMAND " : " ");
	if (!noun) {
		buf_char(&out, '\n');
		paragraph(&out, about, width);
	}
	for (size_t i = 0; i < all->count; i++) {
		bool wanted = noun ? strcmp(all->at[i].noun, noun) == 0 : all->at[i].noun[0] != '\0';
		if (wanted && is_first_of_its_noun(all, i))
			add_commands(&out, all, all->at[i].noun, width);
	}
	if (!noun) {
		add_commands(&out, all, "", width);
		buf_text(&out, "\nFlags of all commands:\n");
		add_flags(&out, command_common_flags, &none, width);
		buf_text(&out, "\nFlags of all that print results:\n");
		add_flags(&out, command_output_flags, &none, width);
		buf_char(&out, '\n');
		paragraph(&out, about_output, width);
		paragraph(&out, about_socket, width);
		paragraph(&out, about_status, width);
	}
	buf_printf(&out, "\n'persistctl help %sCOMMAND' says more about each command.\n", noun ? before : "");
	return print_buf(&out);
}

/* ---- persistctl help */

static const struct command *command_of(const struct commands *all, const struct spec_method *m)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].method == m)
			return &all->at[i];
	return NULL;
}

static enum exit_status help_method(const struct invocation *i, const char *name)
{
	OWNED_BUF out = {0};
	const char *near;
	const struct spec_method *m = spec_find(span_of(name), &near);

	if (!m)
		return complain_usage("help", "there is no method %s%s%s%s", name, near ? "; did you mean " : "",
		                      near ? near : "", near ? "?" : "");
	const struct command *c = command_of(i->all, m);
	discover_usage(&out, m);
	if (c) {
		buf_text(&out, "\nAs a command:\n  persistctl ");
		help_synopsis(&out, c);
		buf_char(&out, '\n');
	}
	return print_buf(&out);
}

enum exit_status help_run(struct invocation *i)
{
	const char *first = given_operand(&i->given, 0), *second = given_operand(&i->given, 1);
	const struct command *c;

	if (!first)
		return help_overview(i->all, NULL, &i->screen);
	if (strchr(first, '.') && !second)
		return help_method(i, first);
	if (!second && command_noun(i->all, first))
		return help_overview(i->all, first, &i->screen);
	c = command_find(i->all, second ? first : "", second ? second : first);
	if (c && i->given.operand_count > 2)
		return complain_usage("help", "help %s %s: there is no place for %s", first, second,
		                      i->given.operands[2]);
	if (c)
		return help_command(c, &i->screen);
	return command_unknown(i->all, second ? first : "", second ? second : first);
}
