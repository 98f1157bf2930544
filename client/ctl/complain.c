#include "client/ctl/complain.h"
#include "client/ctl/screen.h"
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static bool utf8(void)
{
	return strcasecmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Line by line, since a newline of our own is the only control character that may pass. */
static void put(const char *before, struct span text)
{
	__attribute__((cleanup(buf_free))) struct buf line = {0};

	buf_text(&line, before);
	screen_fit(&line, text, utf8());
	buf_char(&line, '\n');
	(void)fwrite(line.at, 1, line.len, stderr);
}

static void say(const char *format, va_list args)
{
	char *text;
	int len = vasprintf(&text, format, args);

	if (len < 0)
		return;
	put("persistctl: ", (struct span){text, (size_t)len});
	free(text);
}

void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}

enum exit_status complain_failed(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	return EXIT_FAILED;
}

enum exit_status complain_help(const char *command)
{
	complain("'persistctl %s%s--help' says how it is used", command, command[0] ? " " : "");
	return EXIT_USAGE;
}

enum exit_status complain_usage(const char *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
	return complain_help(command);
}

void complain_detail(const char *name, const char *text)
{
	char before[80];

	if (!text[0])
		return;
	snprintf(before, sizeof before, "  %s: ", name);
	put(before, span_of(text));
}
