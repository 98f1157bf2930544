/* persistd: where to start reading. main reads the settings; server.c runs the daemon's life;
 * docs/architecture.md is the tour from here. */
#include "daemon/check.h"
#include "daemon/salvage.h"
#include "daemon/server.h"
#include "daemon/settings.h"
#include <malloc.h>

int main(int argc, char **argv)
{
	struct settings settings;
	int status;
	server_hold_hangup(true);
	/* With an arena for each thread the workers keep what folds and merges once needed, each its own megabytes: a
	 * store of 25 MB of texts went from 42 to 65 MB in minutes, and with one arena to 43. */
	mallopt(M_ARENA_MAX, 1);
	log_open();
	enum settings_command command = settings_read(&settings, argc, argv, &status);
	if (command != SETTINGS_RUN)
		server_hold_hangup(false);
	switch (command) {
	case SETTINGS_RUN: status = server_run(&settings); break;
	case SETTINGS_CHECK: status = check_run(settings.state_dir, stdout); break;
	case SETTINGS_SALVAGE: status = salvage_run(settings.state_dir, settings.salvage, stdout); break;
	case SETTINGS_PRINT: settings_print(&settings, stdout); break;
	case SETTINGS_EXIT: return status;
	}
	settings_free(&settings);
	return status;
}
