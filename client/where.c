#include "client/where.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char machine_socket[] = "/run/persistd/persistd.sock";

static const char *set_value(const char *name)
{
	const char *value = getenv(name);
	return value && value[0] ? value : NULL;
}

static void tmp_dir(char out[WHERE_MAX])
{
	snprintf(out, WHERE_MAX, "/tmp/persistd-%lu", (unsigned long)geteuid());
}

void where_own(char out[WHERE_MAX])
{
	const char *runtime = set_value("XDG_RUNTIME_DIR");
	char dir[WHERE_MAX];

	if (runtime) {
		snprintf(out, WHERE_MAX, "%s/persistd/persistd.sock", runtime);
		return;
	}
	tmp_dir(dir);
	snprintf(out, WHERE_MAX, "%.*s/persistd.sock", WHERE_MAX - 32, dir);
}

/* A directory that is not there yet is nobody's. */
static bool own_is_ours(void)
{
	struct stat st;
	char dir[WHERE_MAX];

	if (set_value("XDG_RUNTIME_DIR"))
		return true;
	tmp_dir(dir);
	if (lstat(dir, &st) != 0)
		return errno == ENOENT;
	return S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 022) == 0;
}

void where_socket(const char *flag, char out[WHERE_MAX])
{
	const char *said = flag ? flag : set_value("PERSISTD_SOCKET");

	if (said) {
		snprintf(out, WHERE_MAX, "%s", said);
		return;
	}
	where_own(out);
	bool ours = own_is_ours();
	if (ours && access(out, F_OK) == 0)
		return;
	if (!ours || access(machine_socket, F_OK) == 0)
		snprintf(out, WHERE_MAX, "%s", machine_socket);
}
