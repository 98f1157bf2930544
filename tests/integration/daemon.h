/* daemon: the real binary in a directory of its own, for tests that use it as a stranger would.
 *
 * Each function fails the running test where it cannot do its part, so that a test says only what it is
 * about. Check runs every test in a process of its own: memory is left to its end, and a daemon dies with the
 * test that started it. */
#pragma once
#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

enum { DEADLINE_MS = 30000 }; /* for whatever should come at once, on a slow machine under sanitizers */

/* JSON as JSON, instead of a string full of backslashes. */
#define JSON(...) #__VA_ARGS__
/* Arguments of a command line. */
#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

struct daemon {
	char dir[72];      /* holds all of it */
	char state[96], socket[96];
	char errors[96];   /* the file that stderr goes to */
	pid_t pid;         /* 0: does not run */
};

/* Runs the suite in a fresh directory, which all daemons' directories are in. The exit status of main(). */
int integration_run(Suite *suite);
/* Tests that all begin and end the same way; NULL: in their own way. */
TCase *integration_case(Suite *suite, const char *name, void (*setup)(void), void (*teardown)(void));

void daemon_patience(int ms); /* how long a start and a stop may take, where DEADLINE_MS is not enough */
struct daemon *daemon_new(void);                                  /* a directory, and nothing started */
/* Begins its life and does not wait for it. The kernel ends it with the thread that called: use the test's own. */
void daemon_spawn(struct daemon *d, const char *const *flags);
/* returns once it answers; flags may be NULL */
void daemon_start(struct daemon *d, const char *const *flags);
struct daemon *daemon_started(const char *const *flags);          /* both */
/* it must end by itself: its exit status */
int daemon_start_refused(struct daemon *d, const char *const *flags);
/* sends it and waits: the exit status, or -signal */
int daemon_signal(struct daemon *d, int signal);
void daemon_send_signal(struct daemon *d, int signal);
int daemon_wait(struct daemon *d);
void daemon_kill(struct daemon *d);                               /* SIGKILL */
void daemon_restart(struct daemon *d, const char *const *flags);  /* a clean stop and a start */
/* a clean stop, no complaint of a sanitizer, files removed */
void daemon_end(struct daemon *d);

char *daemon_errors(const struct daemon *d);                      /* what it has written to stderr */
char *daemon_path(const struct daemon *d, const char *name);      /* of a file in the state directory */
char *daemon_file(const struct daemon *d, const char *name);      /* what such a file holds */

/* Files and commands. */
char *file_read(const char *path, size_t *len);                   /* NUL-terminated; len may be NULL */
void file_write(const char *path, const char *text, size_t len);
void file_copy(const char *from, const char *to);
bool file_exists(const char *path);
unsigned dir_count(const char *path, const char *suffix);         /* names that end so */
unsigned dir_left_behind(const char *path);                       /* tmp files but spare segments */
char *test_data(const char *name);                                /* the path of tests/data/name */

struct command {
	int status; /* exit status, or -signal */
	char *out, *err;
};
struct command command_run(const char *const *argv);

long long clock_ms(void); /* monotonic */
void sleep_ms(int ms);
