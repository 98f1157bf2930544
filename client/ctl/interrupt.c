#include "client/ctl/interrupt.h"
#include "client/ctl/bar.h"
#include "client/ctl/session.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { WORDS_ROOM = 400, PATIENCE_SECONDS = 1, SIGNALLED = 128 };

static const char opening[] = "persistctl: interrupted: ";

static volatile sig_atomic_t deferred, asked;
static char *volatile unfinished;
/* Two, so that the handler never sees one that is being written. */
static char words[2][WORDS_ROOM];
static volatile sig_atomic_t words_at = -1;

/* Only what a signal handler may call. */
static void leave(int status)
{
	const char *said = words_at >= 0 ? words[words_at] : NULL;
	ssize_t written = 0;

	if (unfinished)
		unlink(unfinished);
	bar_interrupted();
	if (said) {
		written += write(STDERR_FILENO, opening, sizeof opening - 1);
		written += write(STDERR_FILENO, said, strlen(said));
	}
	(void)written;
	_exit(status);
}

static void on_interrupt(int number)
{
	(void)number;
	if (!deferred || asked)
		leave(EXIT_INTERRUPTED);
	asked = 1;
	alarm(PATIENCE_SECONDS);
}

static void on_alarm(int number)
{
	(void)number;
	leave(EXIT_INTERRUPTED);
}

static void on_end(int number)
{
	leave(SIGNALLED + number);
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler}, before;

	if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(number, &action, NULL);
}

void interrupt_start(void)
{
	handle(SIGINT, on_interrupt);
}

void interrupt_defer(void)
{
	handle(SIGALRM, on_alarm);
	deferred = 1;
}

bool interrupt_asked(void)
{
	return asked;
}

void interrupt_words(const char *format, ...)
{
	int next = words_at == 0;
	va_list args;

	va_start(args, format);
	int len = vsnprintf(words[next], WORDS_ROOM - 1, format, args);
	va_end(args);
	len = len < 0 ? 0 : len > WORDS_ROOM - 2 ? WORDS_ROOM - 2 : len;
	words[next][len] = '\n';
	words[next][len + 1] = '\0';
	words_at = next;
}

void interrupt_removes(char *path)
{
	unfinished = path;
	if (!path)
		return;
	handle(SIGTERM, on_end);
	handle(SIGHUP, on_end);
}
