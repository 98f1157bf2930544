#include "client/ctl/manual.h"
#include "client/ctl/help.h"
#include "client/ctl/print.h"

#define OWNED_BUF __attribute__((cleanup(buf_free))) struct buf

/* Characters that roff would take for its own, or turn into typographic ones, which cannot be pasted. */
static void add_character(struct buf *out, char c)
{
	switch (c) {
	case '\\': buf_text(out, "\\e"); break;
	case '-': buf_text(out, "\\-"); break;
	case '\'': buf_text(out, "\\(aq"); break;
	case '`': buf_text(out, "\\(ga"); break;
	case '^': buf_text(out, "\\(ha"); break;
	case '~': buf_text(out, "\\(ti"); break;
	default: buf_char(out, c);
	}
}

/* Lists of names without blanks may be broken behind a comma. */
static bool may_break(const char *at)
{
	return (at[0] == ',' || at[0] == '/') && at[1] && at[1] != ' ';
}

/* A line of prose, whatever it begins with; what stands between the marks of the web page is bold. */
static void add_prose(struct buf *out, const char *text)
{
	bool bold = false;

	buf_text(out, *text == '.' ? "\\&" : "");
	for (; *text; text++) {
		if (*text == '`') {
			bold = !bold;
			buf_text(out, bold ? "\\fB" : "\\fR");
		} else {
			add_character(out, *text);
			buf_text(out, may_break(text) ? "\\:" : "");
		}
	}
	buf_text(out, bold ? "\\fR\n" : "\n");
}

/* "-n, --limit N": what is typed as it stands is bold, what stands for something else italic. */
static void add_words(struct buf *out, const char *words)
{
	for (const char *at = words; *at; at++) {
		bool begins = at == words || at[-1] == ' ' || at[-1] == '[';
		if (*at == '[' || *at == ']')
			buf_text(out, "\\fR");
		else if (begins)
			buf_text(out, *at >= 'A' && *at <= 'Z' ? "\\fI" : "\\fB");
		add_character(out, *at);
	}
	buf_text(out, "\\fR\n");
}

static void add_operands(struct buf *out, const struct command *c)
{
	for (const struct operand *o = c->operands; o && o->name; o++) {
		buf_text(out, ".TP\n");
		add_words(out, o->name);
		add_prose(out, o->prose ? o->prose : "");
	}
}

static void add_flags(struct buf *out, const struct flag *list)
{
	for (const struct flag *f = list; f && f->name; f++) {
		OWNED_BUF words = {0}, prose = {0};
		help_flag_words(&words, f);
		buf_char(&words, '\0');
		help_flag_prose(&prose, f);
		buf_char(&prose, '\0');
		buf_text(out, ".TP\n");
		add_words(out, words.at);
		add_prose(out, prose.at);
	}
}

static void add_notes(struct buf *out, const struct command *c)
{
	const struct spec_rule *rules = c->method ? c->method->rules : NULL;

	if (c->notes) {
		buf_text(out, ".PP\n");
		add_prose(out, c->notes);
	}
	for (const struct spec_rule *r = rules; r && r->kind != SPEC_RULE_END; r++) {
		OWNED_BUF text = {0};
		buf_printf(&text, "Mind that %s.", r->prose);
		buf_char(&text, '\0');
		buf_text(out, r == rules ? ".PP\n" : "");
		add_prose(out, text.at);
	}
	if (c->method)
		buf_printf(out, ".PP\nCalls \\fB%s\\fR.\n", c->method->name);
}

static void add_examples(struct buf *out, const char *examples)
{
	buf_text(out, ".PP\n.EX\n");
	for (; *examples; examples++)
		if (*examples == '\n')
			buf_char(out, '\n');
		else
			add_character(out, *examples);
	buf_text(out, "\n.EE\n");
}

static void add_command(struct buf *out, const struct command *c)
{
	OWNED_BUF synopsis = {0};
	char name[64];

	command_name(c, name);
	buf_text(&synopsis, "persistctl ");
	help_synopsis(&synopsis, c);
	buf_char(&synopsis, '\0');
	buf_printf(out, ".SS %s\n", name);
	add_words(out, synopsis.at);
	buf_text(out, ".PP\n");
	add_prose(out, c->prose);
	add_operands(out, c);
	add_flags(out, c->flags);
	add_notes(out, c);
	if (c->examples)
		add_examples(out, c->examples);
}

enum exit_status manual_print(const struct commands *all)
{
	OWNED_BUF out = {0};

	buf_text(&out, ".SH OPTIONS\nThese stand before, between or behind the words of any command.\n");
	add_flags(&out, command_common_flags);
	buf_text(&out, ".PP\nThese are taken by all commands that print results.\n");
	add_flags(&out, command_output_flags);
	buf_text(&out, ".SH COMMANDS\n");
	for (size_t i = 0; i < all->count; i++)
		add_command(&out, &all->at[i]);
	return print_buf(&out);
}
