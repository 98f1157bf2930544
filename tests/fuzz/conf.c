/* The configuration: any file is refused with its name and line, or taken; and what was taken, written as --print-config
 * and as plain lines, is read back as the same. */
#include "daemon/conf_file.h"
#include "daemon/settings.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/place.h"

static char path[256];

static void write_file(struct span text)
{
	place_write("persistd.conf", text);
}

/* ---- lines */

static bool note_line(void *context, const struct conf_line *line, char *why, size_t why_size)
{
	struct buf *out = context;
	(void)why;
	(void)why_size;
	FUZZ_EXPECT(strncmp(line->place, path, strlen(path)) == 0 && line->place[strlen(path)] == ':');
	FUZZ_EXPECT((line->key != NULL) == (line->value != NULL));
	if (line->key) /* inih takes off more kinds of blanks than may stand for a key */
		buf_printf(out, "%s=%s\n", line->key[0] ? line->key : "none", line->value);
	else
		buf_printf(out, "[%s]\n", line->section);
	return true;
}

static bool read_lines(struct buf *out)
{
	char why[1024] = "";
	bool read;
	if (conf_read(path, true, note_line, out, &read, why, sizeof(why)))
		return true;
	FUZZ_EXPECT(read && strncmp(why, path, strlen(path)) == 0 && strlen(why) > strlen(path) + 4);
	return false;
}

/* A value may end in a backslash where two stood at the end of a line; written again, it would go on in the next. And a
 * byte order mark in front of a key is one only in the first line. */
static bool cannot_be_written(const struct buf *lines)
{
	return lines->len && (memmem(lines->at, lines->len, "\\\n", 2) || memmem(lines->at, lines->len, "\n\xef\xbb\xbf", 4));
}

static void lines_stay_the_same(void)
{
	struct buf lines = {0}, again = {0};
	buf_text(&lines, "#\n");
	buf_text(&again, "#\n");
	if (read_lines(&lines) && !cannot_be_written(&lines)) {
		write_file(buf_as_span(&lines));
		FUZZ_EXPECT(read_lines(&again));
		fuzz_same(buf_as_span(&again), buf_as_span(&lines), "lines read again");
	}
	buf_free(&lines);
	buf_free(&again);
}

/* ---- settings */

/* As --print-config has them, but without the comments, which say where each comes from. */
static void print(const struct settings *s, struct buf *whole, struct buf *values)
{
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	settings_print(s, to);
	fclose(to);
	buf_add(whole, text, len);
	for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
		if (*line != '#')
			buf_add(values, line, (size_t)(end + 1 - line));
	free(text);
}

static bool read_settings(struct settings *s)
{
	char *argv[] = {"persistd", "--config", path, NULL};
	int status = 0;
	return settings_read(s, 3, argv, &status) == SETTINGS_RUN;
}

/* A start would say so on stderr, each time. */
static bool is_refused(void)
{
	static struct settings base;
	static bool read;
	struct buf changed = {0}, restart = {0};
	char why[1024] = "";
	if (!read) {
		write_file(SPAN(""));
		read = read_settings(&base);
		FUZZ_EXPECT(read);
	}
	bool good = settings_reload(&base, why, sizeof(why), &changed, &restart);
	FUZZ_EXPECT(good || strstr(why, path));
	buf_free(&changed);
	buf_free(&restart);
	return !good;
}

static void settings_stay_the_same(void)
{
	struct settings s, again;
	struct buf whole = {0}, values = {0}, values_again = {0}, changed = {0}, restart = {0};
	char why[1024];
	FUZZ_EXPECT(read_settings(&s));
	print(&s, &whole, &values);
	if (!cannot_be_written(&whole)) {
		write_file(buf_as_span(&whole));
		if (!read_settings(&again))
			FUZZ_FAIL("printed and not taken: %.*s", (int)whole.len, whole.at);
		whole.len = 0;
		print(&again, &whole, &values_again);
		fuzz_same(buf_as_span(&values_again), buf_as_span(&values), "settings printed and read");
		FUZZ_EXPECT(settings_reload(&s, why, sizeof(why), &changed, &restart));
		FUZZ_EXPECT(changed.len == 0 && restart.len == 0);
		settings_free(&again);
	}
	settings_free(&s);
	buf_free(&whole);
	buf_free(&values);
	buf_free(&values_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct span text = {(const char *)bytes, size};
	if (!path[0]) {
		snprintf(path, sizeof(path), "%s/persistd.conf", place_path());
		setenv("HOME", place_path(), 1);
	}
	write_file(SPAN(""));
	is_refused(); /* what the run before has left */
	write_file(text);
	if (!is_refused())
		settings_stay_the_same();
	write_file(text);
	lines_stay_the_same();
	return 0;
}
