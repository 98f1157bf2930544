#include "client/ctl/print.h"
#include "client/ctl/complain.h"
#include "client/ctl/interrupt.h"
#include <errno.h>
#include <stdio.h>

/* A write that failed is told by whoever comes first, and not again: stdio remembers it. */
static enum exit_status failed(void)
{
	static bool told;

	if (!told && !(errno == EINTR && interrupt_asked()))
		complain("cannot write the output: %s", strerror(errno));
	told = true;
	return EXIT_FAILED;
}

enum exit_status print(struct span text)
{
	if (ferror(stdout) || fwrite(text.at, 1, text.len, stdout) != text.len)
		return failed();
	return EXIT_OK;
}

enum exit_status print_line(struct span text)
{
	enum exit_status status = print(text);
	return status == EXIT_OK ? print(SPAN("\n")) : status;
}

enum exit_status print_text(const char *text)
{
	return print(span_of(text));
}

enum exit_status print_buf(struct buf *b)
{
	enum exit_status status = b->len > 0 ? print(buf_as_span(b)) : EXIT_OK;
	b->len = 0;
	return status;
}

enum exit_status print_flush(void)
{
	return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_OK : failed();
}
