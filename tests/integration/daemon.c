#include "tests/integration/daemon.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FLAGS_MAX = 32 };

static char base[64]; /* all daemons' directories are in it */
static int patience_ms = DEADLINE_MS;

/* The tests leave their memory to the end of their process; the daemon does not, and is asked separately. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

long long clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void sleep_ms(int ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
}

/* ---- files */

char *file_read(const char *path, size_t *len)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0, got;
	char piece[65536];

	ck_assert_msg(file, "%s: %s", path, strerror(errno));
	FILE *to = open_memstream(&text, &size);
	while ((got = fread(piece, 1, sizeof piece, file)) > 0)
		fwrite(piece, 1, got, to);
	fclose(file);
	fclose(to);
	if (len)
		*len = size;
	return text;
}

void file_write(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "we");
	ck_assert_msg(file, "%s: %s", path, strerror(errno));
	ck_assert_uint_eq(fwrite(text, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
}

void file_copy(const char *from, const char *to)
{
	size_t len;
	char *text = file_read(from, &len);
	file_write(to, text, len);
	free(text);
}

bool file_exists(const char *path)
{
	struct stat status;
	return lstat(path, &status) == 0;
}

unsigned dir_count(const char *path, const char *suffix)
{
	unsigned count = 0;
	DIR *dir = opendir(path);
	ck_assert_msg(dir, "%s: %s", path, strerror(errno));
	for (struct dirent *entry; (entry = readdir(dir));) {
		size_t len = strlen(entry->d_name), tail = strlen(suffix);
		count += entry->d_name[0] != '.' && len >= tail && strcmp(entry->d_name + len - tail, suffix) == 0;
	}
	closedir(dir);
	return count;
}

unsigned dir_left_behind(const char *path)
{
	glob_t spares = {0};
	char *pattern;
	ck_assert_int_gt(asprintf(&pattern, "%s/spare.*.tmp", path), 0);
	glob(pattern, 0, NULL, &spares);
	unsigned count = dir_count(path, ".tmp") - (unsigned)spares.gl_pathc;
	globfree(&spares);
	free(pattern);
	return count;
}

char *test_data(const char *name)
{
	char *path;
	ck_assert_int_gt(asprintf(&path, "%s/tests/data/%s", SOURCE_DIR, name), 0);
	return path;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

static void remove_all(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- processes */

static int exit_status(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* -1000: still running at the deadline */
static int wait_until(pid_t pid, long long deadline)
{
	int status;
	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);
		ck_assert_int_ge(got, 0);
		if (got == pid)
			return exit_status(status);
		if (clock_ms() > deadline)
			return -1000;
		sleep_ms(1);
	}
}

/* What a sanitizer finds must end the daemon, and be told from other failures. Set before anything is forked:
 * a child of a process with threads must not allocate, and setenv() does. */
static void set_sanitizers(void)
{
	setenv("ASAN_OPTIONS", "detect_leaks=1:exitcode=86", 1);
	setenv("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1:exitcode=86", 1);
}

static void become(const char *const *argv)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* persistd must not outlive its test */
	signal(SIGXFSZ, SIG_IGN); /* a file size limit, where a test sets one, is to look like a full disk */
	execvp(argv[0], (char *const *)argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

struct command command_run(const char *const *argv)
{
	struct command c;
	FILE *out = tmpfile(), *err = tmpfile();
	char *text[2];

	ck_assert(out && err);
	pid_t pid = fork();
	if (pid == 0) {
		int nothing = open("/dev/null", O_RDONLY);
		dup2(nothing, 0);
		dup2(fileno(out), 1);
		dup2(fileno(err), 2);
		become(argv);
	}
	c.status = wait_until(pid, clock_ms() + 2 * DEADLINE_MS);
	if (c.status == -1000) {
		kill(pid, SIGKILL);
		ck_abort_msg("%s did not end", argv[0]);
	}
	for (int i = 0; i < 2; i++) {
		FILE *from = i ? err : out;
		long size = (fseek(from, 0, SEEK_END), ftell(from));
		rewind(from);
		text[i] = calloc(1, (size_t)size + 1);
		ck_assert_uint_eq(fread(text[i], 1, (size_t)size, from), (size_t)size);
		fclose(from);
	}
	c.out = text[0];
	c.err = text[1];
	return c;
}

/* ---- the daemon */

struct daemon *daemon_new(void)
{
	struct daemon *d = calloc(1, sizeof *d);
	snprintf(d->dir, sizeof d->dir, "%s/XXXXXX", base);
	ck_assert_ptr_nonnull(mkdtemp(d->dir));
	snprintf(d->state, sizeof d->state, "%s/state", d->dir);
	snprintf(d->socket, sizeof d->socket, "%s/socket", d->dir);
	snprintf(d->errors, sizeof d->errors, "%s/stderr", d->dir);
	file_write(d->errors, "", 0);
	ck_assert_int_eq(mkdir(d->state, 0700), 0);
	return d;
}

void daemon_spawn(struct daemon *d, const char *const *flags)
{
	const char *other = getenv("PERSISTD"); /* the same, built in another way */
	const char *argv[FLAGS_MAX + 6] = {other ? other : PERSISTD, "--state-dir", d->state, "--socket", d->socket};
	for (int i = 0; flags && flags[i]; i++) {
		ck_assert_int_lt(i, FLAGS_MAX);
		argv[5 + i] = flags[i];
	}
	ck_assert_msg(d->pid == 0, "the daemon runs already");
	d->pid = fork();
	ck_assert_int_ge(d->pid, 0);
	if (d->pid == 0) {
		int nothing = open("/dev/null", O_RDWR);
		dup2(nothing, 0);
		dup2(nothing, 1);
		dup2(open(d->errors, O_WRONLY | O_APPEND | O_CREAT, 0600), 2);
		become(argv);
	}
}

/* A connection alone says too little: the kernel makes it while the store still loads, when a SIGTERM ends the daemon
 * by its default action. */
static bool answers(const char *path, int patience)
{
	static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"server.ping\"}\n";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char some;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	bool answered = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
	                send(fd, ping, strlen(ping), MSG_NOSIGNAL) == (ssize_t)strlen(ping) &&
	                poll(&answer, 1, patience) == 1 && recv(fd, &some, 1, 0) == 1;
	close(fd);
	return answered;
}

char *daemon_errors(const struct daemon *d)
{
	return file_read(d->errors, NULL);
}

void daemon_patience(int ms)
{
	patience_ms = ms;
}

void daemon_start(struct daemon *d, const char *const *flags)
{
	daemon_spawn(d, flags);
	for (long long deadline = clock_ms() + patience_ms; !answers(d->socket, 100); sleep_ms(2)) {
		int status;
		if (waitpid(d->pid, &status, WNOHANG) == d->pid) {
			d->pid = 0;
			ck_abort_msg("persistd did not start (%d): %s", exit_status(status), daemon_errors(d));
		}
		ck_assert_msg(clock_ms() < deadline, "persistd does not answer: %s", daemon_errors(d));
	}
}

struct daemon *daemon_started(const char *const *flags)
{
	struct daemon *d = daemon_new();
	daemon_start(d, flags);
	return d;
}

int daemon_start_refused(struct daemon *d, const char *const *flags)
{
	daemon_spawn(d, flags);
	return daemon_wait(d);
}

int daemon_wait(struct daemon *d)
{
	int status = wait_until(d->pid, clock_ms() + patience_ms);
	if (status == -1000)
		kill(d->pid, SIGABRT);
	ck_assert_msg(status != -1000, "persistd did not end: %s", daemon_errors(d));
	d->pid = 0;
	return status;
}

void daemon_send_signal(struct daemon *d, int signal)
{
	ck_assert_msg(d->pid > 0, "the daemon does not run");
	ck_assert_int_eq(kill(d->pid, signal), 0);
}

int daemon_signal(struct daemon *d, int signal)
{
	daemon_send_signal(d, signal);
	return daemon_wait(d);
}

void daemon_kill(struct daemon *d)
{
	ck_assert_int_eq(daemon_signal(d, SIGKILL), -SIGKILL);
}

static void stop_cleanly(struct daemon *d)
{
	int status = daemon_signal(d, SIGTERM);
	ck_assert_msg(status == 0, "a clean stop ended with %d: %s", status, daemon_errors(d));
}

void daemon_restart(struct daemon *d, const char *const *flags)
{
	stop_cleanly(d);
	daemon_start(d, flags);
}

void daemon_end(struct daemon *d)
{
	if (d->pid)
		stop_cleanly(d);
	char *errors = daemon_errors(d);
	ck_assert_msg(!strstr(errors, "Sanitizer") && !strstr(errors, "runtime error"), "%s", errors);
	free(errors);
	remove_all(d->dir);
	free(d);
}

char *daemon_path(const struct daemon *d, const char *name)
{
	char *path;
	ck_assert_int_gt(asprintf(&path, "%s/%s", d->state, name), 0);
	return path;
}

char *daemon_file(const struct daemon *d, const char *name)
{
	return file_read(daemon_path(d, name), NULL);
}

TCase *integration_case(Suite *suite, const char *name, void (*setup)(void), void (*teardown)(void))
{
	TCase *tests = tcase_create(name);
	tcase_set_timeout(tests, 4 * DEADLINE_MS / 1000);
	if (setup)
		tcase_add_checked_fixture(tests, setup, teardown);
	suite_add_tcase(suite, tests);
	return tests;
}

int integration_run(Suite *suite)
{
	const char *tmp = getenv("TMPDIR");
	/* a socket's path has 107 bytes at most */
	snprintf(base, sizeof base, "%s/persistd-test-XXXXXX", tmp && strlen(tmp) < 30 ? tmp : "/tmp");
	if (!mkdtemp(base)) {
		perror(base);
		return EXIT_FAILURE;
	}
	set_sanitizers();
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	remove_all(base);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
