/* fake: a daemon that does exactly what a test says, byte for byte.
 *
 * A script is a list of steps, done in their order in a thread of its own:
 *
 *	accept            takes the next connection; those before stay open, and are talked to no more
 *	line              takes the next line of it (the first one has the number 0)
 *	read N            takes N bytes, whatever they are
 *	say TEXT          sends TEXT; $0, $1, … become the ids of the lines with these numbers
 *	drip TEXT         likewise, one byte at a time
 *	answer N RESULT   sends the reply to line N
 *	refuse N CODE     sends the error CODE to line N
 *	serve             answers every line with {"served":<how many lines before it>} until the client goes away
 *	close             closes the connection
 *	deaf, listen      stops listening and removes the socket (as the first step: has not begun); listens again
 *	sleep MS
 *	pause             waits for fake_go()
 *
 * A step that cannot be done (the client has gone, or nothing comes for ten seconds) fails the test. */
#pragma once
#include <stddef.h>

/* Replies as JSON, instead of strings full of backslashes: RESULT($0, {"id":"j"}), without a newline. */
#define RESULT(id, ...) "{\"jsonrpc\":\"2.0\",\"result\":" #__VA_ARGS__ ",\"id\":" #id "}"
#define FAULT(id, ...) "{\"jsonrpc\":\"2.0\",\"error\":" #__VA_ARGS__ ",\"id\":" #id "}"

#define PLAY(...) fake_play((const char *const[]){__VA_ARGS__, NULL})

extern char fake_socket[96]; /* where it listens */

/* Listens from now on, and begins the script. Once in a test; the steps' texts must live until fake_end(). */
void fake_play(const char *const *steps);
void fake_nowhere(void);              /* no script: a path where nobody listens */
void fake_full(void);                 /* no script: listens, accepts nobody, and its backlog is full */
void fake_make_room(void);            /* after fake_full(): accepts, and serves the first client */
void fake_go(void);                   /* ends a pause */
void fake_await(unsigned lines);      /* returns once so many lines have been taken in all */
void fake_end(void);                  /* returns once the script is at its end */

unsigned fake_count(const char *part); /* whole lines that were taken and have this in them */
const char *fake_line(unsigned number);
