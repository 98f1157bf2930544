/* interrupt: what becomes of Ctrl-C.
 *
 * Most commands hold nothing that would need putting away, and end at once, with 130. One that stores or
 * writes many records defers that: it looks at interrupt_asked() with each of them, waits for what is on
 * its way, and says how far it came. Where it does not get there within a second (the daemon hangs, nobody
 * reads the pipe), or Ctrl-C comes again, the process ends with the words that were left last. A signal
 * that was ignored when the process began (nohup) stays so. */
#pragma once
#include <stdbool.h>

void interrupt_start(void); /* once, by main() */

/* From here on a first Ctrl-C is only noted. System calls that wait come back with EINTR then. */
void interrupt_defer(void);
bool interrupt_asked(void);

/* What is said, behind "persistctl: interrupted: ", where the command itself does not come to it. Costs a
 * printf. */
__attribute__((format(printf, 1, 2))) void interrupt_words(const char *format, ...);

/* A file that is removed when the process ends early, by SIGTERM and SIGHUP, too; NULL: none. Borrowed: it
 * must live until it is replaced. */
void interrupt_removes(char *path);
