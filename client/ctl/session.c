#include "client/ctl/session.h"
#include "client/ctl/complain.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { MILLISECONDS = 1000 };

static const char machine_socket[] = "/run/persistd/persistd.sock";
static const double timeout_default = 30; /* libpersist's own, for what is said */

persist_client *session_client(struct session *s)
{
	if (s->client)
		return s->client;
	s->client = persist_open(s->socket);
	persist_set_patience(s->client, 0);
	if (s->timeout > 0) {
		double ms = s->timeout * MILLISECONDS;
		persist_set_timeout(s->client, ms > INT_MAX ? 0 : ms < 1 ? 1 : (int)ms);
	}
	return s->client;
}

static bool from_environment(const struct session *s)
{
	const char *value = getenv("PERSISTD_SOCKET");

	return !s->socket && value && value[0];
}

static enum exit_status no_daemon(struct session *s, const persist_error *e)
{
	const char *path = persist_socket(session_client(s));
	struct stat st;

	if (e->system_error == ENAMETOOLONG)
		return complain_usage("", "the socket's path is too long for a socket: %s", path);
	if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
		complain("no daemon at %s: it is not a socket", path);
		complain("say --socket PATH where the daemon listens");
		return EXIT_NO_DAEMON;
	}
	complain("no daemon at %s%s: %s", path, from_environment(s) ? " (from PERSISTD_SOCKET)" : "",
	         e->system_error ? strerror(e->system_error) : e->message);
	if (!s->socket && !from_environment(s) && strcmp(path, machine_socket) != 0)
		complain("nor is one at %s", machine_socket);
	if (e->system_error == EACCES || e->system_error == EPERM)
		complain("you may not connect there: ask for the daemon's group, or run a daemon of your own");
	if (strcmp(path, machine_socket) == 0)
		complain("start it with 'systemctl start persistd', or say --socket where another listens");
	else
		complain("start one with 'persistd --socket %s', or say --socket where it listens", path);
	return EXIT_NO_DAEMON;
}

static enum exit_status timed_out(const struct session *s, const char *about, const persist_error *e)
{
	complain("%s: no reply within %g s; %s", about, s->timeout > 0 ? s->timeout : timeout_default,
	         e->outcome == PERSIST_UNKNOWN ? "a change may have been made or not" : "nothing was changed");
	return EXIT_TIMEOUT;
}

enum exit_status session_status(const persist_error *e)
{
	switch (e->code) {
	case PERSIST_OK: return EXIT_OK;
	case PERSIST_NOT_FOUND: return EXIT_NOT_FOUND;
	case PERSIST_CONFLICT: return EXIT_CONFLICT;
	case PERSIST_E_NO_DAEMON: return EXIT_NO_DAEMON;
	case PERSIST_E_TIMEOUT:
	case PERSIST_TIMEOUT: return EXIT_TIMEOUT;
	default: return EXIT_FAILED;
	}
}

enum exit_status session_report(struct session *s, const char *about, const persist_error *e)
{
	char removed[32] = "";

	if (e->code == PERSIST_E_NO_DAEMON)
		return no_daemon(s, e);
	if (e->code == PERSIST_E_TIMEOUT)
		return timed_out(s, about, e);
	if (e->kind[0])
		complain("%s: %s: %s", about, e->kind, e->message);
	else
		complain("%s: error %d: %s", about, e->code, e->message);
	complain_detail("field", e->field);
	complain_detail("expected", e->expected);
	complain_detail("hint", e->hint);
	if (e->removed >= 0)
		snprintf(removed, sizeof removed, "%lld", (long long)e->removed);
	complain_detail("removed", removed);
	return session_status(e);
}

enum exit_status session_call(struct session *s, const char *method, struct span params,
                              persist_result **result)
{
	persist_error error;
	persist_value value = params.at ? persist_text_n(params.at, params.len) : persist_none();
	char about[300];

	*result = NULL;
	if (persist_call(session_client(s), method, value, result, &error) == 0)
		return EXIT_OK;
	snprintf(about, sizeof about, "%s%s%s", method, s->subject ? " " : "", s->subject ? s->subject : "");
	return session_report(s, about, &error);
}

void session_close(struct session *s)
{
	persist_close(s->client);
	s->client = NULL;
}
