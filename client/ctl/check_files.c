#include "client/ctl/check_files.h"
#include "client/ctl/complain.h"
#include "client/ctl/print.h"
#include "proto/buf.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct flag check_files_flags[] = {
	{.name = "state-dir", .argument = "DIR", .offer = OFFER_FILE,
	 .prose = "The state directory. Else that of the daemon that runs, else persistd's own default."},
	{.name = NULL},
};

static bool is_program(const char *path)
{
	return access(path, X_OK) == 0;
}

/* Beside us: installed in one directory, or as the build tree has it. */
static bool beside(char path[PATH_MAX])
{
	static const char *const places[] = {"persistd", "../daemon/persistd", "../sbin/persistd"};
	char here[PATH_MAX - 32];
	ssize_t len = readlink("/proc/self/exe", here, sizeof here - 1);
	char *slash;

	if (len <= 0)
		return false;
	here[len] = '\0';
	slash = strrchr(here, '/');
	if (!slash)
		return false;
	for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
		snprintf(path, PATH_MAX, "%.*s/%s", (int)(slash - here), here, places[p]);
		if (is_program(path))
			return true;
	}
	return false;
}

static bool in_directories(const char *list, char path[PATH_MAX])
{
	for (const char *at = list ? list : ""; *at;) {
		size_t len = strcspn(at, ":");
		snprintf(path, PATH_MAX, "%.*s/persistd", (int)len, at);
		if (len > 0 && is_program(path))
			return true;
		at += len + (at[len] == ':');
	}
	return false;
}

/* Of the daemon that runs; empty: none does. Nothing is said where none does. */
static enum exit_status ask_directory(struct invocation *i, struct buf *out)
{
	persist_result *result;
	persist_error error;
	const char *directory;

	if (persist_call(session_client(&i->session), "server.info", persist_none(), &result, &error) != 0)
		return error.code == PERSIST_E_NO_DAEMON ? EXIT_OK
		                                         : session_report(&i->session, "server.info", &error);
	directory = persist_result_member(result, "state_dir");
	if (directory) {
		complain("the daemon at %s runs in %s: stop it to check its files, or check a copy of them",
		         persist_socket(i->session.client), directory);
		buf_text(out, directory);
	}
	persist_result_free(result);
	return EXIT_OK;
}

static enum exit_status hand_over(const char *directory)
{
	char path[PATH_MAX];
	const char *arguments[] = {"persistd", "--check", directory ? "--state-dir" : NULL, directory, NULL};

	if (!beside(path) && !in_directories(getenv("PATH"), path) &&
	    !in_directories("/usr/sbin:/usr/local/sbin:/sbin", path))
		return complain_failed("persistd is neither beside persistctl nor in PATH or /usr/sbin: "
		                       "run 'persistd --check' where it is");
	if (print_flush() != EXIT_OK)
		return EXIT_FAILED;
	execv(path, (char **)arguments);
	return complain_failed("cannot run %s: %s", path, strerror(errno));
}

enum exit_status check_files_run(struct invocation *i)
{
	__attribute__((cleanup(buf_free))) struct buf asked = {0};
	const char *directory = given_text(&i->given, "state-dir");
	enum exit_status status = EXIT_OK;

	if (i->given.operand_count > 0)
		return complain_usage("check", "check takes no operand; --state-dir %s?", i->given.operands[0]);
	if (!directory) {
		status = ask_directory(i, &asked);
		buf_char(&asked, '\0');
		directory = asked.at[0] ? asked.at : NULL;
	}
	return status == EXIT_OK ? hand_over(directory) : status;
}
