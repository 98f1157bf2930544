/* The documents' examples: every command of a page's console blocks is run, in order, in one shell, in an empty
 * directory, against a daemon of the page's own, and must succeed and print what the page shows. … stands for
 * anything. */
#include "tests/integration/daemon.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { EXAMPLES_MAX = 200 };

static const char *const pages[] = {"README.md", "docs/cli.md", "docs/import-export.md"};

#define ANYTHING "\xe2\x80\xa6" /* … */

struct example {
	char *command, *shown;
};

static struct example examples[EXAMPLES_MAX];
static int example_count;

static void add_command(const char *line)
{
	ck_assert_int_lt(example_count, EXAMPLES_MAX);
	examples[example_count++] = (struct example){strdup(line), strdup("")};
}

static void add_shown(const char *line)
{
	struct example *e = &examples[example_count - 1];
	char *longer;
	ck_assert_int_gt(example_count, 0);
	ck_assert_int_gt(asprintf(&longer, "%s%s\n", e->shown, line), 0);
	e->shown = longer;
}

static void read_examples(const char *page)
{
	bool inside = false;
	char path[256];
	snprintf(path, sizeof path, "%s/%s", SOURCE_DIR, page);
	for (char *line = strtok(file_read(path, NULL), "\n"); line;
	     line = strtok(NULL, "\n")) {
		if (strncmp(line, "```", 3) == 0)
			inside = strcmp(line, "```console") == 0;
		else if (inside && strncmp(line, "$ ", 2) == 0)
			add_command(line + 2);
		else if (inside)
			add_shown(line);
	}
}

/* The shell writes each command's exit status behind what it has printed,
 * between bytes that no command prints. */
static char *script(const char *dir)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	/* the binaries of this build stand for those that the reader has built or installed */
	fprintf(out, "mkdir '%s/here' '%s/bin'; cd '%s/here'; ln -s '%s' '%s/bin/persistctl'; PATH=%s/bin:$PATH\n", dir, dir,
	        dir, PERSISTCTL, dir, dir);
	for (int i = 0; i < example_count; i++) {
		const char *command = examples[i].command, *built = "build/client/persistctl";
		if (strncmp(command, built, strlen(built)) == 0)
			command += strlen("build/client/");
		fprintf(out, "%s\nprintf '\\001%%d\\002' $?\n", command);
	}
	fclose(out);
	return text;
}

static bool matches(const char *shown, const char *printed)
{
	const char *wild = strstr(shown, ANYTHING);
	size_t fixed = wild ? (size_t)(wild - shown) : strlen(shown);
	if (strncmp(shown, printed, fixed) != 0)
		return false;
	if (!wild)
		return printed[fixed] == '\0';
	for (const char *rest = printed + fixed;; rest++) {
		if (matches(wild + strlen(ANYTHING), rest))
			return true;
		if (!*rest)
			return false;
	}
}

static struct daemon *where_the_pages_look(void)
{
	struct daemon *d = daemon_new();
	char parent[128];
	snprintf(parent, sizeof parent, "%s/persistd", d->dir);
	ck_assert_int_eq(mkdir(parent, 0700), 0);
	snprintf(d->socket, sizeof d->socket, "%s/persistd/persistd.sock", d->dir);
	snprintf(parent, sizeof parent, "%s/xdg", d->dir);
	ck_assert_int_eq(mkdir(parent, 0700), 0);
	snprintf(d->state, sizeof d->state, "%s/xdg/persistd", d->dir);
	setenv("XDG_RUNTIME_DIR", d->dir, 1);
	setenv("XDG_STATE_HOME", parent, 1);
	return d;
}

START_TEST(every_example_of_the_documents_does_what_it_shows)
{
	read_examples(pages[_i]);
	ck_assert_int_ge(example_count, 10);
	struct daemon *d = where_the_pages_look();
	daemon_start(d, NULL);
	struct command shell = command_run(ARGS("sh", "-c", script(d->dir)));
	char *at = shell.out;
	for (int i = 0; i < example_count; i++) {
		char *end = strchr(at, '\001');
		ck_assert_msg(end, "%s: the shell ended here: %s", examples[i].command, shell.err);
		*end = '\0';
		int status = atoi(end + 1);
		ck_assert_msg(status == 0, "%s: exit status %d: %s", examples[i].command, status, shell.err);
		ck_assert_msg(matches(examples[i].shown, at), "$ %s\nshown:   %s\nprinted: %s\n%s", examples[i].command, examples[i].shown, at, shell.err);
		at = strchr(end + 1, '\002') + 1;
	}
	daemon_end(d);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("documents");
	tcase_add_loop_test(integration_case(suite, "documents", NULL, NULL),
	                    every_example_of_the_documents_does_what_it_shows, 0, COUNT(pages));
	return integration_run(suite);
}
