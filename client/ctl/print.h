/* print: the one way to stdout. What cannot be written is told once, and ends with EXIT_FAILED; a reader that
 * went away ends the process by SIGPIPE, as it does other tools. */
#pragma once
#include "client/ctl/session.h"
#include "proto/buf.h"

enum exit_status print(struct span text);
enum exit_status print_line(struct span text); /* and a newline */
enum exit_status print_text(const char *text);
/* Prints and empties it. */
enum exit_status print_buf(struct buf *b);
/* Nothing is held back any more; at the end of each command, and before one waits. */
enum exit_status print_flush(void);
