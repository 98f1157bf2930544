/* where: which socket a client talks to when nobody says.
 *
 * The rule, which the daemon (where to listen) and the dev script (what to print) keep too: a user's own
 * socket is $XDG_RUNTIME_DIR/persistd/persistd.sock, or /tmp/persistd-<uid>/persistd.sock where that variable
 * is unset or empty; the machine's is /run/persistd/persistd.sock. */
#pragma once
#include <stddef.h>

enum { WHERE_MAX = 4096 };

void where_own(char out[WHERE_MAX]); /* the user's own socket, whether it exists or not */

/* The first of: `flag` (may be NULL), $PERSISTD_SOCKET, the user's own if it is there, the machine's if it is
 * there, the user's own. In /tmp, where anyone may make a directory of any name, ours counts only if it
 * belongs to us and nobody else can write to it. */
void where_socket(const char *flag, char out[WHERE_MAX]);
