/* sandbox: what the process gives up before it reads what others have written. From then on none of its threads
 * can write a file outside its own directories, start a program, open a socket that is no Unix socket, or
 * do what only administrators and debuggers do. Reading stays as it was: names of users are looked up in files and
 * libraries that only the system knows.
 *
 * Landlock (kernel 5.13) keeps the files, seccomp (through libseccomp, where it was built with it) the rest. A kernel
 * without the one or the other is no error: under systemd the unit confines the same, and more. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Before the first thread is started: threads that are there already stay as they are. `dirs`: below these files can
 * be written; where one is missing, below the nearest above it that is there; NULLs are skipped. False: `why` says
 * what is not confined; the rest is. */
bool sandbox_enter(const char *const dirs[], size_t count, char *why, size_t why_size);
